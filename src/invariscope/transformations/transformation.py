"""Joins a family with its levels into a transformation that acts on a batch.

What happens to an image depends on (seed, image id, transformation, level) and on nothing else: not
on the batch it comes in, its place in it, or how often the transformation was called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.seeding import hashed, signs
from invariscope.transformations import geometry
from invariscope.transformations.families import Family, Kind
from invariscope.transformations.geometry import Resampling

Images = Float[Tensor, "image channel height width"]

IDENTITY = "identity"


@dataclass(frozen=True)
class Transformation:
    """A named family of transformations with its levels.

    Args:
        family: What is done.
        magnitudes: One per level, in the family's unit; level 0 is the identity.
        signed: Whether the direction is drawn per image (seeded by run seed and image id; one
            direction per image for all levels).
        levels: The levels that a sweep measures.
        resampling: Interpolation, border, fill, centre.

    Example:
        >>> import torch
        >>> from invariscope.transformations import get_transformation
        >>> rotate = get_transformation("rotate")
        >>> rotate.describe(2), rotate.operation(2)
        ('±40°', 'rotate=±40')
        >>> x = torch.rand(2, 3, 8, 8)
        >>> rotate(x, level=0) is x
        True
        >>> rotate(x, level=2, seed=0, image_ids=["a", "b"]).shape
        torch.Size([2, 3, 8, 8])
    """

    family: Family
    magnitudes: tuple[float, ...]
    signed: bool
    levels: tuple[int, ...]
    resampling: Resampling

    def __post_init__(self):
        if not self.magnitudes or self.magnitudes[0] != self.family.identity:
            raise InputError(
                f"{self.name}: level 0 must be the identity ({self.family.identity:g} "
                f"{self.unit}), not {self.magnitudes[:1]}"
            )
        if self.signed and self.family.opposite is None:
            raise InputError(f"{self.name} has one direction only and cannot be signed")

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name

    @property
    def kind(self) -> Kind:
        """The kind of change: "geometric" (of positions) or "appearance" (of values)."""
        return self.family.kind

    @property
    def needs_colour(self) -> bool:
        """Says whether it has a meaning for red, green and blue alone."""
        return self.family.needs_colour

    @property
    def unit(self) -> str:
        """The unit of the magnitudes."""
        return self.family.unit

    def is_identity(self, level: int) -> bool:
        """Tells whether this level changes nothing."""
        return self.magnitudes[self._checked(level)] == self.family.identity

    def describe(self, level: int) -> str:
        """Returns the magnitude with sign and unit, as shown to people."""
        magnitude = self.magnitudes[self._checked(level)]
        if self.family.members:
            return self.family.members[int(magnitude)][1]
        if self.unit == "" and set(self.magnitudes) <= {0.0, 1.0}:
            return "off" if self.is_identity(level) else "on"
        sign = "±" if self.signed and not self.is_identity(level) else ""
        if sign and self.family.opposite is not None and self.family.identity == 1.0:
            sign = "×÷ " if self.family.operation == "scale" else "1 ± "
            shown = magnitude if self.family.operation == "scale" else magnitude - 1
            return f"{sign}{shown:.3g}"
        if self.unit == "of the side":
            return f"{sign}{100 * magnitude:.3g} % of the side"
        glue = "" if self.unit in ("°", "×") else " "
        unit = "bit" if self.unit == "bits" and magnitude == 1 else self.unit
        return f"{sign}{magnitude:.3g}{glue}{unit}".strip()

    def operation(self, level: int) -> str:
        """Returns the operation as a key: equal keys are one cell of a sweep."""
        magnitude = self.magnitudes[self._checked(level)]
        if magnitude == self.family.identity:
            return IDENTITY
        how = self.resampling
        plain = self.kind == "appearance" or how == Resampling()
        suffix = (
            "" if plain else f" ({how.interpolation}, {how.border}, {how.fill:.3g}, {how.centre})"
        )
        if self.family.members:
            return self.family.members[int(magnitude)][0] + suffix
        if self.signed:  # the direction is drawn by the family's name
            return f"{self.name}=±{magnitude:.6g}{suffix}"
        return f"{self.family.operation}={magnitude:.6g}{suffix}"

    def drawn(self, level: int, seed: int, image_ids: Sequence[str] | None) -> np.ndarray:
        """Draws the magnitude of each image [N], or returns that of all [1] if nothing is drawn."""
        magnitude = self.magnitudes[self._checked(level)]
        opposite = self.family.opposite
        if not self.signed or magnitude == self.family.identity or opposite is None:
            return np.array([magnitude])
        if image_ids is None:
            raise InputError(
                f"{self.name} draws its direction per image: pass image_ids (one string per image)"
            )
        drawn = signs(seed, f"sign:{self.name}", image_ids)
        return np.where(drawn > 0, magnitude, opposite(magnitude))

    def seeds(self, seed: int, image_ids: Sequence[str]) -> list[int]:
        """Gives each image the number it draws from; none where nothing but a sign is drawn."""
        if self.family.drawn is None:
            return []
        return [hashed(seed, f"drawn:{self.name}", image) for image in image_ids]

    def __call__(
        self,
        images: Images,
        level: int,
        *,
        seed: int = 0,
        image_ids: Sequence[str] | None = None,
    ) -> Images:
        """Transforms a batch.

        Args:
            images: Float images in [0, 1].
            level: 0 returns ``images`` itself.
            seed: The run's seed.
            image_ids: One id per image; needed where directions are drawn.

        Returns:
            Images of the same shape, dtype and device.
        """
        if self.is_identity(level):
            return images
        if image_ids is not None and len(image_ids) != len(images):
            raise InputError(f"{len(image_ids)} image_ids for {len(images)} images")
        if self.family.drawn is not None and image_ids is None:
            raise InputError(
                f"{self.name} draws for each image: pass image_ids (one string per image)"
            )
        seeds = self.seeds(seed, image_ids or ())
        drawn = self.drawn(level, seed, image_ids)
        return self.family.apply(images, drawn, self.resampling, seeds, image_ids or ())

    def there_and_back(
        self,
        images: Images,
        level: int,
        *,
        seed: int = 0,
        image_ids: Sequence[str] | None = None,
    ) -> Images:
        """Computes T⁻¹(T(images)), the interpolation floor: the cost of resampling and frame alone.

        Only geometric transformations have one.
        """
        forward = self.motion(level, images.shape[-2:], seed=seed, image_ids=image_ids)
        if forward is None:
            raise InputError(f"{self.name} moves no pixels, so it has no interpolation floor")
        about_centre = replace(self.resampling, centre="centre")
        moved = geometry.warp(images, forward, about_centre)
        return geometry.warp(moved, geometry.inverse(forward), about_centre)

    def motion(
        self,
        level: int,
        size: Sequence[int],
        *,
        seed: int = 0,
        image_ids: Sequence[str] | None = None,
    ) -> np.ndarray | None:
        """Returns forward matrices [N or 1, 2, 3] of a frame (height, width), or None."""
        if self.family.matrices is None:
            return None
        return self._matrices(self.drawn(level, seed, image_ids), size)

    def directions(self, level: int, size: Sequence[int]) -> np.ndarray:
        """Returns forward matrices [1 or 2, 2, 3] of every direction that an image may draw."""
        magnitude = self.magnitudes[self._checked(level)]
        magnitudes = [magnitude]
        if self.signed and self.family.opposite is not None:
            magnitudes.append(self.family.opposite(magnitude))
        return self._matrices(np.array(magnitudes), size)

    def _matrices(self, magnitudes: np.ndarray, size: Sequence[int]) -> np.ndarray:
        assert self.family.matrices is not None, self.name
        height, width = size
        forward = self.family.matrices(magnitudes, height, width)
        if self.resampling.centre == "corner":
            forward = geometry.about_corner(forward, height, width)
        return forward

    def _checked(self, level: int) -> int:
        if not 0 <= level < len(self.magnitudes):
            raise InputError(
                f"{self.name} has the levels 0 to {len(self.magnitudes) - 1}, not {level}"
            )
        return level


def from_function(
    name: str,
    function: Callable[[Tensor, float], Tensor],
    magnitudes: Sequence[float],
    *,
    unit: str = "",
) -> Transformation:
    """Makes a transformation from a function (images in [0, 1], magnitude) -> images.

    Args:
        name: Its name in the tables.
        function: Acts on a batch [N, 3, H, W] at one magnitude.
        magnitudes: One per level; the first is taken as the identity and never computed.
        unit: Unit of the magnitudes.

    Example:
        >>> import torch
        >>> darken = from_function("darken", lambda x, f: x * f, (1.0, 0.5), unit="×")
        >>> darken(torch.ones(1, 3, 2, 2), level=1)[0, 0].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    values = tuple(map(float, magnitudes))
    if not values:
        raise InputError(f"{name}: give at least one magnitude, the identity")
    return of_magnitudes(Family(name, "appearance", unit, values[0], name, change=function), values)


def of_magnitudes(family: Family, magnitudes: tuple[float, ...]) -> Transformation:
    """Makes a transformation whose levels are these magnitudes, the identity first."""
    return Transformation(family, magnitudes, False, tuple(range(len(magnitudes))), Resampling())
