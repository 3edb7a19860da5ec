"""Seals files by the SHA-256 of what was written, so that later changes are noticed.

A sealed JSON file holds the digest of its own content and those of files beside it. It is written
last: a folder that has it is whole, and `read_sealed` says which file is not as it was written.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import read_json, undamaged, write_json

_SEAL, _BESIDE = "sha256", "files"
_BYTES = 32
#: Bytes that are read at a time.
_PIECE = 1 << 20


def write_sealed(path: Path, content: Mapping[str, Any], beside: Iterable[str] = ()) -> None:
    """Writes a mapping as JSON with the digests.

    Args:
        path: The file.
        content: What JSON can hold, NaN and infinity too.
        beside: Files in the same folder or below it, by their names from there.

    Raises:
        RunError: As for `invariscope.files.write_file`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_sealed(Path(folder) / "a.json", {"n": 1})
        ...     read_sealed(Path(folder) / "a.json", "make it anew")
        {'n': 1}
    """
    whole = {**content, _BESIDE: {name: _digest(path.parent / name) for name in beside}}
    write_json(path, {**whole, _SEAL: digest_of(whole)}, allow_nan=True)


def read_sealed(path: Path, remedy: str, only: Collection[str] | None = None) -> dict[str, Any]:
    """Reads what `write_sealed` wrote and checks the files beside it.

    Args:
        path: The file.
        remedy: What to do where something is damaged, as for `undamaged`.
        only: The files beside it that are checked; None: all.

    Raises:
        InputError: Names the first file that cannot be read or is not as it was written; where
            that is a file beside the sealed one, both, since either may come from elsewhere.
    """
    content = read_json(path, remedy)
    with undamaged(path, remedy):
        if content.pop(_SEAL) != digest_of(content):
            raise InputError(f"{path} is not as it was written: {remedy}")
        for name, digest in content.pop(_BESIDE).items():
            if only is not None and name not in only:
                continue
            beside = path.parent / name
            with undamaged(beside, remedy):
                if _digest(beside) != digest:
                    raise InputError(
                        f"{beside} is not as it was written, or {path.name} beside it is of "
                        f"another folder: {remedy}"
                    )
    return content


def digest_of(content: Any) -> str:
    """Computes the digest of JSON, whatever the order of its keys and its white space."""
    plain = json.loads(json.dumps(content))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def with_digest(content: bytes) -> bytes:
    """Appends the digest to bytes; readers of zip archives do not mind it."""
    return content + hashlib.sha256(content).digest()


def without_digest(content: bytes) -> bytes:
    """Returns the bytes that `with_digest` was given.

    Raises:
        ValueError: They are not what they were.
    """
    content, digest = content[:-_BYTES], content[-_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("the digest is another")
    return content


def append_digest(file: BufferedIOBase) -> None:
    """Does as `with_digest` with a file that is being written, whose content is not in memory."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").digest()
    file.seek(0, os.SEEK_END)
    file.write(digest)


def check_digest(file: BufferedIOBase) -> None:
    """Does as `without_digest` with an open file, and goes back to its beginning.

    Raises:
        ValueError: Its content is not what it was.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> _ = file.write(b"sums")
        >>> append_digest(file)
        >>> file.getvalue() == with_digest(b"sums")
        True
        >>> check_digest(file)
    """
    left = file.seek(0, os.SEEK_END) - _BYTES
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    if file.read() != digest.digest():
        raise ValueError("the digest is another")
    file.seek(0)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
