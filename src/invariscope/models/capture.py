"""Hooks that hand activations on while they are there, so that none outlives its layer.

Activations come as the model makes them: with their derivatives, where the caller differentiates.
A module that runs several times in a pass is looked at the last time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from invariscope.models.activations import Activation, Layout, tensor_of

Reducer = Callable[[str, Activation], Any]
"""Makes what is kept of (layer name, activation); must not return a view of the activation."""


class ReducerFailed(Exception):
    """Carries an error of a reducer through the model, so that it is not taken for the model's."""


@dataclass(frozen=True)
class Tap:
    """Where an activation is taken.

    Args:
        layer: The name under which it is kept.
        module: Dotted name of the module.
        layout: How the tensor is to be read.
        reduce: Called with the layer's name and the activation.
        side: "output", or "input".
        times: How often the module runs in a pass.
    """

    layer: str
    module: str
    layout: Layout
    reduce: Reducer
    side: str = "output"
    times: int = 1


@contextmanager
def capture(module: nn.Module, taps: Sequence[Tap]) -> Iterator[dict[str, Any]]:
    """Hooks the modules of the taps for one forward pass inside the context; removes them always.

    Args:
        module: The model.
        taps: What is wanted.

    Yields:
        What the reducers made, by layer name, filled during the forward pass.

    Example:
        >>> import torch
        >>> from invariscope.models.activations import average_pool
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        >>> with capture(model, [Tap("first", "0", Layout("nchw"), average_pool)]) as kept:
        ...     _ = model(torch.zeros(2, 3, 5, 5))
        >>> kept["first"].shape
        torch.Size([2, 4])
    """
    kept: dict[str, Any] = {}
    seen: dict[str, int] = {}

    # Not closures: the type checker of the tests would compile them anew for each module.
    def keep(tap: Tap, value: Any) -> None:
        seen[tap.layer] = seen.get(tap.layer, 0) + 1
        tensor = tensor_of(value)
        if tensor is None or seen[tap.layer] % tap.times:
            return
        try:
            kept[tap.layer] = tap.reduce(tap.layer, tap.layout.normalise(tensor))
        except Exception as error:
            raise ReducerFailed(tap.layer) from error

    def before(tap: Tap, module: nn.Module, args: Any, kwargs: Any) -> None:
        keep(tap, [*args, *kwargs.values()])

    def after(tap: Tap, module: nn.Module, args: Any, output: Any) -> None:
        keep(tap, output)

    handles: list[Any] = []
    try:
        for tap in taps:
            target = module.get_submodule(tap.module)
            if tap.side == "input":
                hook = target.register_forward_pre_hook(partial(before, tap), with_kwargs=True)
            else:
                hook = target.register_forward_hook(partial(after, tap))
            handles.append(hook)
        yield kept
    finally:
        for handle in handles:
            handle.remove()
