"""Records by hooks what runs in a forward pass: modules in their order, and their outputs.

Nothing about a model is assumed. Only shapes and small tensors near the end are kept: the last
linear maps with their inputs, and the last global poolings.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.models.activations import (
    MAX_PREFIX_TOKENS,
    Layout,
    average_pool,
    layout_of,
)
from invariscope.models.fields import Fields, fields_of_type
from invariscope.models.leaves import Path, layer_leaf, tensor_of

# How many of the last linear maps are remembered: their outputs are kept alive, so that "same
# memory" cannot be a reused address.
_TAIL = 16


@dataclass(frozen=True)
class Call:
    """One module of the dry run, at its last call.

    Args:
        name: Dotted name of the module.
        start: Position of its beginning in the order of execution.
        end: Position of its end; a block ends after everything in it.
        layout: How its output is to be read; None where it is not one value set per image.
        shape: Shape of its output, with the images of the dry run first; () without a tensor.
        owns_parameters: Whether the module itself, not a child, has parameters.
        fields: How rotations permute its channels, where its output says so.
        note: What its output says of its channels that cannot be followed; "" for nothing.
        times: How often it ran in the pass; the last time counts.
        hands_on: Whether it puts out what the last module in it did, perhaps in another shape.
        path: Where in what it puts out the tensor lies that stands for it.
    """

    name: str
    start: int
    end: int
    layout: Layout | None
    shape: tuple[int, ...]
    owns_parameters: bool
    fields: Fields | None = None
    note: str = ""
    times: int = 1
    hands_on: bool = False
    path: Path = ()

    @property
    def channels(self) -> int | None:
        """Number of channels, or of elements of a vector."""
        return None if self.layout is None else self.layout.channels_in(self.shape)


@dataclass(frozen=True)
class LinearMap:
    """A module that maps its input linearly: perhaps the classifier.

    Args:
        name: Dotted name of the module.
        module: The module.
        given: What it has read.
        output: What it has put out.
        version: Of the output's memory at that time: whether it has been changed since.
        start: Position of its beginning in the order of execution.
        end: Position of its end.
        layout: How its input is to be read.
    """

    name: str
    module: nn.Module
    given: Tensor
    output: Tensor
    version: int
    start: int
    end: int
    layout: Layout

    @property
    def width(self) -> int:
        """Number of its outputs at one place."""
        axis = 1 if self.output.ndim == 4 and self.layout.kind != "nhwc" else -1
        return self.output.shape[axis]

    @property
    def embedding(self) -> Tensor:
        """Its input, averaged over positions: [image, element]."""
        return average_pool(self.name, self.layout.normalise(self.given))

    def made(self, tensor: Tensor) -> bool:
        """Tells whether a tensor is its output or part of it: the same memory, unchanged since."""
        return memory(self.output) == memory(tensor) and self.version == version(tensor)


class Recorder:
    """The hooks of the dry run.

    Args:
        images: How many images go through.
        input_size: Their height and width.
        prefix: Number of leading tokens, where the model says it.
    """

    def __init__(self, images: int, input_size: tuple[int, int], prefix: int | None):
        self._known = {"images": images, "input_size": input_size, "prefix": prefix}
        self.clock = 0
        self._starts: dict[str, int] = {}
        self._calls: dict[str, Call] = {}
        self.linear: deque[LinearMap] = deque(maxlen=_TAIL)
        self.wrappers: deque[LinearMap] = deque(maxlen=_TAIL)
        self.pools: deque[tuple[str, int, Tensor]] = deque(maxlen=_TAIL)
        self._last_leaf: tuple[nn.Module, Tensor] | None = None
        self._last_output: tuple[int, Tensor, int] | None = None

    @contextmanager
    def watching(self, module: nn.Module | None) -> Iterator[None]:
        """Records what runs inside the context."""
        with ExitStack() as hooks:
            for name, child in hookable(module) if module is not None else ():
                if name:
                    # Not closures: the type checker of the tests would compile each anew.
                    begin, end = partial(self._begin, name), partial(self._end, name)
                    hooks.enter_context(child.register_forward_pre_hook(begin, with_kwargs=True))
                    hooks.enter_context(child.register_forward_hook(end, with_kwargs=True))
            yield

    def layout(self, tensor: Tensor, module: nn.Module | None) -> Layout | None:
        """Finds how a tensor of this pass is to be read."""
        evidence = None if module is None else _channels_last(module)
        return layout_of(tensor, **self._known, channels_last=evidence)

    def calls(self) -> tuple[Call, ...]:
        """Returns the modules that ran, in the order in which they ended."""
        return tuple(self._calls.values())

    def last_leaf(self, output: Tensor) -> nn.Module | None:
        """Returns the childless module that ended last, if it put out the model's output."""
        if self._last_leaf is None:
            return None
        leaf, last = self._last_leaf
        return leaf if memory(last) == memory(output) else None

    def _begin(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.clock += 1
        self._starts[name] = self.clock

    def _end(self, name: str, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        self.clock += 1
        leaf = layer_leaf(result, lambda tensor: self.layout(tensor, module) is not None)
        output = None if leaf is None else leaf.tensor
        given = tensor_of([*args, *kwargs.values()])
        owns = next(module.parameters(recurse=False), None) is not None
        start = self._starts.get(name, self.clock)
        layout = None if output is None else self.layout(output, module)
        shape = () if output is None else tuple(output.shape)
        before = self._calls.pop(name, None)
        times = 1 if before is None else before.times + 1
        fields, note = fields_seen(None if leaf is None else leaf.kind, shape, layout)
        path = () if leaf is None else leaf.path
        hands_on = output is not None and self._hands_on(start, output)
        self._calls[name] = Call(
            name, start, self.clock, layout, shape, owns, fields, note, times, hands_on, path
        )
        if output is None or layout is None:
            return
        leaf = next(module.children(), None) is None
        # Dropout hands its input on: it says nothing of what a model ends in.
        if leaf and not isinstance(module, nn.Dropout):
            self._last_leaf = (module, output)
        if given is None:
            return
        self._remember_linear(name, module, start, given, output)
        self._remember_pool(name, module, given, output, layout)

    def _hands_on(self, start: int, output: Tensor) -> bool:
        """Says whether an output is the last inner module's; remembers it for the next one."""
        last, self._last_output = self._last_output, (start, output, version(output))
        if last is None or last[0] <= start:
            return False
        left_out = last[1].numel() - output.numel()
        if left_out:  # class tokens, which go their own way
            tokens = last[1].ndim == 3 and last[1].numel() // last[1].shape[1]
            return 0 < left_out <= MAX_PREFIX_TOKENS * tokens
        if memory(last[1]) == memory(output):
            return last[2] == version(output)
        before, after = last[1].float(), output.float()
        same = [torch.isclose(before.norm(p), after.norm(p), rtol=1e-4) for p in (1, 2)]
        return bool(torch.stack(same).all())

    def _remember_linear(
        self, name: str, module: nn.Module, start: int, given: Tensor, output: Tensor
    ) -> None:
        linear = is_linear_map(module, given, output)
        if not linear and not self._wraps(name, module, given, output):
            return
        last = output.ndim != 4 or not isinstance(module, nn.Conv2d)
        layout = layout_of(given, **self._known, channels_last=last)
        if layout is not None:
            linear_map = LinearMap(
                name, module, given, output, version(output), start, self.clock, layout
            )  # fmt: skip
            (self.linear if linear else self.wrappers).append(linear_map)

    def _wraps(self, name: str, module: nn.Module, given: Tensor, output: Tensor) -> bool:
        """Says whether a module may be an adapter or an 8-bit form of a linear map.

        It says the sizes of one, or holds one that reads and puts out what it does, and more.
        """
        said = (getattr(module, "in_features", None), getattr(module, "out_features", None))
        if said == (given.shape[-1], output.shape[-1]):
            return True
        size = sum(1 for _ in module.parameters())
        return any(
            linear.given.data_ptr() == given.data_ptr()
            and (linear.given.shape, linear.output.shape) == (given.shape, output.shape)
            and sum(1 for _ in linear.module.parameters()) < size
            for linear in self.linear
            if linear.name.startswith(f"{name}.")
        )

    def _remember_pool(
        self, name: str, module: nn.Module, given: Tensor, output: Tensor, layout: Layout
    ) -> None:
        before = self.layout(given, None)
        if before is None or not before.spatial or layout.grid != (1, 1):
            return
        if before.grid != (1, 1) or "pool" in type(module).__name__.lower():
            pooled = average_pool(name, layout.normalise(output)).flatten(1)
            self.pools.append((name, self.clock, pooled))


def hookable(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yields all modules by their names, but those of TorchScript, which take no hooks.

    Example:
        >>> [name for name, _ in hookable(nn.Sequential(nn.ReLU()))]
        ['', '0']
    """
    for name, part in module.named_modules():
        if not isinstance(part, torch.jit.ScriptModule):
            yield name, part


def memory(tensor: Tensor) -> int:
    """Returns the address of a tensor's memory."""
    return tensor.untyped_storage().data_ptr()


def version(tensor: Tensor) -> int:
    """Counts the changes of a tensor's memory; -1 for inference tensors, which do not tell."""
    return -1 if tensor.is_inference() else tensor._version


def is_linear_map(module: nn.Module, given: Tensor, output: Tensor) -> bool:
    """Tells whether a module can be a classifier: linear by its class or its one matrix.

    That is a ``Linear``, a 1×1 convolution, and, without children, a module that says its
    ``in_features`` and ``out_features`` as a ``Linear`` does (8-bit ones), or whose one matrix maps
    the last axis of its input to that of its output (a classifier by cosines).
    """
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    if isinstance(module, nn.Linear):
        return True
    if next(module.children(), None) is not None or given.ndim < 2 or output.ndim != given.ndim:
        return False
    if given.shape[:-1] != output.shape[:-1]:
        return False
    said = (getattr(module, "in_features", None), getattr(module, "out_features", None))
    if all(isinstance(size, int) for size in said):
        return True
    matrices = [tuple(p.shape) for p in module.parameters(recurse=False) if p.ndim == 2]
    return len(matrices) == 1 and set(matrices[0]) == {given.shape[-1], output.shape[-1]}


def fields_seen(
    kind: Any, shape: tuple[int, ...], layout: Layout | None
) -> tuple[Fields | None, str]:
    """Reads how rotations permute the channels of a typed tensor; with a note if unknown."""
    if kind is None or layout is None:
        return None, ""
    return fields_of_type(kind, layout.channels_in(shape))


def _channels_last(module: nn.Module) -> bool | None:
    """Tells by a module's type whether channels are the last axis of a 4-D output."""
    name = type(module).__name__
    if name.endswith("2d") or isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.GroupNorm):
        return False
    return True if isinstance(module, nn.LayerNorm | nn.Linear) else None
