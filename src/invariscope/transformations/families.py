"""Defines the families of transformations: what each does to a batch at one magnitude.

A family knows its kind, the unit of its magnitude, the magnitude that is the identity, and which
magnitude is the opposite one (−m for an angle, 1/m for a scale, 2 − m for a factor about 1). How
far it goes at each level is a matter of the tables. All act on float images in [0, 1] before
normalisation; photometric operations are torchvision's, with Pillow's meaning of the magnitude.

Pictures have any number of bands. Motions act on all alike; brightness, sharpness, posterize,
solarize, autocontrast, equalize, invert and blur on each band as on a grey picture; contrast goes
to and from the mean luminance, which is the mean of all bands where there are not three. Saturation
and hue need red, green and blue (`Family.needs_colour`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.v2 import functional as photometric

from invariscope.errors import InputError
from invariscope.registry import Registry
from invariscope.transformations import geometry
from invariscope.transformations.geometry import Resampling
from invariscope.transformations.tables import Ladder

Kind = Literal["geometric", "appearance"]
Images = Float[Tensor, "image channel height width"]


@dataclass(frozen=True)
class Family:
    """One kind of change, at any magnitude.

    Args:
        name: The name in code, tables and on the command line.
        kind: "geometric" (moves pixels) or "appearance" (changes their values).
        unit: Unit of the magnitude: "°", "of the side", "×", "bits", "" …
        identity: The magnitude that changes nothing.
        operation: What is done; families with the same operation (zoom in and zoom out: scale)
            share cells of equal magnitude.
        matrices: For geometric families: (magnitudes [N], height, width) to forward matrices.
        change: For appearance families: (images, one magnitude) to images.
        drawn: For families of images by themselves, such as those that draw: (images, one
            magnitude, a seed for each image, the id of each) to images.
        opposite: The magnitude of the same strength in the other direction, or None if the family
            has one direction only.
        members: For groups: (key of the operation, text) of each element, by its number.
        needs_colour: Whether it has a meaning for three bands alone, red, green and blue.
        words: What it is called in a sentence; the name without underscores by default.
        unit_words: What its unit is, in words, where it is not among `UNITS`.
        standard: Its own magnitudes, where a table has none for it.
        motion: What it was seen to do to positions, where it does not say so by matrices.
        files: For families that look images up in files: a digest of those of some ids.
    """

    name: str
    kind: Kind
    unit: str
    identity: float
    operation: str
    matrices: Callable[[np.ndarray, int, int], np.ndarray] | None = None
    change: Callable[[Images, float], Images] | None = None
    drawn: Callable[[Images, float, Sequence[int], Sequence[str]], Images] | None = None
    opposite: Callable[[float], float] | None = None
    members: tuple[tuple[str, str], ...] = ()
    needs_colour: bool = False
    words: str = ""
    unit_words: str = ""
    standard: Ladder | None = None
    motion: str = ""
    files: Callable[[Sequence[str]], str] | None = None

    def as_dict(self) -> dict[str, str]:
        """Describes it for the manifest of a run: its words on pages, and its unit.

        Example:
            >>> FAMILIES.get("rotate").as_dict()
            {'words': 'rotation', 'kind': 'geometric', 'unit': '°', 'unit_words': 'degrees'}
        """
        return {
            "words": self.words or self.name.replace("_", " "),
            "kind": self.kind,
            "unit": self.unit,
            "unit_words": self.unit_words or UNITS.get(self.unit, self.unit),
            **({"motion": self.motion} if self.motion else {}),
        }

    def apply(
        self,
        images: Images,
        magnitudes: np.ndarray,
        resampling: Resampling,
        seeds: Sequence[int] = (),
        image_ids: Sequence[str] = (),
    ) -> Images:
        """Transforms each image at its own magnitude ([N], or [1] for one magnitude for all).

        Args:
            images: The images.
            magnitudes: In the family's unit.
            resampling: Interpolation, border, fill, centre.
            seeds: What each image draws from, of families that draw.
            image_ids: Likewise.
        """
        if self.matrices is not None:
            height, width = images.shape[-2:]
            return geometry.warp(images, self.matrices(magnitudes, height, width), resampling)
        if self.drawn is not None and len(seeds) != len(images):
            raise InputError(f"{self.name} draws for each image: it needs a seed for each")
        distinct = np.unique(magnitudes)
        if len(distinct) == 1:
            return self._changed(images, float(distinct[0]), seeds, image_ids)
        out = torch.empty_like(images)
        for magnitude in distinct:
            places = np.flatnonzero(magnitudes == magnitude)
            chosen, rows = torch.from_numpy(places).to(images.device), places.tolist()
            some = [seeds[row] for row in rows] if seeds else seeds
            ids = [image_ids[row] for row in rows] if image_ids else image_ids
            out[chosen] = self._changed(images[chosen], float(magnitude), some, ids)
        return out

    def _changed(
        self, images: Images, magnitude: float, seeds: Sequence[int], image_ids: Sequence[str]
    ) -> Images:
        if magnitude == self.identity:
            return images
        if self.drawn is not None:
            return self.drawn(images, magnitude, seeds, image_ids)
        assert self.change is not None, self.name
        return self.change(images, magnitude)


#: What the units of magnitudes are, in words.
UNITS = {
    "°": "degrees",
    "of the side": "per cent of the image’s side",
    "×": "factor",
    "bits": "bits per channel",
    "threshold": "threshold; pixels above it are inverted",
    "of the circle": "share of the colour circle",
    "element": "element of the group",
    "": "applied or not",
}

FAMILIES: Registry[Family] = Registry("transformation", "invariscope.transformations")


def appearance(
    name: str,
    *,
    unit: str = "",
    identity: float = 0.0,
    operation: str | None = None,
    opposite: Callable[[float], float] | None = None,
    needs_colour: bool = False,
    words: str = "",
    unit_words: str = "",
    magnitudes: Sequence[float] = (),
) -> Callable[[Callable[[Images, float], Images]], Callable[[Images, float], Images]]:
    """Registers a function (images in [0, 1], one magnitude) -> images as an appearance family.

    It is given pictures of any number of bands, unless it says that it needs colour. With
    magnitudes, one per level from the identity on, it can be swept by its name alone.

    Example:
        >>> @appearance("doc_darken", unit="×", identity=1.0)
        ... def darken(images, factor):
        ...     return images * factor
        >>> FAMILIES.get("doc_darken").unit
        '×'
    """

    def add(change: Callable[[Images, float], Images]) -> Callable[[Images, float], Images]:
        FAMILIES.add(
            name,
            Family(
                name, "appearance", unit, identity, operation or name, change=change,
                opposite=opposite, needs_colour=needs_colour, words=words,
                unit_words=unit_words, standard=_ladder(magnitudes),
            ),
        )  # fmt: skip
        return change

    return add


def geometric(
    name: str,
    *,
    unit: str,
    identity: float = 0.0,
    operation: str | None = None,
    opposite: Callable[[float], float] | None = None,
    words: str = "",
    unit_words: str = "",
    magnitudes: Sequence[float] = (),
) -> Callable[..., Callable[[np.ndarray, int, int], np.ndarray]]:
    """Registers a function (magnitudes [N], height, width) -> forward matrices [N, 2, 3]."""

    def add(
        matrices: Callable[[np.ndarray, int, int], np.ndarray],
    ) -> Callable[[np.ndarray, int, int], np.ndarray]:
        FAMILIES.add(
            name,
            Family(
                name, "geometric", unit, identity, operation or name, matrices=matrices,
                opposite=opposite, words=words, unit_words=unit_words,
                standard=_ladder(magnitudes),
            ),
        )  # fmt: skip
        return matrices

    return add


def _ladder(magnitudes: Sequence[float]) -> Ladder | None:
    return Ladder(tuple(float(magnitude) for magnitude in magnitudes)) if magnitudes else None


def _negative(magnitude: float) -> float:
    return -magnitude


def _mirrored_about_one(magnitude: float) -> float:
    return 2.0 - magnitude


def _reciprocal(magnitude: float) -> float:
    return 1.0 / magnitude


@geometric("rotate", unit="°", opposite=_negative, words="rotation")
def _rotate(degrees: np.ndarray, height: int, width: int) -> np.ndarray:
    return geometry.rotation(degrees)


@geometric("shear_x", unit="°", opposite=_negative, words="horizontal shear")
def _shear_x(degrees: np.ndarray, height: int, width: int) -> np.ndarray:
    return geometry.shear_x(degrees)


@geometric("shear_y", unit="°", opposite=_negative, words="vertical shear")
def _shear_y(degrees: np.ndarray, height: int, width: int) -> np.ndarray:
    return geometry.shear_y(degrees)


@geometric("translate_x", unit="of the side", opposite=_negative, words="horizontal shift")
def _translate_x(fraction: np.ndarray, height: int, width: int) -> np.ndarray:
    return geometry.translation(_pixels(fraction, width), np.zeros(len(fraction)))


@geometric("translate_y", unit="of the side", opposite=_negative, words="vertical shift")
def _translate_y(fraction: np.ndarray, height: int, width: int) -> np.ndarray:
    return geometry.translation(np.zeros(len(fraction)), _pixels(fraction, height))


def _pixels(fraction: np.ndarray, side: int) -> np.ndarray:
    """Fractions of the side as pixels; what is a whole number but for rounding is made one."""
    pixels = np.asarray(fraction, dtype=np.float64) * side
    return np.where(np.abs(pixels - np.round(pixels)) < 1e-9, np.round(pixels), pixels)


@geometric("zoom_in", unit="×", identity=1.0, operation="scale", words="zooming in")
@geometric("zoom_out", unit="×", identity=1.0, operation="scale", words="zooming out")
@geometric(
    "rescale", unit="×", identity=1.0, operation="scale", opposite=_reciprocal, words="rescaling"
)
def _scale(factor: np.ndarray, height: int, width: int) -> np.ndarray:
    return geometry.scaling(factor)


@geometric("flip_horizontal", unit="", operation="flip_horizontal", words="horizontal flip")
def _flip_horizontal(applied: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.where(applied[:, None, None] > 0, geometry.reflection(True), _still(len(applied)))


@geometric("flip_vertical", unit="", operation="flip_vertical", words="vertical flip")
def _flip_vertical(applied: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.where(applied[:, None, None] > 0, geometry.reflection(False), _still(len(applied)))


def _still(count: int) -> np.ndarray:
    return geometry.translation(np.zeros(count), np.zeros(count))


def _band_by_band(change: Callable[[Images], Images], images: Images) -> Images:
    """A change of torchvision's, which takes pictures of one band or three."""
    if images.shape[1] in (1, 3):
        return change(images)
    return change(images.flatten(0, 1)[:, None]).view_as(images)


@appearance("brightness_up", unit="×", identity=1.0, operation="brightness", words="brightening")
@appearance("brightness_down", unit="×", identity=1.0, operation="brightness", words="darkening")
def _brightness(images: Images, factor: float) -> Images:
    return _band_by_band(lambda x: photometric.adjust_brightness(x, factor), images)


@appearance("contrast_up", unit="×", identity=1.0, operation="contrast", words="more contrast")
@appearance("contrast_down", unit="×", identity=1.0, operation="contrast", words="less contrast")
@appearance("contrast", unit="×", identity=1.0, operation="contrast", opposite=_mirrored_about_one)
def _contrast(images: Images, factor: float) -> Images:
    if images.shape[1] in (1, 3):
        return photometric.adjust_contrast(images, factor)
    mean = images.mean((1, 2, 3), keepdim=True)
    return (factor * images + (1 - factor) * mean).clamp_(0, 1)


@appearance(
    "saturation",
    unit="×",
    identity=1.0,
    opposite=_mirrored_about_one,
    needs_colour=True,
    words="changed saturation",
)
def _saturation(images: Images, factor: float) -> Images:
    return photometric.adjust_saturation(images, factor)


@appearance(
    "sharpness", unit="×", identity=1.0, opposite=_mirrored_about_one, words="changed sharpness"
)
def _sharpness(images: Images, factor: float) -> Images:
    return _band_by_band(lambda x: photometric.adjust_sharpness(x, factor), images)


@appearance("hue", unit="of the circle", opposite=_negative, needs_colour=True, words="changed hue")
def _hue(images: Images, shift: float) -> Images:
    return photometric.adjust_hue(images, shift)


@appearance("posterize", unit="bits", identity=8.0, words="posterizing")
def _posterize(images: Images, bits: float) -> Images:
    """Keeps the upper ``bits`` bits of the 8-bit value, as Pillow does; 0 bits is black."""
    step = 2.0 ** (8 - bits)
    return torch.floor(torch.round(images * 255) / step) * (step / 255)


@appearance("solarize", unit="threshold", identity=1.0, words="solarizing")
def _solarize(images: Images, threshold: float) -> Images:
    """Inverts the values from the threshold on; one that differs by rounding only is on it."""
    return torch.where(images >= threshold - 1e-6, 1 - images, images)


@appearance("autocontrast", words="automatic contrast")
def _autocontrast(images: Images, applied: float) -> Images:
    return _band_by_band(photometric.autocontrast, images)


@appearance("equalize", words="histogram equalization")
def _equalize(images: Images, applied: float) -> Images:
    return _band_by_band(photometric.equalize, images)


@appearance("invert", words="colour inversion")
def _invert(images: Images, applied: float) -> Images:
    return 1.0 - images


@appearance("blur", unit="of the side")
def _blur(images: Images, fraction: float) -> Images:
    """Gaussian blur whose sigma is a fraction of the shorter side."""
    side = min(images.shape[-2:])
    sigma = fraction * side
    radius = min(max(1, int(np.ceil(3 * sigma))), side - 1)
    return photometric.gaussian_blur(images, [2 * radius + 1] * 2, [sigma, sigma])
