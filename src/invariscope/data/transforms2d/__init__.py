"""Makes Transforms-2D, the synthetic images of paper 004 (§2.2, App. A), in batches.

One cut-out object per class, transformed by chosen categories, pasted on a random background. The
files: `laws` says what is drawn for each category, `prototypes` and `shapes` what the objects are,
`scenes` the backgrounds, `numbers` draws, `sprites` moves objects, `colours` changes their pixels,
`fields` are the transformations that need a number per pixel, `generator` puts all together, and
`source` is the image source ``transforms2d:stamps``.

Importing this package does not import torch; `invariscope.data.transforms2d.generator` does.
"""

from invariscope.data.transforms2d.laws import PAPER, PUBLISHED, TRANSFORMS2D, Law
from invariscope.data.transforms2d.prototypes import COLUMNS, PROTOTYPES, Prototypes, prototypes
from invariscope.data.transforms2d.scenes import Scenes, scenes

__all__ = [
    "COLUMNS",
    "PAPER",
    "PROTOTYPES",
    "PUBLISHED",
    "TRANSFORMS2D",
    "Law",
    "Prototypes",
    "Scenes",
    "prototypes",
    "scenes",
]
