"""Keeps one image of a run for its report: `example.png` of the run folder."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from invariscope.errors import InputError
from invariscope.files import write_file

EXAMPLE = "example.png"


def write_example(folder: Path, pixels: np.ndarray) -> None:
    """Keeps one image (uint8 [height, width, 3]) for the report."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    write_file(folder / EXAMPLE, buffer.getvalue())


def read_example(folder: Path) -> np.ndarray | None:
    """Reads it; None where there is none.

    Raises:
        InputError: It cannot be read.
    """
    path = folder / EXAMPLE
    if not path.exists():
        return None
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except OSError as problem:
        raise InputError(f"cannot read {path}: delete it, the report does without") from problem
