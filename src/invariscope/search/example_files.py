"""The pictures of example pairs: `examples.npz`, written at the end of a search.

A search keeps numbers alone; the report shows pairs. So for some classes three pairs are kept as
small pictures: the anchor x₁, the other x₂, and T(x₂), for the class's top operation T. The file
needs neither the model nor the data to be shown again. It is a NumPy archive (compressed, without
pickled objects):

| array | meaning |
|---|---|
| format | 1 |
| run | the identity of the search (`runs/identity.py`) |
| class, operation, first, second | `[example]`, text: names, and the ids of the two images |
| role | `[example]`, text: helped (the largest change), middle (the median), hurt (the least, below 0) |
| before, change | `[example]`, float64: s₀ and s_T − s₀, as in the rows |
| pictures | uint8 `[example, 3, height, width, 3]`: x₁, x₂, T(x₂), at most 112 pixels on a side |
"""  # noqa: E501

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invariscope.files import write_arrays
from invariscope.runs.arrays import run_arrays
from invariscope.runs.identity import RUN

EXAMPLES = "examples.npz"
ROLES = ("helped", "middle", "hurt")
_FORMAT = 1
_TEXTS = ("class", "operation", "role", "first", "second")
_REMEDY = "give the search's command again to take the pictures anew"


@dataclass(frozen=True)
class Example:
    """A pair of images of one class, and its second image after an operation.

    Attributes:
        class_name: The class.
        operation: Its top operation.
        role: "helped", "middle" or "hurt": the largest, the median, the least change.
        first: Id of the anchor.
        second: Id of the other image.
        before: s₀.
        change: s_T − s₀.
        pictures: uint8 [3, height, width, 3]: the anchor, the other, the other transformed.
    """

    class_name: str
    operation: str
    role: str
    first: str
    second: str
    before: float
    change: float
    pictures: np.ndarray


def write_examples(
    folder: str | os.PathLike[str], examples: Sequence[Example], run: str = ""
) -> Path:
    """Writes `examples.npz`, whole or not at all; `run` is the identity of the search.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    texts = {
        "class": [example.class_name for example in examples],
        "operation": [example.operation for example in examples],
        "role": [example.role for example in examples],
        "first": [example.first for example in examples],
        "second": [example.second for example in examples],
    }
    arrays = {name: np.array(texts[name], dtype=np.str_) for name in _TEXTS}
    arrays |= {
        "format": np.array(_FORMAT),
        RUN: np.array(run),
        "before": np.array([example.before for example in examples], dtype=np.float64),
        "change": np.array([example.change for example in examples], dtype=np.float64),
        "pictures": (
            np.stack([example.pictures for example in examples])
            if examples
            else np.empty((0, 3, 1, 1, 3), np.uint8)
        ),
    }
    path = Path(folder) / EXAMPLES
    write_arrays(path, arrays, kept="the rows of the search are kept")
    return path


def read_examples(folder: str | os.PathLike[str], run: str | None = None) -> tuple[Example, ...]:
    """Reads `examples.npz`.

    Raises:
        InputError: The file is damaged, lacks arrays, is of a newer format, or is not of the search
            whose identity is given.
    """
    path = Path(folder) / EXAMPLES
    with run_arrays(path, _FORMAT, run, _REMEDY) as file:
        texts = [file[name].tolist() for name in _TEXTS]
        numbers = [file[name].tolist() for name in ("before", "change")]
        pictures = file["pictures"]
        if pictures.dtype != np.uint8 or pictures.ndim != 5 or pictures.shape[1::3] != (3, 3):
            raise ValueError(f"pictures of shape {pictures.shape}")
        columns = zip(*texts, *numbers, pictures, strict=True)
        return tuple(Example(*values) for values in columns)
