"""Reads archives of arrays that belong to a run, such as its pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from invariscope.errors import InputError
from invariscope.files import read_arrays, undamaged
from invariscope.runs.identity import RUN, check_run


@contextmanager
def run_arrays(
    path: Path, layout: int, run: str | None, remedy: str
) -> Iterator[dict[str, np.ndarray]]:
    """Opens an archive of pictures; what reading its arrays raises inside is one line, too.

    Args:
        path: The file.
        layout: The format that it must have.
        run: The identity of its run; None: it may be of any.
        remedy: What to do where it is damaged, as for `invariscope.files.undamaged`.

    Raises:
        InputError: The file is damaged, lacks arrays, is of a newer format or of another run.
    """
    file = read_arrays(path, remedy)
    with undamaged(path, remedy):
        written = int(file["format"])
        if written > layout:
            raise InputError(
                f"{path} has format {written}, this version reads up to {layout}: install a newer "
                "invariscope"
            )
        if written != layout:
            raise ValueError(f"format {written}")
        check_run(path, str(file[RUN]), run, "pictures", "take them anew")
        yield file
