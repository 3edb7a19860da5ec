"""Checks of metric arguments: one line that names the argument and both shapes."""

import torch
from torch import Tensor

from invariscope.errors import InputError


def same_shape(**tensors: Tensor) -> None:
    """Checks that all tensors have the shape of the first one."""
    (first, reference), *rest = tensors.items()
    for name, tensor in rest:
        if tensor.shape != reference.shape:
            raise InputError(
                f"{name} has shape {list(tensor.shape)} but {first} has {list(reference.shape)}: "
                "they must be equal"
            )


def rank(dimensions: str, **tensors: Tensor) -> None:
    """All tensors have as many dimensions as there are words in ``dimensions``."""
    for name, tensor in tensors.items():
        if tensor.ndim != len(dimensions.split()):
            wanted = ", ".join(dimensions.split())
            raise InputError(f"{name} has shape {list(tensor.shape)}: it must be [{wanted}]")


def at_least_two(name: str, tensor: Tensor) -> None:
    """Checks that there are two images, since the baseline needs another one."""
    if len(tensor) < 2:
        raise InputError(
            f"{name} has shape {list(tensor.shape)}: a baseline needs at least two images"
        )


def at_least(count: int, noun: str, *, dimension: int = 0, **tensors: Tensor) -> None:
    """All tensors hold ``count`` or more of what lies along one of their dimensions."""
    for name, tensor in tensors.items():
        if tensor.shape[dimension] < count:
            raise InputError(
                f"{name} has shape {list(tensor.shape)}: it needs at least {count} {noun} "
                f"in dimension {dimension}"
            )


def valid_pairing(pairing: Tensor, count: int) -> Tensor:
    """The pairing as int64 indices, checked to be one index of an image per image."""
    if pairing.shape != (count,):
        raise InputError(
            f"pairing has shape {list(pairing.shape)} but there are {count} images: "
            f"it must be [{count}]"
        )
    if pairing.dtype.is_floating_point or pairing.dtype == torch.bool:
        raise InputError(f"pairing holds image indices: it must be integer, not {pairing.dtype}")
    if count and not (0 <= int(pairing.min()) and int(pairing.max()) < count):
        raise InputError(f"pairing must hold indices from 0 to {count - 1}")
    return pairing.long()
