"""Tables what is drawn for each category of ``transforms2d``, and from which law.

Paper 004 (App. A) names eight categories and gives no parameters ("standard PyTorch data
augmentations"). The parameters here are those of the published code of its successor, which has 18
categories; *ours* marks what neither says.

================  ==============================================================  ==================
category          drawn per image                                                 where from
================  ==============================================================  ==================
translation       place: anywhere where the object's box is inside the frame      published
rotation          angle ~ U(0°, 360°), counter-clockwise                          published
scale             factor ~ U(0.4, 1)                                              published
horizontal_flip   applied with p = 0.5                                            published
vertical_flip     applied with p = 0.5                                            published
blur              sigma ~ U(0.1, 1.5) pixels of 32, kernel of 7                   published
sharpening        factor 7, applied with p = 0.5                                  published
color_jitter      brightness, contrast, saturation ~ U(0.5, 1.5), hue ~ U(±0.5)   hue; else ours
shear             ~ U(-50°, 50°) along x and along y                              published
hue               shift ~ U(-0.5, 0.5) of the circle                              published
brightness        factor ~ U(0, 2)                                                published
contrast          factor ~ U(0, 2)                                                published
grayscale         applied with p = 0.5                                            published
posterize         to 1 bit, applied with p = 0.5                                  published
invert            applied with p = 0.5                                            published
noise             N(0, 1) per pixel and channel, clipped, with p = 0.5            published
pixelate          to 0.3 of the side and back, with p = 0.5                       published
elastic           alpha 150, sigma 5 pixels of 32, with p = 0.5                   sigma: torchvision
erase             a square of 14 pixels of 32, with p = 0.5                       published
================  ==============================================================  ==================

What is drawn for a category is a hash of (seed, split, index, category): it does not depend on the
other categories, so a data set of fewer categories draws the same parameters. Lengths in pixels of
32 grow with the side of the images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from invariscope.errors import InputError
from invariscope.registry import unknown_name

# the laws are plain arithmetic on [image, draw], so arrays and tensors of any device will do
Numbers = Any


@dataclass(frozen=True)
class Law:
    """The law of one category.

    Args:
        name: The category.
        parameters: Name of each parameter, with its unit.
        draws: Uniform numbers that one image takes.
        of: From draws in [0, 1) [image, draw] to parameters [image, parameter].
    """

    name: str
    parameters: tuple[str, ...]
    draws: int
    of: Callable[[Numbers], Numbers]


def _uniform(low: float, high: float) -> Callable[[Numbers], Numbers]:
    return lambda draws: low + (high - low) * draws


def _half(draws: Numbers) -> Numbers:
    return (draws < 0.5) + 0.0 * draws  # of the type of the draws


def _jitter(draws: Numbers) -> Numbers:
    # hue is centred on 0, the three factors on 1: one column each
    shifted = draws + 0.5
    shifted[:, 3] -= 1.0
    return shifted


def _erase(draws: Numbers) -> Numbers:
    drawn = draws + 0.0
    drawn[:, 0] = (drawn[:, 0] < 0.5) * 1.0
    return drawn


_APPLIED = ("applied",)
TRANSFORMS2D: dict[str, Law] = {
    law.name: law
    for law in (
        Law("translation", ("x, share of the room", "y, share of the room"), 2, _uniform(0, 1)),
        Law("rotation", ("angle, °",), 1, _uniform(0, 360)),
        Law("scale", ("factor",), 1, _uniform(0.4, 1)),
        Law("horizontal_flip", _APPLIED, 1, _half),
        Law("vertical_flip", _APPLIED, 1, _half),
        Law("blur", ("sigma, pixels of 32",), 1, _uniform(0.1, 1.5)),
        Law("sharpening", _APPLIED, 1, _half),
        Law("color_jitter", ("brightness", "contrast", "saturation", "hue"), 4, _jitter),
        Law("shear", ("along x, °", "along y, °"), 2, _uniform(-50, 50)),
        Law("hue", ("shift, of the circle",), 1, _uniform(-0.5, 0.5)),
        Law("brightness", ("factor",), 1, _uniform(0, 2)),
        Law("contrast", ("factor",), 1, _uniform(0, 2)),
        Law("grayscale", _APPLIED, 1, _half),
        Law("posterize", _APPLIED, 1, _half),
        Law("invert", _APPLIED, 1, _half),
        Law("noise", _APPLIED, 1, _half),
        Law("pixelate", _APPLIED, 1, _half),
        Law("elastic", _APPLIED, 1, _half),
        Law("erase", ("applied", "x, share of the room", "y, share of the room"), 3, _erase),
    )
}

#: The eight categories of the paper. Translation comes after what changes the object's box, so that
#: the object lies wholly inside the frame.
PAPER = (
    "rotation",
    "scale",
    "horizontal_flip",
    "vertical_flip",
    "translation",
    "blur",
    "sharpening",
    "color_jitter",
)
#: The 18 of the published code: geometric, photometric, corruptions.
PUBLISHED = (
    "scale", "vertical_flip", "horizontal_flip", "rotation", "shear", "translation",
    "hue", "brightness", "grayscale", "posterize", "invert", "sharpening",
    "blur", "noise", "pixelate", "elastic", "erase", "contrast",
)  # fmt: skip
_SETS = {"paper": PAPER, "published": PUBLISHED, "none": ()}


def transformation_list(text: str) -> tuple[str, ...]:
    """Categories in the order in which they are applied, from their spelling in a spec.

    Args:
        text: Names joined by ``+``; ``paper``, ``published`` and ``none`` stand for several.

    Raises:
        InputError: An unknown name, or one that comes twice.

    Example:
        >>> transformation_list("rotation+scale"), transformation_list("none")
        (('rotation', 'scale'), ())
        >>> transformation_list("rotate")
        Traceback (most recent call last):
        invariscope.errors.InputError: unknown Transforms-2D transformation 'rotate': did you ...
    """
    names = tuple(name for part in text.split("+") for name in _SETS.get(part, (part,)))
    for name in names:
        if name not in TRANSFORMS2D:
            known = [*TRANSFORMS2D, *_SETS]
            raise unknown_name("Transforms-2D transformation", name, known)
    if len(set(names)) < len(names):
        raise InputError(f"transformations={text}: a name comes twice; give each once")
    return names
