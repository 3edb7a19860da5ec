"""Sees what a transform does to positions, since its signature does not say it.

Rotations of torchvision turn counter-clockwise, its affine maps clockwise. Three small spots are
put through the transform, each in a picture of its own. Where they come out says which way it
turns, how far, and about which point.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Act = Callable[[Tensor, Sequence[int]], Tensor]
"""Transforms images [N, C, H, W], each by its seed."""

#: Side of the picture on which the motion is seen, and the radius of its spots.
_SIDE, _RADIUS = 96, 4.0
#: Positions of the spots about the centre, (x, y); in a row they would say nothing of shears.
_SPOTS = np.array([[20.0, 3.0], [-12.0, 15.0], [-7.0, -21.0]])
#: How far, in pixels, a spot may be from where a motion puts it.
_OFF = 0.5
#: What it says of a transform that moves nothing.
STILL = "leaves positions as they are"


def seen_motion(act: Act) -> str:
    """Says what a transform does to positions; "" where that cannot be told.

    Example:
        >>> seen_motion(lambda images, seeds: images.rot90(1, (2, 3)))
        'turns by 90° counter-clockwise about the centre'
    """
    seen = [_seen(act, seed) for seed in range(1, 6)]
    if len(set(seen)) == 1:
        return seen[0]
    others = [text for text in seen if text and text != STILL]
    return f"draws what it does to positions; once seen: {others[0]}" if others else ""


def _seen(act: Act, seed: int) -> str:
    """Says what it does with one seed."""
    centre = (_SIDE - 1) / 2
    rows, columns = np.mgrid[:_SIDE, :_SIDE] - centre
    spots = [np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * _RADIUS**2)) for x, y in _SPOTS]
    pictures = torch.from_numpy(np.stack(spots)).float()[:, None].expand(-1, 3, -1, -1)
    try:
        moved = act(pictures.contiguous(), [seed] * len(spots))
    except Exception:  # it takes other pictures than these
        return ""
    weights = moved.mean(1).double().numpy()
    weights -= np.median(weights, axis=(1, 2), keepdims=True)
    weights[weights < 0.5 * weights.max(axis=(1, 2), keepdims=True)] = 0
    total = weights.sum((1, 2))
    if not (total > 0).all():
        return ""
    found = np.stack([(weights * columns).sum((1, 2)), (weights * rows).sum((1, 2))], 1)
    return _said(found / total[:, None])


def _said(found: np.ndarray) -> str:
    """Says which motion takes the spots to where they were found, [spot, (x, y)]."""
    shift = found.mean(0) - _SPOTS.mean(0)
    if np.abs(found - _SPOTS).max() < _OFF:
        return STILL
    if np.abs(found - _SPOTS - shift).max() < _OFF:
        right, down = 100 * shift / _SIDE
        return f"moves by {right:+.0f} % of the side to the right and {down:+.0f} % down"
    matrix = np.linalg.solve((_SPOTS[1:] - _SPOTS[0]), found[1:] - found[0]).T
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    about = _about(matrix, found[0] - matrix @ _SPOTS[0])
    if np.linalg.det(matrix) < 0:
        return f"mirrors positions{about}"
    turned = np.degrees(np.arctan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1]))
    similar = scale * _turn(np.radians(turned))
    if np.abs(matrix - similar).max() > 0.03:
        return f"shears or stretches positions{about}"
    parts = []
    if abs(turned) > 1.5:
        parts.append(f"turns by {abs(turned):.0f}° {'counter-' if turned > 0 else ''}clockwise")
    if abs(scale - 1) > 0.02:
        parts.append(f"scales by {scale:.2f}")
    return f"{' and '.join(parts)}{about}" if parts else ""


def _turn(angle: float) -> np.ndarray:
    """The matrix of a counter-clockwise turn where y points down."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _about(matrix: np.ndarray, offset: np.ndarray) -> str:
    """Names the point that stays where it is."""
    still = np.eye(2) - matrix
    if abs(np.linalg.det(still)) < 1e-3:
        return ""
    point = np.linalg.solve(still, offset)
    if np.abs(point).max() < 1.0:
        return " about the centre"
    x, y = np.round(point / _SIDE + 0.5, 2) + 0.0  # no −0
    return f" about the point {x:.2f}, {y:.2f} of the frame"
