"""Reads images in a folder: flat and unlabelled, or with class folders.

If sub-folders of the root hold images (at any depth), they are classes, and images that lie
directly in the root are left out; `invariscope.data.class_folders` says which folder of a path is
the class. Names that are numbers are in the order of the numbers, others in that of text. Otherwise
the folder is flat and unlabelled. A path to one image file is a source of one image.

Files are images by their suffix; others are counted and noted. Names that start with a dot are
ignored. Nothing is opened before it is loaded.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from invariscope.data.class_folders import labels_by_folder
from invariscope.data.files import FilesSource
from invariscope.data.labels import numbers_of
from invariscope.data.refusals import way_of_most
from invariscope.data.source import SOURCES
from invariscope.errors import InputError, first_of

_PILLOW_READS = """
    .avif .bmp .gif .j2k .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp
"""
SUFFIXES = frozenset(_PILLOW_READS.split())
"""File suffixes, in lower case, that count as images."""


class FolderSource(FilesSource):
    """The images under a path; ids are POSIX paths relative to it.

    Args:
        path: A folder, or one image file.
        classes: Which folder of a path is the class: "top", "leaf", "path" or a level from 1 on;
            None: by the rules of `invariscope.data.class_folders`.

    Raises:
        InputError: The path does not exist, cannot be read, or holds no image; it holds splits in
            place of classes.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("cat", "dog"):
        ...         Path(root, name).mkdir()
        ...         Image.new("RGB", (8, 8)).save(Path(root, name, "1.png"))
        ...     source = FolderSource(root)
        >>> source.ids, source.labels, source.class_names
        (['cat/1.png', 'dog/1.png'], [0, 1], ['cat', 'dog'])
    """

    def __init__(self, path: str | os.PathLike[str], classes: str | None = None):
        self.name = os.fspath(path)
        root = Path(path).expanduser()
        if root.is_file():
            self._open_file(root)
        elif root.is_dir():
            self._open_folder(root, classes)
        else:
            raise InputError(
                f"no such file or folder: {self.name!r}; give a folder that holds images"
            )

    def file(self, index: int) -> str:
        """Returns the path of an image."""
        return os.path.join(self._root, self.ids[index])

    def _open_file(self, file: Path) -> None:
        if file.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"{self.name!r} is not an image file by its suffix; "
                "give a folder of images, or an image file such as .jpg or .png"
            )
        self._root, self.ids = str(file.parent), [file.name]

    def _open_folder(self, root: Path, classes: str | None) -> None:
        self._root = str(root)
        try:
            tree = _walk(self._root)
        except OSError as error:
            raise InputError(
                f"the folder {self.name!r} cannot be read ({error.strerror}); give one that can"
            ) from error
        if not tree.images:
            others = tree.num_others
            what = f"no image among its {others} files" if others else "it is empty"
            if tree.misnamed:
                raise InputError(
                    f"no image in the folder {self.name!r} has a name that is UTF-8: rename "
                    f"{first_of(sorted(tree.misnamed), 3)}"
                )
            raise InputError(
                f"no image in the folder {self.name!r}: {what}; "
                + (way_of_most(tree.others) or f"images are {' '.join(sorted(SUFFIXES))}")
            )
        tree.images.sort()
        nested = [image for image in tree.images if "/" in image]
        self.ids = nested or tree.images
        self.notes = tree.notes()
        if nested:
            self._read_classes(tree, len(tree.images) - len(nested), classes)

    def _read_classes(self, tree: "_Found", num_loose: int, wanted: str | None) -> None:
        self.labels, classes, how, note = labels_by_folder(self.name, self.ids, wanted)
        order = "" if numbers_of(classes) is None else ", in the order of the numbers"
        self.say("labels", f"{how}; {_count(len(classes), 'class', 'es')}{order}")
        self.class_names = classes
        counts = Counter(self.labels)
        notes = [*self.notes, *([note] if note else [])]
        if num_loose:
            notes.append(f"left out {_count(num_loose, 'image')} beside the class folders")
        single = [name for index, name in enumerate(classes) if counts[index] == 1]
        if single:
            notes.append(
                f"{_count(len(single), 'class', 'es')} with a single image: {first_of(single)}"
            )
        empty = sorted(set(tree.top_folders) - {image.partition("/")[0] for image in self.ids})
        if empty:
            notes.append(f"{_count(len(empty), 'folder')} without an image: {first_of(empty)}")
        self.notes = notes


@SOURCES.register("folder")
def folder(argument: str | None = None, *, classes: str | None = None) -> FolderSource:
    """A folder of images: photos, folder:photos?classes=top, leaf, path or a level.

    Raises:
        InputError: As for `FolderSource`.

    Example:
        >>> folder()
        Traceback (most recent call last):
        invariscope.errors.InputError: folder: which one? folder:PATH?classes=leaf works
    """
    if not argument:
        raise InputError("folder: which one? folder:PATH?classes=leaf works")
    return FolderSource(argument, classes)


@dataclass
class _Found:
    images: list[str] = field(default_factory=list)
    top_folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # the first few in sorted order are shown
    misnamed: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    @property
    def num_others(self) -> int:
        return len(self.others) + len(self.misnamed)

    def notes(self) -> list[str]:
        lines = []
        for names, what in (
            (self.others, "not an image by its suffix"),
            (self.misnamed, "a name that is not UTF-8"),
        ):
            if names:
                lines.append(
                    f"left out {_count(len(names), 'file')}, {what}: {first_of(sorted(names))}"
                )
        if self.closed:
            what = _count(len(self.closed), "folder")
            lines.append(f"left out {what} that cannot be read: {first_of(sorted(self.closed))}")
        return lines


def _walk(root: str) -> _Found:
    """Lists the tree with one scan per folder and no stat per file (a million files: seconds)."""
    tree = _Found()
    stack = [("", root)]
    while stack:
        prefix, folder = stack.pop()
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except OSError:
            if not prefix:
                raise
            tree.closed.append(prefix)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            relative = prefix + entry.name
            if entry.is_dir():
                if not prefix:
                    tree.top_folders.append(entry.name)
                if not _is_loop(entry):
                    stack.append((relative + "/", entry.path))
            elif os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
                tree.others.append(relative)
            elif not _is_text(relative):
                tree.misnamed.append(ascii(relative)[1:-1])
            else:
                tree.images.append(relative)
    return tree


def _is_loop(entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return False
    here, target = os.path.realpath(os.path.dirname(entry.path)), os.path.realpath(entry.path)
    return os.path.commonpath([here, target]) == target


def _is_text(name: str) -> bool:
    # such names cannot be hashed, written to Parquet or printed
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number:,} {noun}{plural if number != 1 else ''}"
