"""Distances between embeddings: cosine and l2.

- ``cosine``: 1 − cos(a, b), computed as ½‖a/‖a‖ − b/‖b‖‖² so that equal vectors give exactly 0 and
  nearly equal ones keep their digits; range [0, 2]. A zero vector has no direction: NaN.
- ``l2``: ‖a − b‖₂ without an epsilon (torch's PairwiseDistance adds 1e-6); range [0, ∞).

Arithmetic is float64 wherever the device has it.
"""

import torch
from torch import Tensor

from invariscope.errors import InputError

DISTANCES = ("cosine", "l2")


def check_distance(distance: str) -> None:
    """Raises an `InputError` unless ``distance`` is a known name."""
    if distance not in DISTANCES:
        raise InputError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}")


def double(tensor: Tensor) -> Tensor:
    """The tensor in float64, or float32 on devices that have no float64."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def prepared(embeddings: Tensor, distance: str) -> Tensor:
    """Embeddings [..., D] in float64, of unit length for the cosine distance (zero ones NaN)."""
    embeddings = double(embeddings)
    if distance == "l2":
        return embeddings
    return embeddings / embeddings.norm(dim=-1, keepdim=True)


def between(a: Tensor, b: Tensor, distance: str) -> Tensor:
    """Distance [...] of each prepared vector of ``a`` [..., D] to its counterpart in ``b``."""
    squared = (a - b).square().sum(-1)
    return squared.sqrt() if distance == "l2" else squared / 2


def all_pairs(a: Tensor, b: Tensor, distance: str) -> Tensor:
    """Distances [..., N, M] of every prepared vector of ``a`` [..., N, D] to every one of ``b``."""
    if distance == "l2":
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return 1 - a @ b.transpose(-1, -2)
