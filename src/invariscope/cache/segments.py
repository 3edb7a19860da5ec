"""Packs vectors into segments, and unpacks them: an Arrow stream with its digest behind it.

A segment is an Arrow IPC stream with one column of float32 numbers, one record batch for each
entry, so that any Arrow reader shows it. The metadata of its schema name the shelf that it belongs
to and, in the order of the batches, the key, rows and width of each entry. Behind the stream stand
the 32 bytes of its SHA-256 (`invariscope.sealed`), which are checked before anything is taken.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from invariscope.sealed import with_digest, without_digest

_SHELF, _ENTRIES = b"invariscope.shelf", b"invariscope.entries"
#: Bytes in front of the schema: a mark, and how long the schema is.
_MARK = 8


def pack(shelf: str, entries: Mapping[str, np.ndarray]) -> bytes:
    """Packs the vectors [image, element] of some entries, float32.

    Example:
        >>> content = pack("ab", {"key": np.ones((2, 3), np.float32)})
        >>> unpack("ab", content)["key"].shape
        (2, 3)
    """
    index = [[key, *values.shape] for key, values in entries.items()]
    metadata = {_SHELF: shelf.encode(), _ENTRIES: json.dumps(index).encode()}
    schema = pa.schema([pa.field("values", pa.float32())], metadata=metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        for values in entries.values():
            column = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
            stream.write_batch(pa.record_batch([column], schema=schema))
    return with_digest(sink.getvalue().to_pybytes())


def keys_in(shelf: str, segment: Path) -> list[str]:
    """Reads the keys of a segment's entries, and nothing else.

    Raises:
        Exception: Whatever a damaged file, or one of another shelf, makes its reader raise.
    """
    with open(segment, "rb") as file:
        mark = file.read(_MARK)
        length = int.from_bytes(mark[4:], "little")
        # Arrow itself would make room for whatever a damaged length says.
        if length > os.fstat(file.fileno()).st_size:
            raise ValueError("its header is longer than the file")
        header = mark + file.read(length)
    return [key for key, _, _ in _index(shelf, pa.ipc.read_schema(pa.py_buffer(header)))]


def unpack(shelf: str, content: bytes) -> dict[str, np.ndarray]:
    """Unpacks the vectors of all entries, float32 [image, element], which cannot be written to.

    Raises:
        Exception: Whatever damaged bytes, or those of another shelf, make their reader raise.
    """
    stream = pa.ipc.open_stream(pa.py_buffer(without_digest(content)))
    entries = {}
    for (key, *shape), batch in zip(_index(shelf, stream.schema), stream, strict=True):
        entries[key] = batch.column(0).to_numpy().reshape(shape)
    return entries


def _index(shelf: str, schema: pa.Schema) -> list[tuple[str, int, int]]:
    metadata = schema.metadata or {}
    if metadata[_SHELF] != shelf.encode():
        raise ValueError("it belongs to other images or to another network")
    return [
        (str(key), int(rows), int(width)) for key, rows, width in json.loads(metadata[_ENTRIES])
    ]
