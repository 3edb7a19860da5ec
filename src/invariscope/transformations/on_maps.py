"""Acts on feature maps as a transformation acts on the image.

On a feature map acts the same motion, at the layer's own stride: the map is a coarser picture of
the same frame, its cells stride by stride apart, its centre that of the image. What leaves or
enters the frame follows the border of the transformation, with 0 as the fill. A motion that takes
the map's grid to itself moves cells without a change and is exact; any other (a shift that is no
multiple of the stride, a turn that is no quarter turn) interpolates, and is flagged so. Changes of
pixel values (brightness, say) move nothing: they act as the identity. On vectors, which have no
places, every transformation acts as the identity.

Under ``border="valid"`` nothing is made up: `Action.inside` says which cells of the moved map come
wholly from inside the frame, and only these are to be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from torch import Tensor

from invariscope.transformations import geometry
from invariscope.transformations.geometry import Resampling
from invariscope.transformations.taps import Moves, Taps, taps_of
from invariscope.transformations.transformation import Transformation

#: Bilinear, with 0 from outside the frame.
PLAIN = Resampling()


@dataclass(frozen=True)
class Action:
    """The effect of one level of a transformation on the maps of one layer.

    Args:
        forward: Motions [N or 1, 2, 3] in cells of the grid, or None for the identity.
        grid: Height and width of the maps.
        resampling: Interpolation and border; the fill is 0.
        exact: Whether no cell is interpolated.
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
    grid: tuple[int, int]
    resampling: Resampling = PLAIN
    exact: bool = True
    inside: Tensor | None = None

    def __call__(
        self, maps: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image channel height width"]:
        """Applies T_g to the maps of the images for which the action was made."""
        if self.forward is None:
            return maps
        return moves_of([self], range(len(maps)), maps)(maps, 0, len(maps))

    @cached_property
    def taps(self) -> tuple[list[Taps], list[int]]:
        """The taps of each distinct motion, and which of them is that of each image."""
        assert self.forward is not None
        flat = self.forward.reshape(len(self.forward), 6)
        rows, members = np.unique(flat, axis=0, return_inverse=True)
        taps = [taps_of(row.reshape(2, 3), *self.grid, self.resampling) for row in rows]
        return taps, members.reshape(-1).tolist()

    @property
    def drawn(self) -> bool:
        """Says whether images move in directions of their own."""
        return self.forward is not None and len(self.forward) > 1

    @property
    def turn(self) -> float | None:
        """The angle by which it turns all images, counter-clockwise; None if it does not.

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


def moves_of(actions: Sequence[Action], sources: Sequence[int], maps: Tensor) -> Moves:
    """Motions of maps under one action after the other, on one grid.

    Args:
        actions: One or more, of which none is the identity.
        sources: Which map is moved as the first image is, the second one, ….
        maps: Those that are moved; only their dtype and device count.
    """
    taps: list[Taps] = []
    motions: list[int] = []
    for action in actions:
        own, members = action.taps
        motions += [
            len(taps) + members[image if len(members) > 1 else 0] for image in range(len(sources))
        ]
        taps += own
    return Moves(taps, motions, [*sources] * len(actions), actions[0].grid, maps)


def action_on(
    transformation: Transformation | None,
    level: int,
    size: tuple[int, int],
    grid: tuple[int, int],
    *,
    seed: int = 0,
    image_ids: Sequence[str] | None = None,
    there_and_back: bool = False,
) -> Action:
    """Returns the action of a transformation on the maps of a layer.

    Args:
        transformation: What acts on the images; None is the identity.
        level: At which level.
        size: Height and width of the images.
        grid: Height and width of the maps.
        seed: The run's seed, where directions are drawn per image.
        image_ids: The ids of the images, where directions are drawn per image.
        there_and_back: The motion is undone again, T⁻¹T: maps stay. Under ``border="valid"`` the
            cells count that are read from inside the frame both times.
    """
    if transformation is None or grid == (1, 1) or transformation.is_identity(level):
        return Action(None, grid)
    forward = transformation.motion(level, size, seed=seed, image_ids=image_ids)
    if forward is None:
        return Action(None, grid)
    moved = geometry.at_grid(forward, size, grid)
    how = replace(transformation.resampling, fill=0.0, centre="centre")
    inside = None
    if how.border == "valid":
        ways = geometry.at_grid(transformation.directions(level, size), size, grid)
        there = geometry.coverage(ways, *grid)
        inside = _back(there, ways, grid, how) if there_and_back else there.all(0)
    if there_and_back:
        return Action(None, grid, inside=inside)
    return Action(moved, grid, how, geometry.is_exact(moved, *grid), inside)


def _back(there: Tensor, ways: np.ndarray, grid: tuple[int, int], how: Resampling) -> Tensor:
    """The cells [height, width] that T⁻¹ reads from inside the frame, and T what is read there."""
    returns = geometry.inverse(ways)
    inside = geometry.coverage(returns, *grid).all(0).flatten()
    for arrived, motion in zip(there.flatten(1).numpy(), returns, strict=True):
        taps = taps_of(motion, *grid, how)
        readers = np.repeat(np.arange(len(inside)), np.diff(taps.starts, append=len(taps.cells)))
        inside[readers[~arrived[taps.cells]]] = False
    return inside.view(grid)
