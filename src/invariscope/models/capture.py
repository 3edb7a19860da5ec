"""Hands activations on by hooks while they are there, so that none outlives its layer.

Activations come as the model makes them: with their derivatives, where the caller differentiates.
A module that runs several times in a pass is looked at the last time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import RunError
from invariscope.models.activations import Activation, Layout
from invariscope.models.failures import for_a_batch_of
from invariscope.models.leaves import Path, leaf_at, tensor_of

Reducer = Callable[[str, Activation], Any]
"""Makes what is kept of (layer name, activation); must not return a view of the activation."""


class ReducerFailed(Exception):
    """Carries an error of a reducer through the model, so that it is not taken for the model's."""


@dataclass(frozen=True)
class Tap:
    """A place where an activation is taken.

    Args:
        layer: The name under which it is kept.
        module: Dotted name of the module.
        layout: How the tensor is to be read.
        reduce: Called with the layer's name and the activation.
        side: "output", or "input".
        times: How often the module runs in a pass.
        path: Where in the output the tensor lies.
    """

    layer: str
    module: str
    layout: Layout
    reduce: Reducer
    side: str = "output"
    times: int = 1
    path: Path = ()


@contextmanager
def capture(
    module: nn.Module, taps: Sequence[Tap], images: int | None = None
) -> Iterator[dict[str, Any]]:
    """Hooks the modules of the taps for one forward pass inside the context; removes them always.

    Args:
        module: The model.
        taps: What is wanted.
        images: How many images go through; None does not check that each layer has as many.

    Yields:
        What the reducers made, by layer name, filled during the forward pass.

    Raises:
        ReducerFailed: Inside the model, by an error of a reducer, or by a `RunError` where a layer
            puts out another number of entries than there are images.

    Example:
        >>> import torch
        >>> from invariscope.models.activations import average_pool
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        >>> with capture(model, [Tap("first", "0", Layout("nchw"), average_pool)]) as kept:
        ...     _ = model(torch.zeros(2, 3, 5, 5))
        >>> kept["first"].shape
        torch.Size([2, 4])
    """
    keeper = _Keeper(images)

    # Not closures: the type checker of the tests would compile them anew for each module.
    def before(tap: Tap, module: nn.Module, args: Any, kwargs: Any) -> None:
        keeper.keep(tap, tensor_of([*args, *kwargs.values()]))

    def after(tap: Tap, module: nn.Module, args: Any, output: Any) -> None:
        keeper.keep(tap, leaf_at(output, tap.path))

    handles: list[Any] = []
    try:
        for tap in taps:
            target = module.get_submodule(tap.module)
            if tap.side == "input":
                hook = target.register_forward_pre_hook(partial(before, tap), with_kwargs=True)
            else:
                hook = target.register_forward_hook(partial(after, tap))
            handles.append(hook)
        yield keeper.kept
    finally:
        for handle in handles:
            handle.remove()


def kept_of(
    taps: Sequence[Tap], taken: Sequence[Sequence[Tensor | None]], images: int
) -> dict[str, Any]:
    """Reduces what the taps of a pass have taken, once it is over.

    Args:
        taps: What is wanted.
        taken: For each tap the tensors of its module, one for each time that it ran.
        images: How many images went through.

    Raises:
        ReducerFailed: As `capture` does.
    """
    keeper = _Keeper(images)
    for tap, tensors in zip(taps, taken, strict=True):
        for tensor in tensors:
            keeper.keep(tap, tensor)
    return keeper.kept


class _Keeper:
    """Keeps what the reducers make, by layer name.

    Args:
        images: How many images go through; None does not check that each layer has as many.
    """

    def __init__(self, images: int | None):
        self.kept: dict[str, Any] = {}
        self._images, self._seen = images, dict[str, int]()

    def keep(self, tap: Tap, tensor: Tensor | None) -> None:
        """Takes a tensor; the last one of a pass counts."""
        self._seen[tap.layer] = self._seen.get(tap.layer, 0) + 1
        if tensor is None or self._seen[tap.layer] % tap.times:
            return
        try:
            activation = tap.layout.normalise(tensor)
            if self._images not in (None, len(activation.values)):
                raise RunError(
                    f"layer {tap.layer!r}: it puts out {len(activation.values)} entries for "
                    f"a batch of {self._images}; {for_a_batch_of(self._images or 0)}"
                )
            with _in_full(tensor):
                self.kept[tap.layer] = tap.reduce(tap.layer, activation)
        except Exception as error:
            raise ReducerFailed(tap.layer) from error


def _in_full(tensor: Tensor) -> AbstractContextManager[Any]:
    """Computes what is made of an activation in its own type, whatever the network computes in."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
