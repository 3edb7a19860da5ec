"""Shards of WebDataset: ``webdataset:shard-{000..009}.tar?image=jpg&label=cls``.

Files of one key belong together; a key ends at the first dot of the base name, and what follows is
the field: ``0001.jpg`` and ``0001.cls`` are the fields ``jpg`` and ``cls`` of the key 0001. The
image is the first field that is one by its name, the label ``cls``, else a field of ``json`` (
``label``, ``cls``, ``class``, …; ``label=json.FIELD`` names it), else ``txt`` where it holds
numbers or few words; a ``txt`` that differs for every image is a caption and no label. The tars are
read once for their headers and labels; the package ``webdataset`` is not needed.
"""

import glob
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from invariscope.data.containers import Container, open_container
from invariscope.data.files import FilesSource
from invariscope.data.folder import SUFFIXES
from invariscope.data.paths import numbers
from invariscope.data.source import SOURCES, UnreadableImage
from invariscope.data.table import LABEL_COLUMNS
from invariscope.errors import InputError
from invariscope.registry import unknown_name

_LABEL_FIELDS = ("cls", "json", "txt")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class ShardsSource(FilesSource):
    """The images of shards; ids are the keys, with the shard's name where keys come twice.

    Args:
        name: What the report calls it.
        shards: The opened tars.
        image: The field of the image; None: the first that is one by its name.
        label: The field of the label, such as "cls" or "json.label"; None: found; "none":
            unlabelled.
        files: The names of the shards.

    Raises:
        InputError: There is no image, or no such field; a label cannot be read.
    """

    def __init__(
        self,
        name: str,
        shards: Sequence[Container],
        image: str | None = None,
        label: str | None = None,
        files: Sequence[str] = (),
    ):
        self.name, self._shards = name, shards
        samples: list[tuple[int, str, dict[str, int]]] = []
        for number, shard in enumerate(shards):
            samples += [(number, key, fields) for key, fields in _keys(shard.names).items()]
        fields = sorted({field for _, _, own in samples for field in own})
        self._image = _image_field(name, fields, image)
        self._samples = [sample for sample in samples if self._image in sample[2]]
        keys = [key for _, key, _ in self._samples]
        if len(set(keys)) < len(keys):
            stems = [os.path.basename(file).partition(".")[0] for file in files]
            keys = [f"{stems[n] if stems else n}/{key}" for n, key, _ in self._samples]
        if len(set(keys)) < len(keys):
            raise InputError(f"{name}: a key comes twice in a shard; write each sample once")
        self.ids = keys
        lost = len(samples) - len(keys)
        self.notes = [f"left out {lost:,} samples without the field {self._image!r}"] * bool(lost)
        self._read_labels(fields, label)

    def file(self, index: int) -> bytes:
        """Returns the bytes of an image's file."""
        return self._bytes(index, self._image)

    def suffix(self, index: int) -> str:
        """Returns the suffix of an image's file, from its field."""
        return os.path.splitext(f"image.{self._image}")[1]

    def _bytes(self, index: int, field: str) -> bytes:
        shard, _, fields = self._samples[index]
        if field not in fields:
            raise UnreadableImage(self.ids[index], f"there is no {field!r}")
        return self._shards[shard].read(fields[field])

    def _read_labels(self, fields: Sequence[str], wanted: str | None) -> None:
        from invariscope.data.labels import class_indices  # imports torch's labels only if needed

        said = f"image {self._image!r}"
        values, source = self._find_labels(fields, wanted)
        if values is None:
            self.decisions = {"fields": f"{said}, no label"}
            if wanted is None:
                self.notes = [*self.notes, f"{self.name}: unlabelled: {source}"]
            return
        try:
            self.labels, self.class_names = class_indices(values, len(self.ids))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self.name}: the labels {source!r} cannot be used ({error}); name another field "
                "with label=FIELD, or label=none"
            ) from error
        self.decisions = {"fields": f"{said}, label {source!r}"}

    def _find_labels(self, fields: Sequence[str], wanted: str | None) -> tuple[Any, str]:
        """The labels and their field; or None, and why there are none."""
        if wanted == "none":
            return None, ""
        if wanted is not None:
            if wanted.partition(".")[0] not in fields and wanted not in fields:
                raise unknown_name(f"field of {self.name}", wanted, fields)
            return self._values(fields, wanted), wanted
        reason = "it has no field cls, json or txt; label=FIELD names one of " + ", ".join(fields)
        for field in (field for field in _LABEL_FIELDS if field in fields):
            if field == "json":
                first = self._json(0, field)
                inner = [key for key in LABEL_COLUMNS if key in first]
                if not inner:
                    reason = (
                        "its json has no field label, cls or class; label=json.FIELD names one of "
                        + ", ".join(map(str, first))
                    )
                    continue
                if len(inner) > 1:
                    raise InputError(
                        f"{self.name}: the fields {', '.join(inner)} of its json may all be "
                        f"labels; name one with label=json.{inner[0]}"
                    )
                field = f"json.{inner[0]}"
            values = self._values(fields, field)
            words = {value for value in values if isinstance(value, str)}
            if field == "txt" and len(words) > max(2, len(values) // 2):
                reason = "its txt differs from image to image, as captions do; label=txt takes it"
                continue
            return values, field
        return None, reason

    def _values(self, fields: Sequence[str], field: str) -> list[Any]:
        outer, _, inner = field.partition(".")
        if field not in fields and inner:
            return [self._json(index, outer).get(inner) for index in range(len(self.ids))]
        texts = [self._label_bytes(index, field) for index in range(len(self.ids))]
        words = [text.decode("utf-8", "replace").strip() for text in texts]
        return list(numbers(words))

    def _json(self, index: int, field: str) -> dict[str, Any]:
        try:
            content = json.loads(self._label_bytes(index, field))
        except ValueError as error:
            raise InputError(f"{self.name}: the {field} of {self.ids[index]} is no JSON") from error
        return content if isinstance(content, dict) else {"label": content}

    def _label_bytes(self, index: int, field: str) -> bytes:
        try:
            return self._bytes(index, field)
        except UnreadableImage as error:
            raise InputError(
                f"{self.name}: {self.ids[index]} has no {field}, other samples have: label=none "
                "leaves labels out"
            ) from error


@SOURCES.register("webdataset")
def webdataset(
    argument: str | None = None, *, image: str | None = None, label: str | None = None
) -> ShardsSource:
    """Shards of WebDataset: shard-{000..009}.tar, webdataset:…?image=jpg&label=cls.

    Raises:
        InputError: A shard cannot be read, or as for `ShardsSource`.

    Example:
        >>> webdataset()
        Traceback (most recent call last):
        invariscope.errors.InputError: webdataset: which shards? webdataset:shard-{0..9}.tar works
    """
    if not argument:
        raise InputError("webdataset: which shards? webdataset:shard-{0..9}.tar works")
    files = shard_files(argument)
    name = f"webdataset:{argument}"
    return ShardsSource(name, [open_container(file) for file in files], image, label, files)


def shard_files(pattern: str) -> list[str]:
    """Returns the files that braces, stars and "::" stand for.

    Raises:
        InputError: A star matches nothing, or it is no file but a stream.

    Example:
        >>> shard_files("a-{08..10}.tar::b-{x,y}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-x.tar', 'b-y.tar']
    """
    files: list[str] = []
    for part in (expanded for braces in pattern.split("::") for expanded in _expanded(braces)):
        path = part.removeprefix("file:")
        if "://" in path or path.startswith("pipe:"):
            raise InputError(f"webdataset: {path!r} is no file; download the shards first")
        if any(letter in path for letter in "*?["):
            matches = sorted(glob.glob(os.path.expanduser(path)))
            if not matches:
                raise InputError(f"webdataset: no file matches {path!r}")
            files += matches
        else:
            files.append(path)
    return files


def _expanded(text: str) -> list[str]:
    braces = _BRACES.search(text)
    if braces is None:
        return [text]
    inner = _RANGE.fullmatch(braces[1])
    if inner:
        low, high, width = int(inner[1]), int(inner[2]), len(inner[1])
        parts = [f"{number:0{width}}" for number in range(low, high + 1)]
    else:
        parts = braces[1].split(",")
    rest = _expanded(text[braces.end() :])
    return [text[: braces.start()] + part + end for part in parts for end in rest]


def _keys(names: Sequence[str]) -> dict[str, dict[str, int]]:
    """The places of the fields of each key."""
    keys: dict[str, dict[str, int]] = {}
    for position, name in enumerate(names):
        folder, _, base = name.rpartition("/")
        stem, dot, field = base.partition(".")
        if not stem or not dot or "__MACOSX" in folder:
            continue
        key = f"{folder}/{stem}" if folder else stem
        keys.setdefault(key, {}).setdefault(field.lower(), position)
    return keys


def _image_field(name: str, fields: Sequence[str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in fields:
            raise unknown_name(f"field of {name}", wanted, fields)
        return wanted
    images = [field for field in fields if _is_image(field)]
    if not images:
        raise InputError(
            f"{name}: none of its fields ({', '.join(fields)}) is an image; image=FIELD names it"
        )
    if len(images) > 1:
        raise InputError(
            f"{name}: the fields {', '.join(images)} are images; name one with image={images[0]}"
        )
    return images[0]


def _is_image(field: str) -> bool:
    return "." + field.rpartition(".")[2] in SUFFIXES


def has_labels_beside(names: Sequence[str]) -> bool:
    """Tells whether the images of a tar have their labels beside them, as in a shard.

    Example:
        >>> has_labels_beside(["a/1.jpg", "a/1.cls"]), has_labels_beside(["1.jpg", "readme.txt"])
        (True, False)
    """
    images = [fields for fields in _keys(names).values() if any(map(_is_image, fields))]
    beside = [fields for fields in images if set(fields) & set(_LABEL_FIELDS)]
    return bool(images) and len(beside) == len(images)
