"""Names pictures that use a small part of their range, as if their bit depth was read wrongly.

12 bits read as 16 use 6 % of the range. What brightness, posterize or solarize then do to them has
little to do with what they do to the picture, so the run names them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from invariscope.runs.loading import Block

#: The part of the range, 12 bits in 16.
PART = 1 / 16
_NAMED = 5


def is_dim(pixels: Tensor) -> bool:
    """Says whether a picture, uint8 or float in [0, 1], uses little of its range; black does not.

    Example:
        >>> is_dim(torch.full((1, 2, 2), 0.06)), is_dim(torch.zeros(1, 2, 2))
        (True, False)
    """
    highest = pixels.max().item()
    return 0 < highest <= PART * (255 if pixels.dtype == torch.uint8 else 1) + 1e-6


def dim_pictures(block: Block) -> list[str]:
    """Lists the ids of a block's dim pictures."""
    return [
        image
        for image, picture in zip(block.ids, block.pictures, strict=True)
        if picture.pixels is not None and is_dim(picture.pixels)
    ]


def note_dim(manifest: dict[str, Any], dim: Sequence[str]) -> None:
    """Adds dim pictures, by their ids, to the notes about the images; one line for all of them."""
    if not dim:
        return
    images = manifest["images"]
    known = {*images.get("dim", []), *dim}
    images["dim"] = sorted(known)
    names = ", ".join(images["dim"][:_NAMED]) + (", …" if len(known) > _NAMED else "")
    start = "use at most 6 % of their range: "
    images["notes"] = [note for note in images["notes"] if start not in note]
    images["notes"].append(
        f"{len(known)} of the pictures {start}{names}; if white lies lower, say so with "
        "`value_range=(LOW, HIGH)`"
    )
