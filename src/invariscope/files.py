"""Writes files whole or not at all, however the process ends, and reads them with one message.

The bytes go to a hidden file in the same folder, reach the disk, and only then take the name. A
process killed in between leaves the hidden file, which nobody reads and `remove_leftovers` deletes.
The libraries that make the bytes are loaded when they are wanted.
"""

import errno
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.errors import InputError, InvariscopeError, RunError
from invariscope.outside import from_cells, to_cells

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_SUFFIX = ".part"


def write_file(path: Path, content: bytes, *, kept: str = "") -> None:
    """Writes a whole file, or none, and makes the folder where it is missing.

    Args:
        path: The file to write; one that is there already is replaced.
        content: All its bytes.
        kept: What is safe already, for the message ("3 blocks written so far are kept").

    Raises:
        RunError: The disk is full, the folder cannot be written, …: what, where and how to go on.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_file(Path(folder) / "a.json", b"{}")
        ...     sorted(os.listdir(folder))
        ['a.json']
    """
    with written_whole(path, kept=kept) as file:
        file.write(content)


@contextmanager
def written_whole(path: Path, *, kept: str = "") -> Iterator[io.BufferedIOBase]:
    """Opens a file for writing that takes its name once it is whole; arguments as above.

    What is too large to be all in memory is written to it piece by piece; it can be read again.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with written_whole(Path(folder) / "a.bin") as file:
        ...         _ = file.write(b"1"), file.write(b"2")
        ...     (Path(folder) / "a.bin").read_bytes()
        b'12'
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    with writable(path, kept):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            _sync_folder(path.parent)
        except OSError:
            _remove(part)
            raise


@contextmanager
def writable(path: Path, kept: str = "") -> Iterator[None]:
    """Turns what the system says while a file is written into one line; `kept` as above."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        kept = f"; {kept}" if kept else ""
        raise RunError(
            f"cannot write {path.name} in {path.parent}: {reason}{kept}; make room there or make "
            "the folder writable, then run the same command again to resume"
        ) from error


def disk_is_full(error: BaseException) -> bool:
    """Says whether there is no room, which is no fault of what was asked for."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_json(path: Path, content: Any, *, allow_nan: bool = False) -> None:
    """Writes JSON, whole or not at all; keys keep their order.

    Args:
        path: The file, as for `write_file`.
        content: What JSON can hold.
        allow_nan: Takes NaN and infinity, which `read_json` reads, though the standard has neither.

    Raises:
        RunError: As for `write_file`.
        ValueError: The content holds NaN or infinity and must not.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=allow_nan) + "\n"
    write_file(path, text.encode())


def read_json(path: Path, remedy: str) -> Any:
    """Reads JSON; `remedy` as for `undamaged`.

    Raises:
        InputError: The file cannot be read or is no JSON.
    """
    with undamaged(path, remedy):
        return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(path: Path, table: "pa.Table | pd.DataFrame", *, kept: str = "") -> None:
    """Writes a table with a checksum for each page. Arguments as for `write_file`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    write_file(path, buffer.getvalue(), kept=kept)


def read_parquet(path: Path, remedy: str) -> "pa.Table":
    """Reads a table and checks its pages; `remedy` as for `undamaged`.

    Raises:
        InputError: The file cannot be read or a checksum does not hold.
    """
    import pyarrow.parquet as pq

    with undamaged(path, remedy):
        return pq.read_table(path, page_checksum_verification=True)


def write_csv(path: Path, table: "pd.DataFrame", *, kept: str = "") -> None:
    """Writes a table as CSV, without its index. Arguments as for `write_file`.

    A text that a spreadsheet would take for a formula gets an apostrophe in front (`outside`).
    """
    write_file(path, to_cells(table).to_csv(index=False).encode(), kept=kept)


def read_csv(path: Path, **how: Any) -> "pd.DataFrame":
    """Reads what `write_csv` wrote, as `pandas.read_csv` does; raises what pandas raises."""
    import pandas as pd

    return from_cells(pd.read_csv(path, **how))


#: The endings of `write_table`.
TABLES = (".csv", ".parquet")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Writes a table as CSV or Parquet, by the ending of its path (`TABLES`)."""
    (write_csv if path.suffix == ".csv" else write_parquet)(path, table)


def write_arrays(path: Path, arrays: Mapping[str, "np.ndarray"], *, kept: str = "") -> None:
    """Writes a compressed NumPy archive. Arguments as for `write_file`."""
    import numpy as np

    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **named)
    write_file(path, buffer.getvalue(), kept=kept)


def read_arrays(path: Path, remedy: str) -> dict[str, "np.ndarray"]:
    """Reads a NumPy archive, without pickled objects; `remedy` as for `undamaged`.

    Raises:
        InputError: The file cannot be read or is damaged.
    """
    with undamaged(path, remedy):
        return unpacked(path.read_bytes())  # np.load leaves a damaged file open


def unpacked(archive: bytes | io.BufferedIOBase) -> dict[str, "np.ndarray"]:
    """Returns the arrays of a NumPy archive; raises whatever NumPy does where it is damaged."""
    import numpy as np

    opened = io.BytesIO(archive) if isinstance(archive, bytes) else archive
    with np.load(opened, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@contextmanager
def undamaged(path: Path, remedy: str) -> Iterator[None]:
    """Turns whatever reading a file raises into one line that names it.

    Args:
        path: The file.
        remedy: What to do where it is damaged ("delete it and run the same command again").

    Raises:
        InputError: Something inside raised; what invariscope raises on purpose passes unchanged.

    Example:
        >>> with undamaged(Path("a.json"), "make it anew"):
        ...     json.loads("[" * 3)
        Traceback (most recent call last):
        invariscope.errors.InputError: cannot read a.json (Expecting value: ...): make it anew
    """
    try:
        yield
    except InvariscopeError:
        raise
    except Exception as error:  # a damaged file may raise anything that its reader does
        raise InputError(f"cannot read {path} ({_reason(error)}): {remedy}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    return f"it lacks {error.args[0]!r}" if isinstance(error, KeyError) else "damaged"


def versions(*packages: str) -> dict[str, str]:
    """Returns the installed versions of packages; one that is not installed has none."""
    found = {package: _version(package) for package in packages}
    return {package: version for package, version in found.items() if version is not None}


@cache  # a tenth of the time of a small run went into reading the same again
def _version(package: str) -> str | None:
    from importlib import metadata  # 20 ms, which a help text need not wait for

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def remove_leftovers(folder: Path) -> int:
    """Deletes what killed writes have left in and below a folder; returns how many files.

    Call it before the first write: a file that another process is writing now would go as well.
    """
    leftovers = list(folder.rglob(f".*{_SUFFIX}"))
    for part in leftovers:
        _remove(part)
    return len(leftovers)


def _remove(part: Path) -> None:
    try:
        part.unlink()
    except OSError:
        # Readers never look at these files, so one that cannot be deleted does no harm, and the
        # reason why the folder cannot be written is reported by the write itself.
        return


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself survive a power cut; only POSIX can open a folder for that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
