"""Moves the pixels of a batch of images: the geometric core of every measurement.

Conventions, tested against Pillow and SciPy:

- Coordinates are pixels counted from the centre of the image, x to the right and y *down*. The
  centre of an image of width W lies at ((W - 1) / 2), between two pixels when W is even.
- A motion is a 2 × 3 matrix that takes a point of the input to a point of the output (the *forward*
  map). A positive rotation is counter-clockwise as seen on the screen, a positive shift goes right
  (x) or down (y), a positive shear leans the picture like italics (its top moves right; for
  ``shear_y`` its right side moves up), a scale above 1 enlarges.
- Motions that take the pixel grid to itself (quarter turns of a square, half turns, flips, integer
  shifts) are done by exact index paths: no interpolation, bit-exact. All others sample bilinearly
  (or nearest, or bicubic), without low-pass filtering before a reduction, as the papers do.
- What comes from outside the frame is ``fill`` (0, black) under ``border="zeros"``; the picture
  goes on mirrored at its edge under ``"reflect"`` and repeats under ``"circular"``. Under
  ``"valid"`` it is ``fill`` as well, and `coverage` says which pixels may be compared.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from invariscope.errors import InputError

BORDERS = ("zeros", "reflect", "circular", "valid")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
CENTRES = ("centre", "corner")


@dataclass(frozen=True)
class Resampling:
    """The way a motion reads between and beyond pixels.

    Args:
        interpolation: "nearest", "bilinear" or "bicubic"; exact motions ignore it.
        border: What lies outside the frame: "zeros" (``fill``), "reflect", "circular" or "valid".
        fill: The value outside the frame, in [0, 1]; 0 is black.
        centre: "centre", or "corner" for Pillow's shear about the top-left corner.
    """

    interpolation: str = "bilinear"
    border: str = "zeros"
    fill: float = 0.0
    centre: str = "centre"

    def __post_init__(self):
        for name, known in (
            ("interpolation", INTERPOLATIONS),
            ("border", BORDERS),
            ("centre", CENTRES),
        ):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        if not 0.0 <= self.fill <= 1.0:
            raise InputError(f"fill must lie in [0, 1], not {self.fill!r}")


def rotation(degrees: np.ndarray) -> np.ndarray:
    """Returns forward matrices [N, 2, 3] that turn counter-clockwise; multiples of 90° are exact.

    Example:
        >>> rotation(np.array([90.0]))[0].tolist()
        [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    degrees = np.asarray(degrees, dtype=np.float64)
    quarter = np.mod(degrees, 360.0) / 90.0
    exact = quarter == np.round(quarter)
    turn = np.round(quarter).astype(int) % 4
    cos = np.where(exact, np.array([1.0, 0.0, -1.0, 0.0])[turn], np.cos(np.deg2rad(degrees)))
    sin = np.where(exact, np.array([0.0, 1.0, 0.0, -1.0])[turn], np.sin(np.deg2rad(degrees)))
    return _matrices(cos, sin, -sin, cos)


def shear_x(degrees: np.ndarray) -> np.ndarray:
    """Makes forward matrices [N, 2, 3]: the top moves right by tan(degrees) per pixel of height."""
    lean = np.tan(np.deg2rad(np.asarray(degrees, dtype=np.float64)))
    return _matrices(np.ones_like(lean), -lean, np.zeros_like(lean), np.ones_like(lean))


def shear_y(degrees: np.ndarray) -> np.ndarray:
    """Makes forward matrices [N, 2, 3]: the right side moves up by tan(degrees) per pixel."""
    lean = np.tan(np.deg2rad(np.asarray(degrees, dtype=np.float64)))
    return _matrices(np.ones_like(lean), np.zeros_like(lean), -lean, np.ones_like(lean))


def scaling(factor: np.ndarray) -> np.ndarray:
    """Returns forward matrices [N, 2, 3] that enlarge by ``factor`` about the centre."""
    factor = np.asarray(factor, dtype=np.float64)
    zero = np.zeros_like(factor)
    return _matrices(factor, zero, zero, factor)


def translation(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Returns forward matrices [N, 2, 3] that shift by pixels."""
    unit, zero = np.ones_like(right, dtype=np.float64), np.zeros_like(right, dtype=np.float64)
    matrices = _matrices(unit, zero, zero, unit)
    matrices[:, 0, 2], matrices[:, 1, 2] = right, down
    return matrices


def reflection(horizontal: bool) -> np.ndarray:
    """Returns the forward matrix [1, 2, 3] of a left-right (horizontal) or top-bottom flip."""
    x = np.array([-1.0 if horizontal else 1.0])
    return _matrices(x, 0 * x, 0 * x, -x)


def _matrices(xx: np.ndarray, xy: np.ndarray, yx: np.ndarray, yy: np.ndarray) -> np.ndarray:
    zero = np.zeros_like(xx)
    return np.stack([np.stack([xx, xy, zero], -1), np.stack([yx, yy, zero], -1)], -2)


def inverse(matrices: np.ndarray) -> np.ndarray:
    """Returns the motions [N, 2, 3] that undo these."""
    linear = np.linalg.inv(matrices[:, :, :2])
    exact = np.abs(np.abs(matrices[:, :, :2]).sum(-1) - 1).max((-1,)) == 0
    whole = exact & (matrices[:, :, :2] == np.round(matrices[:, :, :2])).all((-1, -2))
    linear[whole] = np.round(linear[whole])  # the solver may leave dust on exact motions
    shift = -np.einsum("nij,nj->ni", linear, matrices[:, :, 2])
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def at_grid(forward: np.ndarray, image: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Returns the same motions on a grid that covers the image's frame, such as a feature map.

    The matrices are conjugated by diag(w / W, h / H), so that a cell of the map moves as its place
    in the image does: shifts scale with the grid. Turns, flips and scales do not change, where
    image and grid have the same aspect; where they have not, cells are not square, and a turn of
    the image is a turn with a shear of the grid. The centre stays the centre: a layer whose cells
    do not lie evenly about the image's centre (strided convolutions of even sides) is moved about a
    point that is a fraction of a cell off.

    Args:
        forward: [N, 2, 3], in pixels of the image from its centre.
        image: (height, width) of the image.
        grid: (height, width) of the map.

    Returns:
        [N, 2, 3], in cells of the map from its centre. Shifts that are whole but for rounding are
        whole, so that they take the exact path.

    Example:
        >>> shift = translation(np.array([8.0]), np.array([4.0]))
        >>> at_grid(shift, image=(32, 32), grid=(8, 8))[0, :, 2].tolist()
        [2.0, 1.0]
    """
    (height, width), (rows, columns) = image, grid
    scaled = np.array(forward, dtype=np.float64)
    # Products first: one rounding each, and a ratio of exactly 1 where the aspects agree.
    scaled[:, 0, 1] *= (columns * height) / (width * rows)
    scaled[:, 1, 0] *= (rows * width) / (height * columns)
    scaled[:, 0, 2] = scaled[:, 0, 2] * columns / width
    scaled[:, 1, 2] = scaled[:, 1, 2] * rows / height
    whole = np.round(scaled[:, :, 2])
    near = np.abs(scaled[:, :, 2] - whole) < 1e-9
    scaled[:, :, 2] = np.where(near, whole, scaled[:, :, 2])
    return scaled + 0.0  # no negative zeros


def is_exact(forward: np.ndarray, height: int, width: int) -> bool:
    """Tells whether these motions take the grid to itself, so that nothing is interpolated."""
    distinct = np.unique(inverse(forward).reshape(len(forward), 6), axis=0)
    return all(_index_path(row.reshape(2, 3), height, width) is not None for row in distinct)


def about_corner(matrices: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns the same motions with the picture's top-left corner as fixed point, as in Pillow."""
    corner = np.array([-width / 2, -height / 2])
    moved = matrices.copy()
    moved[:, :, 2] += corner - matrices[:, :, :2] @ corner
    return moved


def warp(
    images: Float[Tensor, "image channel height width"],
    forward: np.ndarray,
    resampling: Resampling = Resampling(),
) -> Float[Tensor, "image channel height width"]:
    """Moves each image by its forward matrix.

    Args:
        images: Any float images or feature maps, any device.
        forward: [N, 2, 3] or [1, 2, 3] (one motion for all), in pixels from the centre.
        resampling: Interpolation, border and fill.

    Returns:
        The moved images, of the same shape, dtype and device.

    Example:
        >>> x = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> warp(x, rotation(np.array([90.0])))[0, 0].tolist()  # the right column comes to the top
        [[1.0, 3.0], [0.0, 2.0]]
    """
    count, _, height, width = images.shape
    if forward.shape[1:] != (2, 3) or forward.shape[0] not in (1, count):
        raise InputError(
            f"forward has shape {forward.shape}: it must be [{count}, 2, 3] or [1, 2, 3] "
            f"for images of shape {tuple(images.shape)}"
        )
    if resampling.centre == "corner":
        forward = about_corner(forward, height, width)
    back = inverse(forward)
    distinct, member = np.unique(back.reshape(len(back), 6), axis=0, return_inverse=True)
    exact = [_index_path(row.reshape(2, 3), height, width) for row in distinct]
    if len(distinct) == 1 and exact[0] is not None:
        return _take(images, exact[0], resampling)
    if all(path is None for path in exact):
        return _sample(images, back, resampling)
    member = np.broadcast_to(member.reshape(-1), (count,))
    out = torch.empty_like(images)
    for number, path in enumerate(exact):
        chosen = torch.from_numpy(np.flatnonzero(member == number)).to(images.device)
        part = images[chosen]
        matrix = distinct[number].reshape(1, 2, 3)
        moved = _sample(part, matrix, resampling) if path is None else _take(part, path, resampling)
        out[chosen] = moved
    return out


def coverage(forward: np.ndarray, height: int, width: int) -> Bool[Tensor, "image height width"]:
    """Finds the output pixels that come wholly from inside the frame (for ``border="valid"``).

    Example:
        >>> coverage(translation(np.array([1.0]), np.array([0.0])), 2, 3)[0].tolist()
        [[False, True, True], [False, True, True]]
    """
    back = inverse(forward)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    centred = np.stack([x - (width - 1) / 2, y - (height - 1) / 2, np.ones_like(x)])
    source = np.einsum("nij,jhw->nihw", back, centred)
    half = np.array([(width - 1) / 2, (height - 1) / 2])[None, :, None, None]
    return torch.from_numpy((np.abs(source) <= half + 1e-9).all(axis=1))


@dataclass(frozen=True)
class _IndexPath:
    """An exact motion: output row r reads source row ``rows[r]`` (after a transposition)."""

    rows: np.ndarray
    columns: np.ndarray
    transposed: bool


def _index_path(back: np.ndarray, height: int, width: int) -> _IndexPath | None:
    """Source indices of an exact motion, or None if this one needs interpolation."""
    linear = back[:, :2]
    signed_permutation = (
        np.isin(linear, (-1.0, 0.0, 1.0)).all() and (np.abs(linear).sum(0) == 1).all()
    )
    if not signed_permutation:
        return None
    transposed = linear[0, 0] == 0
    x = np.arange(width) - (width - 1) / 2
    y = np.arange(height) - (height - 1) / 2
    source_x = (linear[0, 1] * y if transposed else linear[0, 0] * x) + back[0, 2] + (width - 1) / 2
    source_y = (
        (linear[1, 0] * x if transposed else linear[1, 1] * y) + back[1, 2] + (height - 1) / 2
    )
    if np.abs(source_x - np.round(source_x)).max() > 1e-9:
        return None
    if np.abs(source_y - np.round(source_y)).max() > 1e-9:
        return None
    return _IndexPath(
        np.round(source_y).astype(np.int64), np.round(source_x).astype(np.int64), bool(transposed)
    )


def _take(images: Tensor, path: _IndexPath, resampling: Resampling) -> Tensor:
    """One gather over positions; the memory format, channels first or last, stays."""
    height, width = images.shape[-2:]
    rows, inside_rows = fold(path.rows, height, resampling.border)
    columns, inside_columns = fold(path.columns, width, resampling.border)
    source = rows[:, None] * width + columns[None, :]
    inside = np.logical_and(inside_rows[:, None], inside_columns[None, :])
    if path.transposed:
        source, inside = source.T, inside.T
    device, (moved_height, moved_width) = images.device, source.shape
    index = torch.from_numpy(np.ascontiguousarray(source).reshape(-1)).to(device)
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        last = images.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, index)
        out = last.unflatten(1, (moved_height, moved_width)).permute(0, 3, 1, 2)
    else:
        out = images.flatten(2).index_select(2, index).unflatten(2, (moved_height, moved_width))
    if not inside.all():
        mask = torch.from_numpy(np.ascontiguousarray(inside)).to(device)
        out = torch.where(mask, out, out.new_full((), resampling.fill))
    return out


def fold(index: np.ndarray, size: int, border: str) -> tuple[np.ndarray, np.ndarray]:
    """Brings source indices into the frame, and tells which may be read: under zeros not all.

    Example:
        >>> index, inside = fold(np.array([-1, 0, 2]), 2, "zeros")
        >>> index.tolist(), inside.tolist()
        ([0, 0, 1], [False, True, False])
    """
    if border == "circular":
        return index % size, np.ones(index.shape, dtype=bool)
    if border == "reflect":
        folded = index % (2 * size)
        return np.where(folded < size, folded, 2 * size - 1 - folded), np.ones(index.shape, bool)
    return index.clip(0, size - 1), (index >= 0) & (index < size)


def _sample(images: Tensor, back: np.ndarray, resampling: Resampling) -> Tensor:
    count, _, height, width = images.shape
    if resampling.border == "circular":
        return _sample_circular(images, back, resampling)
    # From pixels about the centre to grid_sample's coordinates, which span [-1, 1] per axis.
    ratio = np.array([[1.0, height / width, 2.0 / width], [width / height, 1.0, 2.0 / height]])
    theta = torch.from_numpy(back * ratio).to(images.device, images.dtype)
    grid = functional.affine_grid(
        theta.expand(count, 2, 3), [count, 1, height, width], align_corners=False
    )
    padding = "reflection" if resampling.border == "reflect" else "zeros"
    # grid_sample knows only zero outside, so the fill is subtracted before and added after.
    fill = resampling.fill if padding == "zeros" else 0.0
    source = images - fill if fill else images
    out = functional.grid_sample(
        source, grid, mode=resampling.interpolation, padding_mode=padding, align_corners=False
    )
    return out + fill if fill else out


def _sample_circular(images: Tensor, back: np.ndarray, resampling: Resampling) -> Tensor:
    """Samples a picture that repeats: coordinates are wrapped, then read from a padded copy."""
    count, _, height, width = images.shape
    matrices = torch.from_numpy(back).to(images.device, images.dtype)
    y = torch.arange(height, device=images.device, dtype=images.dtype) - (height - 1) / 2
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    points = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)
    source = (
        torch.einsum("nij,hwj->nhwi", matrices[:, :, :2], points) + matrices[:, None, None, :, 2]
    )
    size = torch.tensor([width, height], device=images.device, dtype=images.dtype)
    wrapped = torch.remainder(source + (size - 1) / 2, size)
    pad = 2  # bicubic reads two pixels to either side
    # By index: functional.pad refuses maps that are smaller than the padding.
    rows = torch.arange(-pad, height + pad, device=images.device) % height
    columns = torch.arange(-pad, width + pad, device=images.device) % width
    padded = images.index_select(2, rows).index_select(3, columns)
    grid = (2 * (wrapped + pad) + 1) / (size + 2 * pad) - 1
    return functional.grid_sample(
        padded,
        grid.expand(count, height, width, 2),
        mode=resampling.interpolation,
        padding_mode="border",
        align_corners=False,
    )
