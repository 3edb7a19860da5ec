"""Reads the 1,797 handwritten digits inside scikit-learn, 8 × 8: ``digits?size=28``.

The test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998,
CC BY 4.0), enlarged bilinearly to 28 × 28 unless ``size`` says otherwise. Small and always there:
for tests and smoke runs of what is meant for MNIST.
"""

import gzip
import zlib
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from invariscope.data.memory import GreyTableSource
from invariscope.data.packages import package_folder
from invariscope.data.source import SOURCES
from invariscope.errors import InputError

_SIDE = 8
_WHITE = 16  # the files count the set pixels of 4 × 4 blocks


@SOURCES.register("digits")
def digits(argument: str | None = None, *, size: str = "28") -> GreyTableSource:
    """1,797 handwritten digits of scikit-learn, labelled; of 28 pixels, ?size=16.

    Args:
        argument: Must be None; the name takes no argument.
        size: Side of the images in pixels.

    Raises:
        InputError: scikit-learn is not installed, its file is not as expected, or a wrong size.

    Example:
        >>> digits(size="0")
        Traceback (most recent call last):
        invariscope.errors.InputError: digits: size='0'; a whole number from 8 to 512 works
    """
    if argument is not None:
        raise InputError(f"digits:{argument}: it takes no argument; write digits")
    if not (size.isdecimal() and _SIDE <= int(size) <= 512):
        raise InputError(f"digits: size={size!r}; a whole number from 8 to 512 works")
    folder = package_folder("sklearn")
    if folder is None:
        raise InputError("digits needs the package scikit-learn: pip install scikit-learn")
    note = "1,797 UCI digits, 8 × 8 enlarged, grey (from the package scikit-learn, CC BY 4.0)"
    read = partial(read_csv, folder / "datasets" / "data" / "digits.csv.gz", int(size))
    return GreyTableSource("digits", read, [str(digit) for digit in range(10)], [note])


@lru_cache(maxsize=2)
def read_csv(file: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads images uint8 [N, side, side] and labels [N]: 64 counts and the digit in each line.

    A process reads them once: a study opens them for each of its measurements.

    Raises:
        InputError: The file is missing or is not such a table.
    """
    try:
        with gzip.open(file, "rt") as lines:
            table = np.loadtxt(lines, delimiter=",")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(
            f"digits: {file} cannot be read ({error}); reinstall scikit-learn"
        ) from error
    if table.ndim != 2 or table.shape[1] != _SIDE**2 + 1:
        raise InputError(f"digits: {file} is not 65 numbers a line; reinstall scikit-learn")
    small = np.round(table[:, :-1] * (255 / _WHITE)).clip(0, 255).astype(np.uint8)
    pictures = [Image.fromarray(picture.reshape(_SIDE, _SIDE)) for picture in small]
    large = [picture.resize((side, side), Image.Resampling.BILINEAR) for picture in pictures]
    images, labels = np.stack([np.asarray(picture) for picture in large]), table[:, -1]
    images.flags.writeable = False
    return images, labels.astype(np.int64)
