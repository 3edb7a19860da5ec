"""Hashes a network's weights: the hash tells two networks of one architecture apart."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def hash_state(state: Mapping[str, Any]) -> str:
    """Hashes names, types, shapes and bytes (SHA-256), names sorted; memory formats do not matter.

    Example:
        >>> hash_state({"w": torch.zeros(2)}) == hash_state({"w": torch.zeros(2, 1)})
        False
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        if isinstance(value, Tensor):
            plain = value.detach().cpu().contiguous()
            digest.update(f"{name}|{plain.dtype}|{list(plain.shape)}|".encode())
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            digest.update(f"{name}|{value!r}|".encode())
    return digest.hexdigest()
