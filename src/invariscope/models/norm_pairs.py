"""Finds the batch norms that can be folded into the convolution before them.

A batch norm in eval mode is a scale and a shift per channel, and so is what a convolution's weight
and bias do to its output: the two are one convolution. The pairs are seen in a dry run, operation
by operation, not guessed from names. A pair is folded only where

- one convolution reads the weight, and nothing else in the pass does;
- the batch norm, by its running statistics, is all that reads what the convolution puts out, and
  runs once;
- neither is watched, nor carries a hook, nor does any module that is watched or hooked take or hand
  on what lies between the two; nor is that part of the model's output.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from invariscope.models.leaves import leaves
from invariscope.models.recorder import hookable, memory

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
#: timm's batch norm that goes on with dropout and activation, as its children.
_WITH_ACTIVATION = "BatchNormAct2d"


@dataclass(frozen=True)
class Pair:
    """A convolution and the batch norm that alone reads it: dotted names in the model."""

    conv: str
    norm: str


@dataclass(frozen=True)
class _Operation:
    """An operation of the pass, with the addresses of its first arguments (0 for no tensor)."""

    name: str
    given: tuple[int, ...]
    output: int


def norm_pairs(
    module: nn.Module, run: Callable[[Tensor], Any], batch: Tensor, watched: Iterable[str]
) -> tuple[Pair, ...]:
    """Runs a model once and finds its pairs, in the order of its modules.

    Args:
        module: The model, in eval mode.
        run: Calls it.
        batch: Normalised images.
        watched: Dotted names of the modules whose output or input somebody wants.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
        >>> norm_pairs(net, net, torch.zeros(2, 3, 8, 8), [])
        (Pair(conv='0', norm='1'),)
        >>> norm_pairs(net, net, torch.zeros(2, 3, 8, 8), ["0"])
        ()
    """
    watched = set(watched)
    named = [(name, part) for name, part in module.named_modules() if name]
    norms = {
        memory(part.running_mean): (name, part)
        for name, part in named
        if is_foldable_norm(part) and isinstance(part.running_mean, Tensor)
    }
    convs = [
        (name, part)
        for name, part in named
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        and part._parameters.get("weight") is not None
    ]
    if not norms or not convs:
        return ()
    pass_ = _Pass({memory(part.weight) for _, part in convs} | set(norms))
    # In inference mode, torch would show `conv2d` and not what it is made of.
    with torch.no_grad(), pass_.shown(module, watched), pass_:
        output = run(batch)
    pass_.show(output)
    found = [(name, _norm_after(conv, pass_, norms)) for name, conv in convs]
    return tuple(Pair(conv, norm) for conv, norm in found if norm is not None)


def is_foldable_norm(part: nn.Module) -> bool:
    """Says whether a module is a batch norm, and at most an activation, by running statistics."""
    kind = type(part)
    known = kind in _NORMS or (
        kind.__name__ == _WITH_ACTIVATION and {"drop", "act"} == set(part._modules)
    )
    return known and not part.training and getattr(part, "running_var", None) is not None


def _is_hooked(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)


def _norm_after(conv: Any, pass_: "_Pass", norms: dict[int, tuple[str, Any]]) -> str | None:
    """Names the batch norm that alone reads what a convolution puts out."""
    made = pass_.only_reader(memory(conv.weight))
    bias = 0 if conv.bias is None else memory(conv.bias)
    if made is None or made.name != "convolution" or made.given[1:3] != (memory(conv.weight), bias):
        return None
    if made.output in pass_.exposed:
        return None
    read = pass_.only_reader(made.output)
    if read is None or "batch_norm" not in read.name or read.given[0] != made.output:
        return None
    mean, variance = read.given[3:5]
    name, norm = norms.get(mean, ("", None))
    if norm is None or variance != memory(norm.running_var) or pass_.only_reader(mean) != read:
        return None
    return name


class _Pass(TorchDispatchMode):
    """Notes which operations read some tensors, and all that convolutions put out.

    Args:
        known: The addresses of weights and running statistics.
    """

    def __init__(self, known: set[int]):
        super().__init__()
        self._readers: dict[int, list[_Operation]] = {address: [] for address in known}
        self._alive: list[Tensor] = []  # so that no address comes twice
        self.exposed: set[int] = set()

    def only_reader(self, address: int) -> _Operation | None:
        """The operation that alone reads this memory."""
        readers = self._readers.get(address, [])
        return readers[0] if len(readers) == 1 else None

    def show(self, value: Any) -> None:
        """Takes all tensors of a value for exposed to somebody's eyes."""
        tensors = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
        tensors += [leaf.tensor for leaf in leaves(value)]
        self._alive += tensors
        self.exposed |= {memory(tensor) for tensor in tensors}

    @contextmanager
    def shown(self, module: nn.Module, watched: set[str]) -> Iterator[None]:
        """Notes what watched and hooked modules take and hand on, inside the context."""

        def note(part: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            self.show([args, kwargs, output])

        with ExitStack() as hooks:
            for name, part in hookable(module):
                if name in watched or (name and _is_hooked(part)):
                    hooks.enter_context(part.register_forward_hook(note, with_kwargs=True))
            yield

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves([args, kwargs]) if isinstance(leaf, Tensor)]
        addresses = {memory(tensor) for tensor in tensors}
        name = func._schema.name.partition("::")[2]
        made = name == "convolution" and isinstance(output, Tensor) and not args[6]
        given = tuple(memory(arg) if isinstance(arg, Tensor) else 0 for arg in args[:5])
        operation = _Operation(name, given, memory(output) if made else 0)
        for address in addresses & self._readers.keys():
            self._readers[address].append(operation)
        if made:
            self._alive.append(output)
            self._readers[memory(output)] = []
        return output
