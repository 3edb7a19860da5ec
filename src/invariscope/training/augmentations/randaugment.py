"""Augments by RandAugment: two of fourteen operations, at one magnitude (Cubuk et al. 2020).

The operations and their magnitudes are torchvision's ``v2.RandAugment``, done by its functions on
eight bits. Its own class draws once for a batch; here each image draws its own, and the images of
one operation and direction are done together.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as pixels

from invariscope.errors import InputError
from invariscope.training.augmentations.augmentation import (
    Augmentation,
    Changed,
    Draws,
    Images,
    Labels,
    whole_number,
)

Pixels = UInt8[Tensor, "image channel height width"]
#: Magnitudes are numbered 0 … 30, from none to the largest.
BINS = 31
_NEAREST = InterpolationMode.NEAREST


class RandAugment(Augmentation):
    """Random operations, one after the other.

    Args:
        num_ops: How many.
        magnitude: How far they go, 0 … 30.

    Example:
        >>> RandAugment().num_draws
        4
    """

    def __init__(self, num_ops: int = 2, magnitude: int = 9):
        super().__init__()
        if num_ops < 1 or not 0 <= magnitude < BINS:
            raise InputError(
                f"RandAugment({num_ops}, {magnitude}) came: at least one operation and a magnitude "
                f"from 0 to {BINS - 1} work"
            )
        self.num_ops, self.magnitude = num_ops, magnitude
        self.num_draws = 2 * num_ops

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Returns the images after their operations, in steps of 1/255."""
        out = (images * 255).round().clamp(0, 255).to(torch.uint8)
        names = list(OPERATIONS)
        operation = whole_number(draws[:, 0::2], len(names))
        negative = draws[:, 1::2] < 0.5
        # Those without directions are done together.
        signed = torch.tensor([name in _SIGNED for name in names], device=draws.device)
        key = 2 * operation + (negative & signed[operation]).long()
        for step in range(self.num_ops):
            for group in key[:, step].unique().tolist():
                chosen = (key[:, step] == group).nonzero()[:, 0].to(out.device)
                sign = -1.0 if group % 2 else 1.0
                out[chosen] = OPERATIONS[names[group // 2]](
                    out[chosen], sign * self.magnitude / (BINS - 1)
                )
        return out.to(images.dtype) / 255

    def extra_repr(self) -> str:
        """Prints the settings."""
        return f"{self.num_ops}, magnitude={self.magnitude}"


def _affine(images: Pixels, shift: tuple[int, int], shear: tuple[float, float]) -> Pixels:
    centre = [0.0, 0.0] if any(shear) else None
    return pixels.affine(
        images, angle=0.0, translate=[*shift], scale=1.0, shear=[*shear],
        interpolation=_NEAREST, center=centre,
    )  # fmt: skip


def _lean(strength: float) -> float:
    return math.degrees(math.atan(0.3 * strength))


def _shifted(images: Pixels, strength: float, axes: tuple[int, int]) -> Pixels:
    down, right = (int(150 / 331 * side * strength) for side in images.shape[-2:])
    return _affine(images, (axes[0] * right, axes[1] * down), (0.0, 0.0))


#: By torchvision's names: (images, strength in [−1, 1]) to images.
OPERATIONS: dict[str, Callable[[Pixels, float], Pixels]] = {
    "Identity": lambda images, strength: images,
    "ShearX": lambda images, strength: _affine(images, (0, 0), (_lean(strength), 0.0)),
    "ShearY": lambda images, strength: _affine(images, (0, 0), (0.0, _lean(strength))),
    "TranslateX": lambda images, strength: _shifted(images, strength, (1, 0)),
    "TranslateY": lambda images, strength: _shifted(images, strength, (0, 1)),
    "Rotate": lambda images, strength: pixels.rotate(images, 30 * strength, _NEAREST),
    "Brightness": lambda images, strength: pixels.adjust_brightness(images, 1 + 0.9 * strength),
    "Color": lambda images, strength: pixels.adjust_saturation(images, 1 + 0.9 * strength),
    "Contrast": lambda images, strength: pixels.adjust_contrast(images, 1 + 0.9 * strength),
    "Sharpness": lambda images, strength: pixels.adjust_sharpness(images, 1 + 0.9 * strength),
    "Posterize": lambda images, strength: pixels.posterize(images, 8 - round(4 * strength)),
    "Solarize": lambda images, strength: pixels.solarize(images, 255 * (1 - strength)),
    "AutoContrast": lambda images, strength: pixels.autocontrast(images),
    "Equalize": lambda images, strength: pixels.equalize(images),
}
_SIGNED = frozenset(list(OPERATIONS)[1:10])
