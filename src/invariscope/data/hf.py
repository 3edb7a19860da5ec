"""Reads Hugging Face data sets: ``hf:NAME?split=…&revision=…``, or objects.

NAME is the name of a data set, or a folder written by ``save_to_disk``. ``split`` is ``test``
unless given, and may be a slice such as ``train[:100]`` except from a folder; ``config`` is the
configuration; ``image`` and ``label`` name the columns and are found by their type otherwise.
``revision`` pins a version (a commit, a tag, a branch); which one was read is among the source's
decisions, and so in the manifest, pinned or not.

The images are decoded here, by the rules of `invariscope.data.decode`, not by the library, whatever
format an object has (`with_format("torch")` hands out palette indices, and 16 bits cut to 8).
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invariscope.data.decode import look
from invariscope.data.depth import DepthFacts
from invariscope.data.files import FilesSource
from invariscope.data.labels import class_indices
from invariscope.data.source import SOURCES, NumberedIds, UnreadableImage
from invariscope.data.stored_labels import LABEL_KEYS
from invariscope.errors import InputError
from invariscope.hub import hub_at_once
from invariscope.registry import unknown_name

# Files of the hub are known by addresses such as hf://datasets/owner/name@COMMIT/data.parquet.
_COMMIT = re.compile(r"@([0-9a-f]{40})/")


class HuggingFaceSource(FilesSource):
    """The images of one split; the ids are "0", "1", ….

    Args:
        data: A ``datasets.Dataset`` with a column of images.
        name: What the report calls it.
        image: The column of the images; None: the first image column.
        label: The column of the labels; None: a class column, else one of `LABEL_KEYS`.
        labels: One class index or class name per image, in place of the column's.

    Raises:
        InputError: It is empty, or a column is missing.
    """

    def __init__(
        self,
        data: Any,
        *,
        name: str,
        image: str | None = None,
        label: str | None = None,
        labels: Any = None,
    ):
        datasets = hub_library()
        self.name = name
        data = data.with_format(None)
        self._column = self._find_column(datasets, data, image)
        # the library would decode by its own rules: take the bytes or the path instead
        self._data = data.cast_column(self._column, datasets.Image(decode=False))
        self.ids = NumberedIds(len(data))
        if labels is None:
            self._read_labels(datasets, data, label)
        else:
            self._take(labels, "the labels")
            self.say("labels", "given beside the data set")

    def file(self, index: int) -> str | bytes:
        """Returns the path or the bytes of a row's image."""
        row = self._data[index][self._column]
        file = None if row is None else row.get("bytes") or row.get("path")
        if file is None:
            raise UnreadableImage(self.ids[index], f"the column {self._column!r} is empty here")
        return file

    def facts(self, index: int) -> DepthFacts:
        """Looks at the depth and bands of a row's file, whatever its format."""
        try:
            return look(self.file(index), self.ids[index])
        except UnreadableImage:
            return DepthFacts()

    def _find_column(self, datasets: Any, data: Any, wanted: str | None) -> str:
        columns = [name for name, kind in data.features.items() if isinstance(kind, datasets.Image)]
        if not len(data):
            raise InputError(f"{self.name}: this split is empty; choose another with split=…")
        if not columns:
            raise InputError(
                f"{self.name} has no column of images among {', '.join(data.features)}; "
                "give a data set with an Image column"
            )
        if wanted is not None and wanted not in columns:
            raise unknown_name(f"image column of {self.name}", wanted, columns)
        return columns[0] if wanted is None else wanted

    def _read_labels(self, datasets: Any, data: Any, wanted: str | None) -> None:
        # of one column at a time, so that no image is touched
        classes = [
            name for name, kind in data.features.items() if isinstance(kind, datasets.ClassLabel)
        ]
        keys = [key for key in LABEL_KEYS if key in data.features and key != self._column]
        if wanted is not None and wanted not in data.features:
            raise unknown_name(f"label column of {self.name}", wanted, data.features)
        named = wanted or next((key for key in keys if key in classes), None)
        column = named or next(iter([*classes, *keys]), None)
        if column is None:
            return
        values = data.select_columns([column])[:][column]
        kind = data.features[column]
        self._take(values, f"column {column!r}", refuse=wanted is not None)
        if self.labels is None:
            return
        self.label_meaning = "numbers" if self.class_names is None else "names"
        if column in classes:
            self.class_names = list(kind.names)
        if max(self.labels) < 0:
            self.labels = self.class_names = None
            line = f"treated as unlabelled: the column {column!r} holds no label in this split"
            self.say("labels", line, noted=True)
            return
        others = [name for name in classes if name != column]
        more = f"; there are {', '.join(others)} as well (label=…)" if others else ""
        self.say("labels", f"the column {column!r}{more}")

    def _take(self, values: Any, what: str, refuse: bool = True) -> None:
        try:
            self.labels, self.class_names = class_indices(values, len(self.ids))
        except (ValueError, TypeError) as error:
            if refuse:
                raise InputError(
                    f"{self.name}: {what} cannot be used ({error}); name another with label=COLUMN"
                ) from error
            line = f"treated as unlabelled: {what} cannot be used ({error}); label=COLUMN works"
            self.say("labels", line, noted=True)


@SOURCES.register("hf")
def hugging_face(
    argument: str | None = None,
    *,
    split: str = "test",
    image: str | None = None,
    label: str | None = None,
    config: str | None = None,
    revision: str | None = None,
) -> HuggingFaceSource:
    """One of the Hugging Face hub or save_to_disk: hf:cifar10?split=test.

    Raises:
        InputError: The package ``datasets``, the data set, the split or a column is missing.
    """
    if not argument:
        raise InputError("hf: which data set? Write hf:NAME?split=test")
    name = f"hf:{argument}"
    data = _read(hub_library(), name, argument, split, config, revision)
    source = HuggingFaceSource(data, name=name, image=image, label=label)
    source.say("revision", _revision(data, revision))
    return source


def _revision(data: Any, wanted: str | None) -> str:
    """Names the version of a data set: its commit where the library kept it, or a fingerprint."""
    urls = getattr(data.info, "download_checksums", None) or {}
    commits = {match[1] for url in urls if (match := _COMMIT.search(url))}
    asked = f"{wanted}: " if wanted else ""
    if len(commits) == 1:
        return f"{asked}commit {commits.pop()}"
    return f"{asked}fingerprint {getattr(data, '_fingerprint', 'unknown')}"


def open_hugging_face(data: Any, labels: Any = None) -> HuggingFaceSource | None:
    """Opens an object of the library ``datasets``; None for what is read otherwise.

    A data set with a transform of the user's own (``set_transform``), one without a column of
    images and a stream are not read here.

    Raises:
        InputError: It is a dictionary of splits; the message names them.
    """
    if not type(data).__module__.startswith("datasets."):
        return None
    if isinstance(data, Mapping):
        splits = list(data)
        wanted = next(
            (name for name in ("test", "validation", "val", *splits) if name in splits), ""
        )
        raise InputError(
            f"a {type(data).__name__} of the splits {', '.join(splits)}; give one of them, such as "
            f"data[{wanted!r}]"
        )
    features = getattr(data, "features", None) or {}
    if not hasattr(data, "__getitem__") or getattr(data, "format", {}).get("type") == "custom":
        return None
    if not any(isinstance(kind, hub_library().Image) for kind in features.values()):
        return None
    return HuggingFaceSource(data, name=f"dataset:{type(data).__name__}", labels=labels)


def hub_library() -> Any:
    """Imports the package ``datasets``, where it is installed."""
    try:
        import datasets  # an extra
    except ImportError as error:
        raise InputError("hf: needs the package datasets: pip install 'invariscope[hf]'") from error
    return datasets


def _read(
    datasets: Any, name: str, argument: str, split: str, config: str | None, revision: str | None
) -> Any:
    folder = Path(argument).expanduser()
    saved = any((folder / file).is_file() for file in ("dataset_dict.json", "state.json"))
    try:
        if not saved:
            with hub_at_once():
                return datasets.load_dataset(argument, config, split=split, revision=revision)
        if revision is not None:
            raise InputError(f"{name}: a folder has no revision; leave revision={revision} out")
        data = datasets.load_from_disk(os.fspath(folder))
    # it raises its own and other libraries' errors: not found, no network, bad split, bad config
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{name}?split={split} cannot be opened: {type(error).__name__}: {reason}"
        ) from error
    if not isinstance(data, datasets.DatasetDict):
        return data
    if split not in data:
        raise unknown_name(f"split of {name}", split, data)
    return data[split]
