"""Finds and keeps the entries of one shelf: what one network gave for the images of one block."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from invariscope.cache.folder import CacheFolder
from invariscope.cache.segments import keys_in, pack, unpack
from invariscope.data.digests import digest_of_file

#: Entries wait for company until they take so much, or the block ends.
SEGMENT_BYTES = 16 << 20
#: Segments that are held in memory: entries are asked for in about the order of their writing.
_HELD = 2


class Shelf:
    """The entries of one network and the images of one block.

    Args:
        folder: Where they lie.
        name: What network and images are known by.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = CacheFolder(path, "1MB", print)
        ...     shelf = Shelf(folder, "ab12")
        ...     shelf.put({"turned": np.ones((2, 3), np.float32)})
        ...     shelf.flush()
        ...     Shelf(folder, "ab12").take(["turned"])["turned"].sum()
        np.float32(6.0)
    """

    def __init__(self, folder: CacheFolder, name: str):
        self._folder, self._name = folder, name
        self._held: dict[Path, dict[str, np.ndarray]] = {}
        self._waiting: dict[str, np.ndarray] = {}
        self._places: dict[str, Path] = {}
        for segment in folder.segments(name):
            try:
                keys = keys_in(name, segment)
            except Exception:  # a damaged file may raise anything that its reader does
                folder.remove(segment)
                continue
            self._places.update(dict.fromkeys(keys, segment))

    def take(self, keys: Iterable[str]) -> dict[str, np.ndarray] | None:
        """Takes entries, float32 [image, element]; None where one of them is missing."""
        taken = {}
        for key in keys:
            segment = self._places.get(key)
            entries = None if segment is None else self._entries(segment)
            if entries is None or key not in entries:
                return None
            taken[key] = entries[key]
        return taken

    def put(self, entries: Mapping[str, np.ndarray]) -> None:
        """Keeps entries, float32 [image, element]."""
        self._waiting.update(entries)
        if sum(values.nbytes for values in self._waiting.values()) >= SEGMENT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        if self._waiting:
            name = digest_of_file("|".join(self._waiting).encode())[:16]
            self._folder.write(self._name, name, pack(self._name, self._waiting))
            self._waiting = {}

    def _entries(self, segment: Path) -> dict[str, np.ndarray] | None:
        """Reads a segment; one that is damaged is removed, and its entries are missing."""
        if segment not in self._held:
            content = self._folder.read(segment)
            try:
                entries = None if content is None else unpack(self._name, content)
            except Exception:  # a damaged file may raise anything that its reader does
                self._folder.remove(segment)
                entries = None
            if entries is None:
                self._places = {key: at for key, at in self._places.items() if at != segment}
                return None
            for oldest in list(self._held)[: len(self._held) - _HELD + 1]:
                del self._held[oldest]
            self._held[segment] = entries
        return self._held[segment]
