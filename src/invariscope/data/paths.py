"""Reads image files named one by one: a list, a text file, a pattern such as ``photos/*.jpg``.

| given | labels |
|---|---|
| a list of paths | none, or the list beside it: ``(paths, labels)`` |
| a list of ``(path, label)`` | the second of each pair |
| ``val.txt``: a path a line | none |
| ``val.txt``: a path, then a label (blank, tab or comma between), as Caffe's ImageNet lists | it |
| ``photos/*/*.jpg`` | the class folders, as in the folder before the first star |

Paths are relative to the working directory in Python, and to the text file or its ``root``
otherwise: ``val.txt?root=images&suffix=.jpg`` (the suffix where the file lists bare names).
"""

import contextlib
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invariscope.data.files import FilesSource
from invariscope.data.folder import SUFFIXES
from invariscope.data.labels import whole_number
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError

LISTS = (".txt", ".lst", ".list")
_TRIED = 20
_ENDS = "|".join(suffix[1:] for suffix in sorted(SUFFIXES))
_WITH_LABEL = re.compile(rf"(?P<path>.*\.(?:{_ENDS}))[\s,;]+(?P<label>\S.*)", re.IGNORECASE)


class PathsSource(FilesSource):
    """The images of files; the ids are the paths as written.

    Args:
        paths: The files; one that is named again with the same label counts once.
        labels: One class index or class name per path, or None.
        root: What relative paths are relative to.
        suffix: What is missing at the end of each path, such as ".jpg".
        name: What the report calls it.
        class_names: The name of each class index, where `labels` are indices with names.

    Raises:
        InputError: None of the first files exists; there is no path; a file has two labels.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as root:
        ...     Image.new("RGB", (8, 6)).save(Path(root, "1.png"))
        ...     source = PathsSource(["1"], ["cat"], root=root, suffix=".png")
        ...     source.ids, source.labels, source.class_names, source.load(0).size
        (['1'], [0], ['cat'], (8, 6))
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        labels: Any = None,
        *,
        root: str | os.PathLike[str] = "",
        suffix: str = "",
        name: str = "paths",
        class_names: Sequence[str] | None = None,
    ):
        # torch is imported with labels; a list without them does without
        self.name = name
        self._root = "" if os.fspath(root) == "." else os.path.expanduser(root)
        self._suffix = suffix
        ids = [os.fspath(path) for path in paths]
        if not ids:
            raise InputError(f"{name}: there is no path in it; give at least two images")
        indices = None
        if labels is not None:
            indices, words = _indices(name, labels, len(ids))
            self.class_names = class_names if words is None else words
        first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
        if indices is not None:
            self._refuse_two_labels(ids, indices, first)
        kept = sorted(first.values())
        self.ids = [ids[position] for position in kept]
        self.labels = None if indices is None else [indices[position] for position in kept]
        again = len(ids) - len(kept)
        self.notes = [f"{again:,} paths are named more than once; each counts once"] * bool(again)
        self.decisions = {"labels": "none: a list of paths" if labels is None else "given per path"}
        self._check_files()

    def file(self, index: int) -> str:
        """Returns the path of an image's file."""
        return os.path.join(self._root, os.path.expanduser(self.ids[index]) + self._suffix)

    def suffix(self, index: int) -> str:
        """Returns the suffix of an image's file."""
        return os.path.splitext(self.ids[index] + self._suffix)[1]

    def _refuse_two_labels(
        self, ids: Sequence[str], indices: Sequence[int], first: dict[str, int]
    ) -> None:
        for path, index in zip(ids, indices, strict=True):
            if index != indices[first[path]]:
                raise InputError(
                    f"{self.name}: {path!r} has two labels; give one class per image, or a table "
                    "without labels"
                )

    def _check_files(self) -> None:
        tried = range(min(_TRIED, len(self.ids)))
        if any(os.path.isfile(self.file(position)) for position in tried):
            return
        file = self.file(0)
        where = f"{self.name}: none of the first files exists, such as {file!r}"
        elsewhere = _elsewhere(self._root, os.path.expanduser(self.ids[0]) + self._suffix)
        if elsewhere is not None:
            raise InputError(f"{where}, but {elsewhere[0]!r} does: add ?{elsewhere[1]}")
        below = f"; {len(self.ids):,} paths, relative to {self._root or '.'}"
        raise InputError(f"{where}{below}: name the folder with root=FOLDER")


def _elsewhere(root: str, path: str) -> tuple[str, str] | None:
    """Looks for a file in a folder beside, or with a suffix, and names the options for it."""
    folders = [""]
    if not os.path.isabs(path):
        with contextlib.suppress(OSError), os.scandir(root or ".") as scan:
            folders += sorted(entry.name for entry in scan if entry.is_dir())[:_TRIED]
    ends = ["", *(end for suffix in sorted(SUFFIXES) for end in (suffix, suffix.upper()))]
    for folder in folders:
        for end in ends:
            file = os.path.join(root, folder, path + end)
            if os.path.isfile(file):
                options = [f"root={os.path.join(root, folder)}"] * bool(folder)
                return file, "&".join([*options, *[f"suffix={end}"] * bool(end)])
    return None


def _indices(name: str, labels: Any, count: int) -> tuple[list[int], list[str] | None]:
    from invariscope.data.labels import class_indices

    try:
        return class_indices(labels, count)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name}: {error}; one label for each path works") from error


@SOURCES.register("paths")
def paths(argument: str | None = None, *, root: str | None = None, suffix: str = "") -> PathsSource:
    """A list of files in a file: val.txt?root=FOLDER&suffix=.jpg.

    Raises:
        InputError: The file cannot be read, some lines have labels and others not, or as for
            `PathsSource`.

    Example:
        >>> paths()
        Traceback (most recent call last):
        invariscope.errors.InputError: paths: which file? paths:val.txt?root=FOLDER works
    """
    if not argument:
        raise InputError("paths: which file? paths:val.txt?root=FOLDER works")
    file = Path(argument).expanduser()
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{argument}: cannot be read as a list of paths ({error}); a text file in UTF-8 with a "
            "path a line works"
        ) from error
    names, labels = _split_lines(argument, [line for line in lines if line], bool(suffix))
    return PathsSource(
        names, labels, root=file.parent if root is None else root, suffix=suffix, name=argument
    )


def _split_lines(
    name: str, lines: Sequence[str], bare: bool
) -> tuple[list[str], list[int] | list[str] | None]:
    """The paths and labels of the lines; a bare name ends at the first blank."""
    pattern = re.compile(r"(?P<path>[^\s,;]+)[\s,;]+(?P<label>\S.*)") if bare else _WITH_LABEL
    matches = [pattern.fullmatch(line) for line in lines]
    without = next((line for line, match in zip(lines, matches, strict=True) if not match), None)
    if without is not None and any(matches):
        raise InputError(f"{name}: {without!r} has no label, other lines have: give each one")
    if not any(matches):
        return list(lines), None
    words = [match["label"] for match in matches if match]
    return [match["path"] for match in matches if match], numbers(words)


def numbers(words: list[str]) -> list[int] | list[str]:
    """Reads labels from text: whole numbers if all of them are.

    Example:
        >>> numbers(["1", "007", "3.0"]), numbers(["1", "cat"])
        ([1, 7, 3], ['1', 'cat'])
    """
    whole = [number for word in words if (number := whole_number(word)) is not None]
    return whole if len(whole) == len(words) else words


def matching(pattern: str) -> ImageSource:
    """Finds the images whose path matches a pattern with ``*``, ``?``, ``[…]`` or ``**``.

    Raises:
        InputError: None does.
    """
    paths = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))
    files = [path for path in paths if os.path.splitext(path)[1].lower() in SUFFIXES]
    if not files:
        what = f"{len(paths):,} files match, none is an image" if paths else "no file matches"
        raise InputError(f"{pattern!r}: {what}; give a folder, or a pattern such as photos/*.jpg")
    root = _before_the_star(os.path.expanduser(pattern))
    names = [os.path.relpath(file, root or ".").replace(os.sep, "/") for file in files]
    if not all("/" in name for name in names):
        return PathsSource(names, None, root=root, name=pattern)
    from invariscope.data.class_folders import class_of_each

    labels, how, note = class_of_each(root, names, None)
    source = PathsSource(names, labels, root=root, name=pattern)
    if labels is not None:
        source.notes = [*source.notes, *([note] if note else [])]
        source.decisions = {"labels": how}
    return source


def _before_the_star(pattern: str) -> str:
    """The folder of a pattern that holds no star.

    Example:
        >>> _before_the_star("photos/2024/*/*.jpg"), _before_the_star("*.jpg")
        ('photos/2024', '')
    """
    parts = pattern.split("/")
    star = next(depth for depth, part in enumerate(parts) if re.search(r"[*?[]", part))
    return "/".join(parts[:star]) or ("/" if pattern.startswith("/") else "")
