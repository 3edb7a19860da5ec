"""Records what the modules of a model take and give, to find where a difference begins.

Every module is hooked once for a pass; of each tensor a sample stays. A container ends after what
is in it, so the first event that shows something is the innermost place where it shows: the output
of a module, or its input, where plain code between the modules is the cause.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.models.leaves import tensor_of
from invariscope.models.recorder import hookable

_SAMPLE = 512


@dataclass(frozen=True)
class Event:
    """A tensor that went into a module, or came out of it.

    Args:
        name: Dotted name of the module.
        module: The module.
        is_output: Whether it came out.
        shape: Of the tensor.
        dtype: Of the tensor.
        sample: Evenly spaced elements of each image, float64 [image, element]; None where the first
            axis does not hold the images.
        finite: Whether all of the tensor is finite.
        largest: The largest absolute value among the finite ones.
    """

    name: str
    module: nn.Module
    is_output: bool
    shape: tuple[int, ...]
    dtype: torch.dtype
    sample: Tensor | None
    finite: bool
    largest: float

    @property
    def where(self) -> str:
        """The place of the event, in words."""
        kind = type(self.module).__name__
        return f"{'in' if self.is_output else 'before'} {self.name!r} ({kind})"


@contextmanager
def recorded(modules: Iterable[nn.Module], images: int) -> Iterator[list[Event]]:
    """Hooks all modules for the passes inside the context, and removes the hooks.

    Args:
        modules: The model, or those behind it.
        images: How many images a pass has.

    Yields:
        The events, filled during the pass.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with recorded([net], 1) as events:
        ...     _ = net(torch.ones(1, 2))
        >>> [event.where for event in events][:2]
        ["before '0' (Linear)", "in '0' (Linear)"]
    """
    events: list[Event] = []
    with ExitStack() as hooks:
        for root in modules:
            for name, module in hookable(root):
                if not name and next(module.children(), None) is not None:
                    continue
                shown = (events, images, name or type(module).__name__)
                before, after = partial(_before, *shown), partial(_after, *shown)
                hooks.enter_context(module.register_forward_pre_hook(before, with_kwargs=True))
                hooks.enter_context(module.register_forward_hook(after))
        yield events


def first_difference(
    first: Iterable[Event], again: Iterable[Event], tolerance: float, rows: Callable[..., Tensor]
) -> tuple[Event, Event] | None:
    """Finds the first events of two passes that differ by more than a share of their size.

    Args:
        first: Of one pass.
        again: Of the other.
        tolerance: The share.
        rows: Picks the images of the first pass that the second one has, in its order.
    """
    for a, b in zip(first, again, strict=False):
        if a.name != b.name or a.is_output != b.is_output:
            return a, b
        if a.shape[1:] != b.shape[1:]:
            return a, b
        if a.sample is None or b.sample is None:
            continue
        picked = rows(a.sample)
        if picked.shape != b.sample.shape:
            return a, b
        apart, size = (picked - b.sample).norm(), picked.norm()
        if apart > tolerance * size:
            return a, b
    return None


def _before(
    events: list[Event], images: int, name: str, module: nn.Module, args: Any, kwargs: Any
) -> None:
    _take(events, images, name, module, tensor_of([*args, *kwargs.values()]), False)


def _after(
    events: list[Event], images: int, name: str, module: nn.Module, args: Any, output: Any
) -> None:
    _take(events, images, name, module, tensor_of(output), True)


def _take(
    events: list[Event],
    images: int,
    name: str,
    module: nn.Module,
    tensor: Tensor | None,
    is_output: bool,
) -> None:
    if tensor is None or not tensor.is_floating_point() or tensor.numel() == 0:
        return
    tensor, sample = tensor.detach(), None
    if tensor.ndim and tensor.shape[0] % images == 0:
        flat = tensor.reshape(images, -1)
        step = max(1, flat.shape[1] // _SAMPLE)
        sample = flat[:, ::step][:, :_SAMPLE].double().cpu()
    known = tensor.isfinite()
    largest = float(torch.where(known, tensor, 0).abs().max())
    seen = (tuple(tensor.shape), tensor.dtype, sample, bool(known.all()), largest)
    events.append(Event(name, module, is_output, *seen))
