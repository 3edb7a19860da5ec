"""Crops as in paper 000 §2: RandomResizedCrop, and what it decomposes into.

| name | what it does |
|---|---|
| FixedSizeCenterCrop | the short side becomes 256/224 of the output, then its centre; "none" |
| FixedSizeRandomCrop | the same, any place: translation without scale |
| T.(p) | the same enlarged image moved by up to p of its width and height, then its centre |
| RandomSizeCenterCrop | a box of random area and shape about the centre: scale, no translation |
| T.(p) + RandomSizeCenterCrop | the image moved by up to p, then that |
| RandomResizedCrop | a box of random area and shape, any place |
| Beta(1, α) | RandomResizedCrop with an area of .08 + .92 Beta(1, α) |

``w/o a.r.``: boxes of shape 1. A move is a whole number of pixels, round(U(−p, p) · side), and what
comes in is black, as in the published code. Beyond the paper: the "whole image" (the short side
becomes the output's, then the centre) and the "random crop" of the CIFAR recipes (zeros around the
whole image, then any place).
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from invariscope.errors import InputError
from invariscope.training.augmentations.augmentation import (
    Augmentation,
    Changed,
    Draws,
    Images,
    Labels,
    whole_number,
)
from invariscope.training.augmentations.boxes import (
    PLACE_DRAWS,
    RATIO,
    SIZE_DRAWS,
    UNIFORM,
    AreaLaw,
    Boxes,
    random_boxes,
)
from invariscope.training.augmentations.resampling import box_weights, moved, resample, window


def enlarged(size: int) -> int:
    """Returns the short side before a fixed-size crop: 256 for 224.

    Example:
        >>> enlarged(224), enlarged(28), enlarged(32)
        (256, 32, 37)
    """
    return round(size * 256 / 224)


class FixedSizeCrop(Augmentation):
    """Resizes the short side, then takes a square of fixed size.

    Args:
        size: Side of the output.
        resize: The short side before the crop; by default 256/224 of the output's.
        random: Whether the square lies anywhere, or in the centre.
        padding: Black pixels around the resized image.
        translate: The resized image is moved by up to this share of its width and height first.

    Example:
        >>> FixedSizeCrop(28).augment(torch.ones(2, 3, 28, 40), torch.empty(2, 0)).shape
        torch.Size([2, 3, 28, 28])
    """

    def __init__(
        self,
        size: int,
        *,
        resize: int | None = None,
        random: bool = False,
        padding: int = 0,
        translate: float = 0.0,
    ):
        super().__init__()
        self.size, self.random, self.padding = size, random, padding
        self.resize = enlarged(size) if resize is None else resize
        self.translate = checked_share(translate)
        if self.resize < size:
            raise InputError(f"a crop of {size} from a short side of {self.resize}: give a larger")
        self.num_draws = 2 * (int(random) + int(translate > 0))

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Crops the images."""
        shift = _shift(draws, self.translate, self._resized(images)) if self.translate else None
        weights = []
        for axis, (length, resized) in enumerate(
            zip(images.shape[-2:], self._resized(images), strict=True)
        ):
            start_of_all = torch.zeros(1, dtype=torch.int64, device=draws.device)
            common = box_weights(length, start_of_all, start_of_all + length, resized)
            start = self._start(draws[:, -2:][:, axis] if self.random else draws[:, :1], resized)
            if shift is not None:
                start = start - shift[axis]
            weights.append(window(common, start, self.size))
        return resample(images, *weights)

    def _resized(self, images: Images) -> tuple[int, int]:
        height, width = images.shape[-2:]
        short = min(height, width)
        return int(self.resize * height / short), int(self.resize * width / short)

    def _start(self, draws: Tensor, resized: int) -> Int64[Tensor, " image"]:
        if self.random:
            spare = resized + 2 * self.padding - self.size
            return whole_number(draws, spare + 1) - self.padding
        middle = round((resized - self.size) / 2)
        return torch.full((len(draws),), middle, dtype=torch.int64, device=draws.device)

    def extra_repr(self) -> str:
        """Prints the settings."""
        return (
            f"{self.size}, resize={self.resize}, random={self.random}, padding={self.padding}, "
            f"translate={self.translate}"
        )


class RandomSizeCrop(Augmentation):
    """A box of random area and shape, resized to a square.

    Args:
        size: Side of the output.
        area: The law of the box's share of the image.
        ratio: Smallest and largest width / height.
        centred: Whether the box lies in the centre, or anywhere.
        translate: The image is moved by up to this share of its width and height first.

    Example:
        >>> crop = RandomSizeCrop(8, centred=True)
        >>> crop.augment(torch.ones(1, 1, 10, 12), torch.zeros(1, crop.num_draws)).shape
        torch.Size([1, 1, 8, 8])
    """

    def __init__(
        self,
        size: int,
        *,
        area: AreaLaw = UNIFORM,
        ratio: tuple[float, float] = RATIO,
        centred: bool = False,
        translate: float = 0.0,
    ):
        super().__init__()
        self.size, self.area, self.ratio, self.centred = size, area, ratio, centred
        self.translate = checked_share(translate)
        self.num_draws = SIZE_DRAWS + PLACE_DRAWS * (int(not centred) + int(translate > 0))

    def boxes(self, draws: Draws, frame: tuple[int, int]) -> Boxes:
        """Returns the box of each image, in the image as it has been moved."""
        return random_boxes(draws, frame, area=self.area, ratio=self.ratio, centred=self.centred)

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Crops the images."""
        height, width = images.shape[-2:]
        moves = PLACE_DRAWS if self.translate else 0
        boxes = self.boxes(draws[:, moves:], (height, width))
        rows = box_weights(height, boxes.top, boxes.height, self.size)
        columns = box_weights(width, boxes.left, boxes.width, self.size)
        if self.translate:
            down, right = _shift(draws, self.translate, (height, width))
            rows, columns = moved(rows, down), moved(columns, right)
        return resample(images, rows, columns)

    def extra_repr(self) -> str:
        """Prints the settings."""
        return (
            f"{self.size}, area={self.area}, ratio={self.ratio}, centred={self.centred}, "
            f"translate={self.translate}"
        )


def _shift(
    draws: Draws, share: float, frame: tuple[int, int]
) -> tuple[Int64[Tensor, " image"], Int64[Tensor, " image"]]:
    """Pixels down and to the right, from the first two draws."""
    down, right = (
        ((2 * draws[:, axis] - 1) * share * frame[axis]).round().long() for axis in (0, 1)
    )
    return down, right


def checked_share(translate: float) -> float:
    """Checks the largest move, a share of the side."""
    if not 0 <= translate <= 1:
        raise InputError(f"T.({100 * translate:g}%) came: a share from 0% to 100% works")
    return translate
