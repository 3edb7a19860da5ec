"""Pictures in a zip or tar: ``photos.zip``, ``photos.tar.gz``, flat or by class folder.

The rules are those of a folder (`invariscope.data.folder`, `invariscope.data.class_folders`), on
the paths inside; a folder that everything lies in, as archivers add one, is no class. ``__MACOSX``
and names that start with a dot are ignored. A tar whose images have their label beside them
(``1.jpg`` and ``1.cls``) is read as a shard of WebDataset (`invariscope.data.shards`).
"""

import os
from collections.abc import Sequence

from invariscope.data.class_folders import labels_by_folder
from invariscope.data.containers import Container, open_container
from invariscope.data.files import FilesSource
from invariscope.data.folder import SUFFIXES
from invariscope.data.shards import ShardsSource, has_labels_beside
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError


class ArchiveSource(FilesSource):
    """The images in a zip or tar; ids are the paths inside.

    Args:
        path: What the report calls it.
        container: The opened archive.
        classes: As for `FolderSource`.

    Raises:
        InputError: It holds no image; its top folders are splits.
    """

    def __init__(self, path: str, container: Container, classes: str | None = None):
        self.name = path
        self._container = container
        # of two files of one name the later one counts, as when they are unpacked
        last = {name: position for position, name in enumerate(container.names)}
        shown = [(name, position) for name, position in last.items() if not _ignored(name)]
        pictures = sorted((n, k) for n, k in shown if os.path.splitext(n)[1].lower() in SUFFIXES)
        if not pictures:
            raise InputError(
                f"no image among the {len(container.names):,} files of {path!r}; images are "
                + " ".join(sorted(SUFFIXES))
            )
        nested = [(n, k) for n, k in pictures if "/" in n]
        others, loose = len(shown) - len(pictures), len(pictures) - len(nested)
        notes = [f"left out {others:,} files that are no images by their suffix"] * bool(others)
        if container.links:
            notes.append(f"left out {container.links:,} links; pack files without links")
        if nested and loose:
            notes.append(f"left out {loose:,} images beside the class folders")
        self.ids = names = [name for name, _ in nested or pictures]
        self._positions = [position for _, position in nested or pictures]
        if nested and _depth(names):
            self.labels, self.class_names, how, note = labels_by_folder(path, names, classes)
            self.decisions = {"labels": how}
            notes += [note] if note else []
        self.notes = notes

    def file(self, index: int) -> bytes:
        """Reads the bytes of an image's file."""
        return self._container.read(self._positions[index])


@SOURCES.register("archive")
def archive(argument: str | None = None, *, classes: str | None = None) -> ImageSource:
    """A zip or tar of pictures: photos.zip, archive:photos.tar?classes=leaf.

    Raises:
        InputError: It cannot be read or holds no image.

    Example:
        >>> archive()
        Traceback (most recent call last):
        invariscope.errors.InputError: archive: which file? archive:photos.zip?classes=leaf works
    """
    if not argument:
        raise InputError("archive: which file? archive:photos.zip?classes=leaf works")
    container = open_container(argument)
    if classes is None and ".tar" in argument and has_labels_beside(container.names):
        return ShardsSource(argument, [container])
    return ArchiveSource(argument, container, classes)


def _ignored(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _depth(names: Sequence[str]) -> bool:
    """Says whether there are several folders, beside one that may hold everything."""
    folders = {name.rpartition("/")[0] for name in names}
    return len(folders) > 1
