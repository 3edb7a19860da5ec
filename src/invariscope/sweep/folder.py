"""The run folder: opened or resumed by one process at a time, and finished with its summary."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.results import completed_blocks, read_manifest, write_manifest
from invariscope.results.manifest import MANIFEST, MEASURE
from invariscope.sweep.lock import HOLDER, LOCK, locked
from invariscope.sweep.record import check_same_run


@contextmanager
def open_folder(
    folder: Path | None,
    manifest: dict[str, Any],
    resume: bool,
    *,
    command: str = MEASURE,
    completed: Callable[[Path, str], list[int]] = completed_blocks,
) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Makes the folder, or takes up the same run in it; it is locked until the end of the block.

    Args:
        folder: The run folder; None for a run in memory, of which nothing is done.
        manifest: The manifest of the run that is about to start.
        resume: Whether a folder that holds the run already may be taken up.
        command: The command whose runs these are.
        completed: Which blocks of its rows are whole, by their folder and the run's identity.

    Yields:
        The run's manifest (an earlier one keeps its events and times), the blocks that are done.

    Raises:
        InputError: The folder holds something else or rows of another run, cannot be written, or
            is in use by another process.
    """
    if folder is None:
        yield manifest, []
        return
    if not (folder / MANIFEST).exists():
        _make(folder)
    with locked(folder):
        if not (folder / MANIFEST).exists():
            write_manifest(folder, manifest)
            yield manifest, []
            return
        if not resume:
            raise InputError(
                f"{folder} holds a run already: give another --output, or leave out --no-resume"
            )
        old = read_manifest(folder, command)
        check_same_run(old, manifest, str(folder))
        old["execution"]["status"] = "running"
        yield old, completed(folder / "rows", old["identity"])


def _make(folder: Path) -> None:
    """Makes the folder of a new run where it is not there, empty."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder for the run with --output")
    try:
        # What a run leaves that was killed before its manifest was written is no obstacle.
        if folder.is_dir() and any(not _is_leftover(file) for file in folder.iterdir()):
            raise InputError(
                f"{folder} is not empty and holds no run: give a new or empty folder with --output"
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(
            f"cannot write to {folder}: {problem.strerror}; give another folder with --output"
        ) from problem


def _is_leftover(file: Path) -> bool:
    return file.name.endswith(".part") or file.name in (LOCK, HOLDER)
