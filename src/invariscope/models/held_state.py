"""Compares the state of a model: buffers by value, parameters by how often they were changed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.models.state_hash import held_bytes


def state_of(networks: Sequence[nn.Module]) -> dict[str, Any]:
    """Records buffers by value, and parameters by how often they were changed in place."""
    state: dict[str, Any] = {}
    for number, network in enumerate(networks):
        for name, buffer in network.named_buffers():
            state[f"{number}.{name}"] = buffer.detach().clone()
        for name, parameter in network.named_parameters():
            count = 0 if parameter.is_inference() else parameter._version
            state[f"{number}.{name}"] = (parameter.data_ptr(), count)
    return state


def changed_in(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Returns the names whose values have changed.

    Example:
        >>> norm = nn.BatchNorm2d(2)
        >>> before = state_of([norm])
        >>> _ = norm(torch.ones(1, 2, 3, 3))
        >>> changed_in(before, state_of([norm]))
        ['running_mean', 'running_var', 'num_batches_tracked']
    """
    names = []
    for name, value in before.items():
        now = after.get(name)
        if isinstance(value, Tensor) and isinstance(now, Tensor):
            same = (value.shape, value.dtype) == (now.shape, now.dtype) and all(
                torch.equal(was, held)
                for was, held in zip(held_bytes(value), held_bytes(now), strict=True)
            )
        else:
            same = value == now
        if not same:
            names.append(name.partition(".")[2])
    return names
