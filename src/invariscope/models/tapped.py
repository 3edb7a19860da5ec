"""Puts the layers that are watched among a network's outputs, so that it can be compiled.

A compiled network does not see hooks that come and go. So a copy of the module, which shares its
weights, carries hooks that stay, and puts out what they took beside its output; the reducers come
after the pass. Watched maps are therefore in memory together.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from invariscope.models.capture import Tap
from invariscope.models.leaves import leaf_at, tensor_of


class Tapped(nn.Module):
    """A model that puts out (its output, for each tap the tensors of its module).

    Args:
        module: The model; it keeps the hooks.
        taps: What is wanted.

    Example:
        >>> import torch
        >>> from invariscope.models.activations import Layout, average_pool
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        >>> output, taken = Tapped(net, [Tap("first", "0", Layout("nchw"), average_pool)])(
        ...     torch.zeros(2, 3, 5, 5)
        ... )
        >>> [tensor.shape for tensor in taken[0]]
        [torch.Size([2, 4, 5, 5])]
    """

    def __init__(self, module: nn.Module, taps: Sequence[Tap]):
        super().__init__()
        self.module = module
        self.taken: list[list[Tensor | None]] = [[] for _ in taps]
        for tap, taken in zip(taps, self.taken, strict=True):
            target = module.get_submodule(tap.module)
            if tap.side == "input":
                target.register_forward_pre_hook(partial(_before, taken), with_kwargs=True)
            else:
                target.register_forward_hook(partial(_after, taken, tap.path))

    def forward(self, batch: Tensor) -> tuple[Any, list[list[Tensor | None]]]:
        """Runs the model."""
        for taken in self.taken:
            taken.clear()
        output = self.module(batch)
        return output, [list(taken) for taken in self.taken]


def _before(taken: list[Tensor | None], module: nn.Module, args: Any, kwargs: Any) -> None:
    taken.append(_copied(tensor_of([*args, *kwargs.values()])))


def _after(
    taken: list[Tensor | None], path: Any, module: nn.Module, args: Any, output: Any
) -> None:
    taken.append(_copied(leaf_at(output, path)))


def _copied(tensor: Tensor | None) -> Tensor | None:
    """A copy, since what comes next may work in place."""
    return None if tensor is None else tensor.clone()
