"""How a transformation of the image acts on what a layer says of it.

On a feature map acts the same motion, at the layer's own stride: the map is a coarser picture of
the same frame, its cells stride by stride apart, its centre that of the image. What leaves or
enters the frame follows the border of the transformation, with 0 as the fill. A motion that takes
the map's grid to itself moves cells along index paths and is exact; any other (a shift that is no
multiple of the stride, a turn that is no quarter turn) interpolates, and is flagged so. Changes of
pixel values (brightness, say) move nothing: they act as the identity. On vectors, which have no
places, every transformation acts as the identity.

Under ``border="valid"`` nothing is made up: `Action.inside` says which cells of the moved map come
wholly from inside the frame, and only these are to be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from invariscope.transformations import geometry
from invariscope.transformations.geometry import Resampling
from invariscope.transformations.transformation import Transformation


@dataclass(frozen=True)
class Action:
    """What a level of a transformation does to the maps of one layer.

    Args:
        forward: Motions [N or 1, 2, 3] in cells of the grid, or None for the identity.
        resampling: Interpolation and border.
        exact: Whether no cell is interpolated.
        permutes: Whether the moved map has the same cells, each in another place.
        inside: Under ``border="valid"``: bool [height, width], the cells that may be compared
            (in both directions, where one is drawn per image); else None, for all.

    Example:
        >>> import torch
        >>> from invariscope.transformations import get_group
        >>> maps = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> quarter = action_on(get_group("C4"), 1, (8, 8), (2, 2))
        >>> quarter(maps)[0, 0].tolist(), quarter.exact
        ([[1.0, 3.0], [0.0, 2.0]], True)
    """

    forward: np.ndarray | None
    resampling: Resampling
    exact: bool
    permutes: bool = True
    inside: Tensor | None = None

    def __call__(
        self, maps: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image channel height width"]:
        """T_g of the maps of the images for which the action was made."""
        if self.forward is None:
            return maps
        return geometry.warp(maps, self.forward, self.resampling)

    @property
    def drawn(self) -> bool:
        """Whether images move in directions of their own."""
        return self.forward is not None and len(self.forward) > 1

    @property
    def turn(self) -> float | None:
        """By how many degrees it turns all images, counter-clockwise; None if it does not.

        Shifts do not count.
        """
        if self.forward is None:
            return 0.0
        linear = self.forward[:, :, :2]
        alike = np.abs(linear - linear[:1]).max() < 1e-9
        orthogonal = np.abs(linear[0] @ linear[0].T - np.eye(2)).max() < 1e-9
        if not alike or not orthogonal or np.linalg.det(linear[0]) < 0:
            return None
        return float(np.rad2deg(np.arctan2(linear[0, 0, 1], linear[0, 0, 0])))

    def taken(self, images: slice | Sequence[int]) -> "Action":
        """The action on some of the images."""
        if self.forward is None or len(self.forward) == 1:
            return self
        return replace(self, forward=self.forward[images])


def action_on(
    transformation: Transformation | None,
    level: int,
    size: tuple[int, int],
    grid: tuple[int, int],
    *,
    seed: int = 0,
    image_ids: Sequence[str] | None = None,
) -> Action:
    """The action of a transformation on the maps of a layer.

    Args:
        transformation: What acts on the images; None is the identity.
        level: At which level.
        size: Height and width of the images.
        grid: Height and width of the maps.
        seed: The run's seed, where directions are drawn per image.
        image_ids: The ids of the images, where directions are drawn per image.
    """
    if transformation is None or grid == (1, 1) or transformation.is_identity(level):
        return Action(None, Resampling(), True)
    forward = transformation.motion(level, size, seed=seed, image_ids=image_ids)
    if forward is None:
        return Action(None, Resampling(), True)
    moved = geometry.at_grid(forward, size, grid)
    how = replace(transformation.resampling, fill=0.0, centre="centre")
    ways = geometry.at_grid(transformation.directions(level, size), size, grid)
    inside = geometry.coverage(ways, *grid).all(0)
    exact = geometry.is_exact(moved, *grid)
    permutes = exact and (how.border == "circular" or bool(inside.all()))
    return Action(moved, how, exact, permutes, inside if how.border == "valid" else None)
