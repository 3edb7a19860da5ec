"""Draws the boxes of the crops: how much of the image, its shape, its place (paper 000 §2, App. C).

- Area: a share σ² of the image's, σ² = low + (high − low) B with B ~ Beta(1, α), drawn by the
  inverse distribution function B = 1 − (1 − u)^(1/α). α = 1 is uniform, as in RandomResizedCrop; a
  smaller α stays near the whole image. E[σ²] = low + (high − low) / (1 + α).
- Shape: width / height = exp(U(log 3/4, log 4/3)); without aspect ratio (``w/o a.r.``) it is 1.
- Ten tries: the first box that fits into the image counts; if none does, the largest one about the
  centre whose shape is allowed. This is torchvision's procedure; whole pixels, halves to even.
- Place: every position as likely, or the centre.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from invariscope.errors import InputError
from invariscope.training.augmentations.augmentation import whole_number

RATIO = (3 / 4, 4 / 3)
TRIES = 10
#: Uniform numbers that the size of a box takes, and its place.
SIZE_DRAWS, PLACE_DRAWS = 2 * TRIES, 2


@dataclass(frozen=True)
class AreaLaw:
    """The law of a box's share of the image's area.

    Args:
        low: The smallest share.
        high: The largest.
        alpha: The second parameter of the Beta distribution; the first is 1.

    Example:
        >>> round(AreaLaw(alpha=3).mean, 4)
        0.31
        >>> AreaLaw()(torch.tensor([0.0, 0.5])).tolist()
        [0.079..., 0.54...]
    """

    low: float = 0.08
    high: float = 1.0
    alpha: float = 1.0

    def __post_init__(self):
        if not 0 < self.low <= self.high <= 1:
            raise InputError(
                f"an area from {self.low:g} to {self.high:g} of the image came: two shares above 0 "
                "and up to 1, the smaller first, work"
            )
        if not (self.alpha > 0 and math.isfinite(self.alpha)):
            raise InputError(f"Beta(1, {self.alpha:g}) came: a number above 0 works")

    def __call__(self, draws: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Returns the share for each uniform number."""
        beta = -torch.expm1(torch.log1p(-draws) / self.alpha)
        return self.low + (self.high - self.low) * beta

    @property
    def mean(self) -> float:
        """The expected share."""
        return self.low + (self.high - self.low) / (1 + self.alpha)


#: The law of RandomResizedCrop.
UNIFORM = AreaLaw()


@dataclass(frozen=True)
class Boxes:
    """One box of whole pixels in each image.

    Attributes:
        top: Its first row.
        left: Its first column.
        height: Its rows.
        width: Its columns.
    """

    top: Int64[Tensor, " image"]
    left: Int64[Tensor, " image"]
    height: Int64[Tensor, " image"]
    width: Int64[Tensor, " image"]


def random_boxes(
    draws: Float[Tensor, "image draw"],
    frame: tuple[int, int],
    *,
    area: AreaLaw = UNIFORM,
    ratio: tuple[float, float] = RATIO,
    centred: bool = False,
) -> Boxes:
    """Draws one box in each image.

    Args:
        draws: `SIZE_DRAWS` numbers for each image, area and shape of each try, and `PLACE_DRAWS`
            more for its place.
        frame: Height and width of the images.
        area: The law of the area.
        ratio: Smallest and largest width / height.
        centred: Whether the boxes lie in the centre, and take no numbers for it.

    Example:
        >>> boxes = random_boxes(torch.full((1, SIZE_DRAWS), 0.5), (20, 20), centred=True)
        >>> [int(value) for value in (boxes.top, boxes.left, boxes.height, boxes.width)]
        [2, 2, 15, 15]
    """
    height, width = frame
    pixels = area(draws[:, 0:SIZE_DRAWS:2]) * (height * width)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = torch.exp(low + (high - low) * draws[:, 1:SIZE_DRAWS:2])
    tall = torch.sqrt(pixels / shape).round().long()
    wide = torch.sqrt(pixels * shape).round().long()
    fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
    first = fits.long().argmax(dim=1, keepdim=True)
    any_fits = fits.any(dim=1)
    largest_height, largest_width = _largest(frame, ratio)
    tall = torch.where(any_fits, tall.gather(1, first)[:, 0], largest_height)
    wide = torch.where(any_fits, wide.gather(1, first)[:, 0], largest_width)
    top, left = (height - tall) // 2, (width - wide) // 2
    if not centred:
        places = draws[:, SIZE_DRAWS:]
        top = torch.where(any_fits, whole_number(places[:, 0], height - tall + 1), top)
        left = torch.where(any_fits, whole_number(places[:, 1], width - wide + 1), left)
    return Boxes(top, left, tall, wide)


def _largest(frame: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int]:
    """The largest box whose shape is allowed."""
    height, width = frame
    if width / height < ratio[0]:
        return round(width / ratio[0]), width
    if width / height > ratio[1]:
        return height, round(height * ratio[1])
    return height, width
