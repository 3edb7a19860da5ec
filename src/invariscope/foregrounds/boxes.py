"""The box around a foreground: paper 000, App. E.1.

    foreground   the pixels of a mask above a threshold, 0.1 in the paper
    box          from the first to the last column and row that hold one, these included
    width        columns of the box / columns of the frame;  height: rows / rows
    x, y         the box's centre, x to the right, y down, (0.5, 0.5) is the middle of the image:
                 (first + last + 1) / 2 of its columns and rows, over those of the frame
    area         width * height: the share of the frame that the box covers
    mask_area    the share of the frame's pixels that are foreground; at most `area`

All in (0, 1]. A mask that covers the frame has the centre (0.5, 0.5) and area 1. A box of one
pixel has the area of that pixel, not 0: `first` and `last` are pixels, and pixels have a width.
The frame is the whole image as the data source gives it, before any resize or crop of a model. A
mask without a pixel above the threshold has no box: every value is NaN but mask_area, which is 0.

Different from the published code: it divides the horizontal extent by the height of the frame and
the vertical one by its width (`shape[2]` is taken for the width of [N, C, H, W]), which only
square images forgive; and its boxes end at the last pixel's left edge.
"""

from dataclasses import dataclass

import numpy as np

from invariscope.errors import InputError

THRESHOLD = 0.1
MEASURES = ("x", "y", "width", "height", "area", "mask_area")


@dataclass(frozen=True)
class Box:
    """A box relative to its frame; see the module."""

    x: float
    y: float
    width: float
    height: float
    area: float
    mask_area: float


NO_BOX = Box(*[float("nan")] * 5, mask_area=0.0)


def foreground_box(mask: np.ndarray, threshold: float = THRESHOLD) -> Box:
    """The box around what lies above a threshold.

    Args:
        mask: [height, width], finite numbers.
        threshold: What has to be exceeded to be foreground.

    Returns:
        The box, or `NO_BOX` where no pixel is foreground.

    Raises:
        InputError: The mask is not two-dimensional or holds no pixel.

    Example:
        >>> mask = np.zeros((4, 10))
        >>> mask[1:3, 2:7] = 1
        >>> box = foreground_box(mask)
        >>> box.x, box.y, box.width, box.height, box.area
        (0.45, 0.5, 0.5, 0.5, 0.25)
    """
    if mask.ndim != 2 or not mask.size:
        raise InputError(f"a mask has shape {list(mask.shape)}: [height, width] is needed")
    foreground = mask > threshold
    rows, columns = np.flatnonzero(foreground.any(1)), np.flatnonzero(foreground.any(0))
    if not len(rows):
        return NO_BOX
    height, width = foreground.shape
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Box(
        x=float((left + right) / (2 * width)),
        y=float((top + bottom) / (2 * height)),
        width=float((right - left) / width),
        height=float((bottom - top) / height),
        area=float((right - left) * (bottom - top) / (width * height)),
        mask_area=float(foreground.mean()),
    )


def box_overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes in one frame, 0 to 1; NaN where one is `NO_BOX`.

    Example:
        >>> left, right = (foreground_box(np.eye(4)[:, ::step]) for step in (1, -1))
        >>> box_overlap(left, right)
        1.0
    """
    if np.isnan(first.x) or np.isnan(second.x):
        return float("nan")
    shared = 1.0
    for centre, side in (("x", "width"), ("y", "height")):
        low = max(getattr(box, centre) - getattr(box, side) / 2 for box in (first, second))
        high = min(getattr(box, centre) + getattr(box, side) / 2 for box in (first, second))
        shared *= max(0.0, high - low)
    return shared / (first.area + second.area - shared)
