"""Reads files inside a zip or tar, one at a time, in any thread.

The position of each file in a tar is kept, and the tar is opened for each of them. A zip is opened
once in a process by `zipfile`, which locks its own reads. A compressed tar has no positions to go
to, so its files are kept in memory as they are.
"""

import os
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from invariscope.errors import InputError

CONTAINERS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_BYTES = 2 << 30
"""Bytes of a compressed tar that are kept in memory."""


class Container(ABC):
    """Named files.

    Attributes:
        names: POSIX paths inside, in the order of the container.
        links: How many entries are links to others, which are not read.
    """

    names: Sequence[str]
    links: int = 0

    @abstractmethod
    def read(self, position: int) -> bytes:
        """Reads the bytes of a file, by its place among the names."""


def is_container(path: str) -> bool:
    """Tells whether a path is a zip or tar by its name.

    Example:
        >>> is_container("a.tar.gz"), is_container("a.gz")
        (True, False)
    """
    return path.lower().endswith(CONTAINERS)


def open_container(path: str) -> Container:
    """Opens a zip or tar.

    Raises:
        InputError: It cannot be read, is encrypted, or is too large for what it is.
    """
    file = os.path.expanduser(path)
    try:
        return Zip(file) if path.lower().endswith(".zip") else Tar(file)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path!r}; give a zip or tar of images") from error
    # the parsers raise what they trip over
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path!r} cannot be read: {reason}; fetch or pack it again") from error


class Zip(Container):
    """The files of a zip."""

    def __init__(self, file: str):
        self._file = file
        self._lock = threading.Lock()
        self._opened: tuple[int, zipfile.ZipFile] | None = None
        self._infos = [info for info in self._zip().infolist() if not info.is_dir()]
        if any(info.flag_bits & 1 for info in self._infos):
            raise InputError(
                f"{file!r} is encrypted; unpack it with its password and give the folder"
            )
        self.names = [info.filename.replace("\\", "/") for info in self._infos]

    def read(self, position: int) -> bytes:
        """Reads the bytes of a file."""
        return self._zip().read(self._infos[position])

    def _zip(self) -> zipfile.ZipFile:
        """The zip as this process opened it; a forked one must not move its parent's place."""
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = os.getpid(), zipfile.ZipFile(self._file)
            return self._opened[1]

    def __del__(self):
        if getattr(self, "_opened", None) is not None:
            assert self._opened is not None
            self._opened[1].close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())


class Tar(Container):
    """The regular files of a tar."""

    def __init__(self, file: str):
        self._file = file
        self.names: list[str] = []
        self._places: list[tuple[int, int]] = []
        self._kept: list[bytes] = []
        with tarfile.open(file) as tar:
            plain = _is_plain(file)
            total = 0
            for member in tar:
                if not member.isreg() or member.issparse():
                    self.links += not member.isdir()
                    continue
                self.names.append(member.name.removeprefix("./"))
                if plain:
                    self._places.append((member.offset_data, member.size))
                    continue
                total += member.size
                if total > MOST_BYTES:
                    raise InputError(
                        f"{file!r} is compressed and holds more than {MOST_BYTES >> 30} GiB; "
                        "uncompress it to a .tar, or unpack it and give the folder"
                    )
                data = tar.extractfile(member)
                assert data is not None
                self._kept.append(data.read())

    def read(self, position: int) -> bytes:
        """Reads the bytes of a file."""
        if self._kept:
            return self._kept[position]
        start, size = self._places[position]
        with open(self._file, "rb") as file:
            file.seek(start)
            return file.read(size)


def _is_plain(file: str) -> bool:
    """Says whether a tar is not compressed, whatever its name."""
    try:
        with tarfile.open(file, "r:"):
            return True
    except tarfile.ReadError:
        return False
