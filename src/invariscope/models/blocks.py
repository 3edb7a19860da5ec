"""Finds the blocks of a model, which ``auto`` watches.

A **block** is an item of a chain that holds two or more weight arrays. A chain is a ``Sequential``,
``ModuleList`` or ``ModuleDict``, or a module whose children are all of one class and hold the same
arrays; at least half of its items with parameters must be blocks. The model itself is a chain.
Items that hold chains are opened if they are stages: if they put out the output of their last
layer, and nothing with weights follows their chain on its grid. Blocks add their input or mix, so
they are not opened, and a layer that runs inside a block is no block. Examples are ``layer1.0`` of
a ResNet, ``blocks.0.0`` of an EfficientNet, ``blocks.0`` of a transformer or mixer,
``stages.0.blocks.0`` of a ConvNeXt, and a dense layer of a DenseNet.

A model with fewer than three blocks that are maps is watched at its convolutions (VGG, AlexNet), or
else, when it has none, at its linear maps on tokens outside blocks; failing both, at every module
that puts out maps. More than 40 layers are thinned evenly, the first and the last stay.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from invariscope.models.fields import is_steerable
from invariscope.models.trace import Call, Trace

MAX_LAYERS = 40
_MIN_BLOCKS = 3
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

Show = Callable[[Sequence[str]], None]
"""Finds out which of the named layers are maps, and lets the trace know."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a model.

    Args:
        maps: Those that are shown to be maps, in the order of execution, at most 40.
        left_out: Names of those that are not, though they put out more than a vector per image.
    """

    maps: list[Call]
    left_out: tuple[str, ...] = ()


def auto_blocks(
    module: nn.Module, trace: Trace, usable: Iterable[Call], show: Show, also: Sequence[str] = ()
) -> Blocks:
    """Returns the layers of ``auto``.

    Args:
        module: The model.
        trace: Its dry run.
        usable: The modules that can be watched.
        show: Finds out which layers are maps.
        also: Names of further layers that are to be shown with the blocks, in the same pass.
    """
    calls = {
        call.name: call
        for call in usable
        if call.layout is not None
        and call.layout.kind != "vector"
        and call.end < trace.embedding_position
    }

    def maps(names: Iterable[str]) -> list[Call]:
        wanted = [name for name in names if name in calls]
        show((*wanted, *also))
        shown = [call for name in wanted if (call := trace.call(name)) is not None]
        return [call for call in shown if call.layout is not None and call.layout.spatial]

    blocks = tried = _blocks(module, calls)
    shown = maps(blocks)
    if len(shown) < _MIN_BLOCKS:
        layers = _layers_with_weights(module, calls, blocks)
        others = maps(layers)
        if len(others) > len(shown):
            shown, tried = others, [*blocks, *layers]
    if not shown:
        shown = maps(calls)
    shown = sorted(shown, key=lambda call: call.end)
    left_out = tuple(name for name in tried if _has_places(trace, name))
    if len(shown) > MAX_LAYERS:
        kept = np.unique(np.linspace(0, len(shown) - 1, MAX_LAYERS).round().astype(int))
        shown = [shown[index] for index in kept]
    return Blocks(shown, left_out)


def _has_places(trace: Trace, name: str) -> bool:
    """Says whether a block before the embedding gives more than a vector per image but no map."""
    call = trace.call(name)
    if call is None or call.end >= trace.embedding_position:
        return False
    return call.layout is None or call.layout.kind.startswith("sequence")


def _layers_with_weights(
    module: nn.Module, calls: Mapping[str, Call], blocks: Sequence[str]
) -> list[str]:
    """The convolutions; where there is one at most, the linear maps outside blocks."""
    kinds = {n: m for n, m in module.named_modules() if n in calls and _own_weights(m)}
    # Squeeze-and-excitation and the like work on 1×1 maps: no layer of the spatial path.
    large = [n for n in kinds if (layout := calls[n].layout) and layout.grid != (1, 1)]
    names = large or list(kinds)
    convolutions = [n for n in names if isinstance(kinds[n], nn.Conv2d) or is_steerable(kinds[n])]
    if len(convolutions) > 1:
        return convolutions
    return [name for name in names if not name.startswith(tuple(f"{block}." for block in blocks))]


def _blocks(module: nn.Module, calls: Mapping[str, Call]) -> list[str]:
    """Names of the blocks of a model; see the top of this file for the rule."""
    names = list(_blocks_in(module, "", True, calls))
    times = {name: calls[name] for name in names if name in calls}
    return [
        name
        for name in names
        if (call := times.get(name)) is None
        or not any(o.start < call.start and call.end < o.end for o in times.values())
    ]


def _blocks_in(
    module: nn.Module, prefix: str, chain: bool, calls: Mapping[str, Call]
) -> Iterator[str]:
    """The blocks in a module; ``chain``: its compound children are blocks."""
    classes = Counter(type(child) for child in module.children())
    for name, child in module.named_children():
        full = f"{prefix}{name}"
        item = chain and (bool(prefix) or classes[type(child)] >= _MIN_BLOCKS)
        container = isinstance(child, _CONTAINERS)
        if _is_chain(child) and (container or _hands_on(calls.get(full))):
            yield from _blocks_in(child, f"{full}.", True, calls)
        elif _is_stage(child, full, calls, item=item):
            yield from _blocks_in(child, f"{full}.", False, calls)
        elif chain and _is_compound(child):
            yield full


def _hands_on(call: Call | None) -> bool:
    """Says whether a module, if it is called, adds nothing to what runs in it, as a block does."""
    return call is None or call.hands_on


def _is_chain(module: nn.Module) -> bool:
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    # Stages that name their blocks one by one; branches, which are containers, run side by side.
    alike = len(children) > 1 and not isinstance(children[0], _CONTAINERS) and _are_alike(children)
    if not isinstance(module, _CONTAINERS) and not alike:
        return False
    inside = [_is_compound(child) for child in children]
    return any(inside) and 2 * sum(inside) >= len(children)


def _are_alike(modules: Sequence[nn.Module]) -> bool:
    """Says whether modules are of one class with the same arrays, the first perhaps with more."""
    if len({type(module) for module in modules}) > 1:
        return False
    arrays = [{name for name, _ in module.named_parameters()} for module in modules]
    least = min(arrays, key=len)
    return all(least <= names for names in arrays)


def _is_stage(module: nn.Module, name: str, calls: Mapping[str, Call], *, item: bool) -> bool:
    """Says whether a module holds blocks, and puts out what they do.

    A block adds its input to what the chain inside has put out, or mixes that by weights on the
    same grid (VoVNet, HGNet). A module around the whole network may hold its blocks deeper, and a
    head.
    """
    if not any(_is_chain(part) for part in module.modules()):
        return False
    if not item:
        return True
    chains = [n for n, child in module.named_children() if _is_chain(child)]
    if not chains or not _hands_on(calls.get(name)):
        return False
    last = [call for n, call in calls.items() if n.startswith(f"{name}.{chains[-1]}.")]
    if not last:
        return True
    end = max(last, key=lambda call: call.end)
    return not any(
        call.start > end.end
        and call.layout is not None
        and end.layout is not None
        and call.layout.grid == end.layout.grid
        for child, part in module.named_children()
        if any(_own_weights(inner) for inner in part.modules())
        and (call := calls.get(f"{name}.{child}")) is not None
    )


def _is_compound(module: nn.Module) -> bool:
    return sum(_own_weights(part) for part in module.modules()) >= 2


def _own_weights(module: nn.Module) -> bool:
    arrays = any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))
    return arrays or is_steerable(module)
