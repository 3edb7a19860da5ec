"""Opens or resumes a run folder, one process at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from invariscope.data import ImageSource
from invariscope.errors import InputError
from invariscope.files import remove_leftovers
from invariscope.runs.block_files import (
    ROWS,
    RowFormat,
    block_path,
    completed_blocks,
    digests_of,
)
from invariscope.runs.lock import HOLDER, LOCK, locked
from invariscope.runs.manifest import (
    MANIFEST,
    MEASURE,
    check_same_images,
    check_same_run,
    read_manifest,
    write_manifest,
)


@contextmanager
def open_folder(
    folder: Path | None, manifest: dict[str, Any], resume: bool, rows: RowFormat, content: "Content"
) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Makes the folder, or takes up the same run in it; it is locked until the end of the block.

    Args:
        folder: The run folder; None for a run in memory, of which nothing is done.
        manifest: The manifest of the run that is about to start.
        resume: Whether a folder that holds the run already may be taken up.
        rows: What the rows of its blocks look like.
        content: Tells whether the images are still those that were measured.

    Yields:
        The run's manifest (an earlier one keeps its events and times), the blocks that are done.

    Raises:
        InputError: The folder holds something else, rows of another run or of images that have
            another content now; it cannot be written, or is in use by another process.
    """
    if folder is None:
        yield manifest, []
        return
    if not (folder / MANIFEST).exists():
        _make(folder)
    with locked(folder):
        remove_leftovers(folder)
        if not (folder / MANIFEST).exists():
            write_manifest(folder, manifest)
            yield manifest, []
            return
        if not resume:
            raise InputError(
                f"{folder} holds a run already: give another `output`, or leave out `resume=False`"
            )
        old = read_manifest(folder, manifest.get("command", MEASURE), resuming=True)
        check_same_run(old, manifest, folder)
        done = completed_blocks(folder / ROWS, old["identity"], rows)
        content.check(folder, done)
        check_same_images(old, manifest, folder)
        old["execution"]["status"] = "running"
        yield old, done


class Content:
    """Checks that the images of a run are still those that its rows were measured on.

    Args:
        source: The images.
        blocks: The positions of each block's images.
        digest: What the image at a position is known by now. Files and arrays are read again for
            it; of other sources only the pictures that are decoded already are known.
    """

    def __init__(
        self, source: ImageSource, blocks: Sequence[list[int]], digest: Callable[[int], str]
    ):
        self._source, self._blocks, self._digest = source, blocks, digest

    def check(self, folder: Path, done: Sequence[int]) -> None:
        """Raises an `InputError` that names the first changed image of the blocks that are done."""
        for number in done:
            known = digests_of(pq.read_schema(block_path(folder / ROWS, number)))
            for index in self._blocks[number] if number < len(self._blocks) else ():
                image = self._source.ids[index]
                if image in known and self._digest(index) not in ("", known[image]):
                    raise InputError(
                        f"{folder} holds a run on other images: {image} has another content now "
                        "than when it was measured; give another `output`, or the same images to "
                        "resume it"
                    )


def _make(folder: Path) -> None:
    """Makes the folder of a new run where it is not there, empty."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder as `output`")
    try:
        # What a run leaves that was killed before its manifest was written is no obstacle.
        if folder.is_dir() and any(not _is_leftover(file) for file in folder.iterdir()):
            raise InputError(
                f"{folder} is not empty and holds no run: give a new or empty folder as `output`"
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(
            f"cannot write to {folder}: {problem.strerror}; give another folder as `output`"
        ) from problem


def _is_leftover(file: Path) -> bool:
    return file.name.endswith(".part") or file.name in (LOCK, HOLDER)
