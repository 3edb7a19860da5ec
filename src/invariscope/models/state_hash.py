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
            digest.update(f"{name}|{value.dtype}|{list(value.shape)}|".encode())
            for held in held_bytes(value):
                digest.update(held.cpu().numpy().tobytes())
        else:
            digest.update(f"{name}|{value!r}|".encode())
    return digest.hexdigest()


def held_bytes(tensor: Tensor) -> list[Tensor]:
    """Returns what a tensor of any layout and type holds: bytes, uint8 [byte], on its device.

    Of a sparse one those of its indices and of its values.

    Example:
        >>> [len(held) for held in held_bytes(torch.eye(3).to_sparse())]
        [48, 12]
    """
    tensor = tensor.detach()
    if tensor.layout is torch.sparse_coo:
        whole = tensor.coalesce()
        held = [whole.indices(), whole.values()]
    elif tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        held = [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        held = [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    else:  # oneDNN has a layout of its own
        held = [tensor if tensor.layout is torch.strided else tensor.to_dense()]
    return [part.contiguous().reshape(-1).view(torch.uint8) for part in held]
