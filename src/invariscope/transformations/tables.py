"""Lists the magnitudes: how far each family goes at each level.

- ``standard`` (default, ours): ten levels, monotone from the identity to as far as makes sense;
  where a family has two directions, the direction is drawn per image, seeded. Families without a
  magnitude (flips, autocontrast, equalize, invert) have the levels 0 and 1.
- ``paper``: the 13 families × 10 levels of paper 000 §3 with their irregular signs, as recovered
  from its public code. That code counts positive rotations clockwise; here they are
  counter-clockwise, so its angles appear with the opposite sign and the pictures are the same.
  Translations are fractions of the side (the paper: pixels of 224); level 9 moves the image out of
  the frame.
- ``search``: the operations of paper 000 §4 (AutoAugment's): per family the levels that occur in
  the pool, 63 pairs in all, with Pillow's grey fill of 128 and its shear about the corner.
  `SUB_POLICIES` lists the 49 pairs of operations.
- ``transforms2d``: the ranges from which Transforms-2D draws (paper 004; the published code where
  the paper is silent), each as a ladder from the identity to its end: what a network trained on
  those data has met. What is applied or not has the levels 0 and 1. Translations are those that the
  published code gives to whole images, 15 % of the side. Noise, pixels, elastic fields and erased
  squares belong to the data (`invariscope.data.transforms2d`), not to sweeps.
"""

from dataclasses import dataclass, field

import numpy as np

from invariscope.transformations.geometry import Resampling


@dataclass(frozen=True)
class Ladder:
    """The magnitudes of one family in a table, a ladder from the identity to its end.

    Args:
        magnitudes: One per level; the first is the identity.
        signed: Whether the direction is drawn per image.
        levels: The levels that the table measures besides 0 (all by default).
        resampling: Interpolation, fill and centre, where the table fixes them.
    """

    magnitudes: tuple[float, ...]
    signed: bool = False
    levels: tuple[int, ...] = field(default=())
    resampling: Resampling | None = None


def _steps(start: float, stop: float, count: int = 10) -> tuple[float, ...]:
    return tuple(float(round(value, 10)) for value in np.linspace(start, stop, count))


_APPLIED = Ladder((0.0, 1.0))

STANDARD: dict[str, Ladder] = {
    "shear_x": Ladder(_steps(0, 45), signed=True),
    "shear_y": Ladder(_steps(0, 45), signed=True),
    "rotate": Ladder(_steps(0, 180), signed=True),
    "translate_x": Ladder(_steps(0, 0.5), signed=True),
    "translate_y": Ladder(_steps(0, 0.5), signed=True),
    "zoom_in": Ladder(_steps(1, 3.5)),
    "zoom_out": Ladder(_steps(1, 0.28)),
    "brightness_up": Ladder(_steps(1, 2)),
    "brightness_down": Ladder(_steps(1, 0)),
    "contrast_up": Ladder(_steps(1, 2)),
    "contrast_down": Ladder(_steps(1, 0)),
    "posterize": Ladder((8.0, 7.0, 6.0, 6.0, 5.0, 4.0, 3.0, 3.0, 2.0, 1.0)),
    "solarize": Ladder(_steps(1, 0)),
    # Further families, measured when named.
    "contrast": Ladder(_steps(1, 2), signed=True),
    "saturation": Ladder(_steps(1, 2), signed=True),
    "sharpness": Ladder(_steps(1, 2), signed=True),
    "hue": Ladder(_steps(0, 0.5), signed=True),
    "rescale": Ladder(_steps(1, 3.5), signed=True),
    "blur": Ladder(_steps(0, 0.03)),
    "autocontrast": _APPLIED,
    "equalize": _APPLIED,
    "invert": _APPLIED,
    "flip_horizontal": _APPLIED,
    "flip_vertical": _APPLIED,
}

DEFAULT_FAMILIES = tuple(list(STANDARD)[:13])

_PAPER_SHEAR = (0, -17.8, 22.75, -35.6, 45.5, -53.4, 68.25, -71.2, -89, 91)
_PAPER_ROTATE = (0, 27, -45, 54, 81, -90, 108, 135, -135, -180)

PAPER: dict[str, Ladder] = {
    "shear_x": Ladder(tuple(map(float, _PAPER_SHEAR))),
    "shear_y": Ladder(tuple(map(float, _PAPER_SHEAR))),
    "rotate": Ladder(tuple(map(float, _PAPER_ROTATE))),
    "translate_x": Ladder(_steps(0, 1)),
    "translate_y": Ladder(_steps(0, 1)),
    "zoom_in": STANDARD["zoom_in"],
    "zoom_out": STANDARD["zoom_out"],
    "brightness_up": STANDARD["brightness_up"],
    "brightness_down": STANDARD["brightness_down"],
    "contrast_up": STANDARD["contrast_up"],
    "contrast_down": STANDARD["contrast_down"],
    "posterize": Ladder(tuple(map(float, (8, 7, 6, 5, 4, 4, 3, 2, 1, 0)))),
    "solarize": STANDARD["solarize"],
}

_GREY = 128 / 255
_PIL_SHEAR = Resampling("bicubic", fill=_GREY, centre="corner")
_PIL_MOVE = Resampling("nearest", fill=_GREY)
_SHEAR_DEGREES = tuple(float(np.rad2deg(np.arctan(lean))) for lean in np.linspace(0, 0.3, 10))
_SEARCH_MOVE = tuple(float(value) for value in np.linspace(0, 150 / 331, 10))
_SEARCH_FACTOR = tuple(1.0 + value for value in _steps(0, 0.9))
_ON = (0.0,) + (1.0,) * 9

SEARCH: dict[str, Ladder] = {
    "autocontrast": Ladder(_ON, levels=(1, 3, 5)),
    "saturation": Ladder(_SEARCH_FACTOR, signed=True, levels=(0, 2, 4, 8)),
    "contrast": Ladder(_SEARCH_FACTOR, signed=True, levels=(3, 8)),
    "equalize": Ladder(_ON, levels=(1, 2, 3, 4, 5, 7, 8, 9)),
    "invert": Ladder(_ON, levels=(3, 4, 5, 6, 8)),
    "posterize": Ladder(tuple(map(float, (8, 8, 7, 7, 6, 6, 5, 5, 4, 4))), levels=(5, 6, 7, 8)),
    "rescale": Ladder(
        (1.0, 0.85, 0.70, 0.55, 0.40, 0.25, 1.625, 2.25, 2.875, 3.5),
        levels=tuple(range(10)),
        resampling=Resampling("nearest"),
    ),
    "rotate": Ladder(_steps(0, 30), levels=(3, 4, 8, 9), resampling=_PIL_MOVE),
    "sharpness": Ladder(_SEARCH_FACTOR, signed=True, levels=(7,)),
    "shear_x": Ladder(_SHEAR_DEGREES, signed=True, levels=(2, 4, 5, 6, 9), resampling=_PIL_SHEAR),
    "shear_y": Ladder(_SHEAR_DEGREES, signed=True, levels=(4, 5, 6, 7, 8), resampling=_PIL_SHEAR),
    "solarize": Ladder(
        tuple(float(min(1.0, value / 255)) for value in np.linspace(256, 0, 10)),
        levels=(2, 3, 4, 5, 6, 7, 8),
    ),
    "translate_x": Ladder(_SEARCH_MOVE, signed=True, levels=(3,), resampling=_PIL_MOVE),
    "translate_y": Ladder(_SEARCH_MOVE, signed=True, levels=(2, 3, 6, 7), resampling=_PIL_MOVE),
}

TRANSFORMS2D: dict[str, Ladder] = {
    "translate_x": Ladder(_steps(0, 0.15), signed=True),
    "translate_y": Ladder(_steps(0, 0.15), signed=True),
    "rotate": STANDARD["rotate"],
    "zoom_out": Ladder(_steps(1, 0.4)),
    "flip_horizontal": _APPLIED,
    "flip_vertical": _APPLIED,
    "blur": Ladder(_steps(0, 1.5 / 32)),
    "sharpness": Ladder((1.0, 7.0)),
    "hue": STANDARD["hue"],
    "saturation": Ladder(_steps(1, 1.5), signed=True),
    "brightness_up": STANDARD["brightness_up"],
    "brightness_down": STANDARD["brightness_down"],
    "contrast": STANDARD["contrast"],
    "shear_x": Ladder(_steps(0, 50), signed=True),
    "shear_y": Ladder(_steps(0, 50), signed=True),
    "posterize": Ladder((8.0, 1.0)),
    "invert": _APPLIED,
}

TABLES: dict[str, dict[str, Ladder]] = {
    "standard": STANDARD,
    "paper": PAPER,
    "search": SEARCH,
    "transforms2d": TRANSFORMS2D,
}

#: A sub-policy is two (family, level) pairs of the search table, applied one after the other.
SubPolicy = tuple[tuple[str, int], tuple[str, int]]


def _policies(text: str) -> tuple[SubPolicy, ...]:
    unique: dict[SubPolicy, None] = {}
    for line in text.split("|"):
        first, first_level, second, second_level = line.split()
        unique[((first, int(first_level)), (second, int(second_level)))] = None
    return tuple(unique)


#: The 49 sub-policies: AutoAugment's for ImageNet (20 distinct) and SVHN (24), and 5 of rescales.
SUB_POLICIES = _policies(
    "posterize 8 rotate 9 | solarize 5 autocontrast 5 | equalize 8 equalize 3 |"
    "posterize 7 posterize 6 | equalize 7 solarize 4 | equalize 4 rotate 8 |"
    "solarize 3 equalize 7 | posterize 5 equalize 2 | rotate 3 solarize 8 |"
    "equalize 8 posterize 6 | rotate 8 saturation 0 | rotate 9 equalize 2 |"
    "equalize 7 equalize 8 | invert 4 equalize 8 | saturation 4 contrast 8 |"
    "rotate 8 saturation 2 | saturation 8 solarize 7 | sharpness 7 invert 8 |"
    "shear_x 5 equalize 9 | saturation 0 equalize 3 |"
    "shear_x 4 invert 3 | shear_y 8 invert 5 | equalize 5 solarize 6 | invert 3 equalize 3 |"
    "equalize 1 rotate 3 | shear_x 4 autocontrast 3 | shear_y 5 solarize 6 |"
    "invert 6 autocontrast 1 | equalize 3 rotate 3 | shear_x 4 solarize 3 |"
    "shear_y 8 invert 4 | equalize 5 translate_y 6 | invert 4 equalize 7 |"
    "contrast 3 rotate 4 | invert 5 translate_y 2 | shear_y 6 solarize 8 |"
    "invert 4 rotate 4 | shear_y 7 translate_x 3 | shear_x 6 invert 5 |"
    "solarize 2 translate_y 7 | shear_y 4 invert 8 | shear_x 9 translate_y 3 |"
    "shear_y 5 autocontrast 3 | shear_x 2 invert 5 |"
    "rescale 0 rescale 1 | rescale 2 rescale 3 | rescale 4 rescale 5 |"
    "rescale 6 rescale 7 | rescale 8 rescale 9"
)
