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

    def apply(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
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


def _shift(strength: float, side: int) -> int:
    return int(150 / 331 * side * strength)


def _identity(images: Pixels, strength: float) -> Pixels:
    return images


def _shear_x(images: Pixels, strength: float) -> Pixels:
    return _affine(images, (0, 0), (_lean(strength), 0.0))


def _shear_y(images: Pixels, strength: float) -> Pixels:
    return _affine(images, (0, 0), (0.0, _lean(strength)))


def _translate_x(images: Pixels, strength: float) -> Pixels:
    return _affine(images, (_shift(strength, images.shape[-1]), 0), (0.0, 0.0))


def _translate_y(images: Pixels, strength: float) -> Pixels:
    return _affine(images, (0, _shift(strength, images.shape[-2])), (0.0, 0.0))


def _rotate(images: Pixels, strength: float) -> Pixels:
    return pixels.rotate(images, 30 * strength, interpolation=_NEAREST)


def _brightness(images: Pixels, strength: float) -> Pixels:
    return pixels.adjust_brightness(images, 1 + 0.9 * strength)


def _color(images: Pixels, strength: float) -> Pixels:
    return pixels.adjust_saturation(images, 1 + 0.9 * strength)


def _contrast(images: Pixels, strength: float) -> Pixels:
    return pixels.adjust_contrast(images, 1 + 0.9 * strength)


def _sharpness(images: Pixels, strength: float) -> Pixels:
    return pixels.adjust_sharpness(images, 1 + 0.9 * strength)


def _posterize(images: Pixels, strength: float) -> Pixels:
    return pixels.posterize(images, 8 - round(4 * strength))


def _solarize(images: Pixels, strength: float) -> Pixels:
    return pixels.solarize(images, 255 * (1 - strength))


def _autocontrast(images: Pixels, strength: float) -> Pixels:
    return pixels.autocontrast(images)


def _equalize(images: Pixels, strength: float) -> Pixels:
    return pixels.equalize(images)


#: By torchvision's names: (images, strength in [−1, 1]) to images.
OPERATIONS: dict[str, Callable[[Pixels, float], Pixels]] = {
    "Identity": _identity,
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
    "Rotate": _rotate,
    "Brightness": _brightness,
    "Color": _color,
    "Contrast": _contrast,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": _autocontrast,
    "Equalize": _equalize,
}
_SIGNED = frozenset(list(OPERATIONS)[1:10])
