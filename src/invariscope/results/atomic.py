"""Files that are either whole or not there, however the process ends.

The bytes go to a hidden file in the same folder, reach the disk, and only then take the name. A
process killed in between leaves the hidden file, which nobody reads and `remove_leftovers` deletes.
"""

import os
from pathlib import Path

from invariscope.errors import RunError

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
    part = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove(part)
        reason = error.strerror or str(error)
        kept = f"; {kept}" if kept else ""
        raise RunError(
            f"cannot write {path.name} in {path.parent}: {reason}{kept}; make room there or make "
            "the folder writable, then run the same command again to resume"
        ) from error


def remove_leftovers(folder: Path) -> int:
    """Deletes what killed writes have left in a folder; returns how many files that were.

    Call it before the first write: a file that another process is writing now would go as well.
    """
    leftovers = list(folder.glob(f".*{_SUFFIX}"))
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
