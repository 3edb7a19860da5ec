"""Which layers are watched: names, globs, and the rule behind ``auto``.

``auto`` watches the outputs of the model's blocks that a probe of the input shows to be maps
(`invariscope.models.grids`), the global pooling where its output is not the embedding, the
embedding and the logits.

A **block** is an item of a chain that holds two or more weight arrays. A chain is a ``Sequential``,
``ModuleList`` or ``ModuleDict``, or a module whose children are all of one class and hold the same
arrays, at least half of whose items with parameters are such; the model itself is one. Items that
hold chains in turn are opened if they are stages: if they put out what runs last in them, and
nothing with weights follows their chain on its grid. Blocks add their input or mix, so they are
not opened; nor is anything a block that runs inside another one. So ``layer1.0`` of a ResNet,
``blocks.0.0`` of an EfficientNet, ``blocks.0`` of a transformer or mixer, ``stages.0.blocks.0`` of
a ConvNeXt, a dense layer of a DenseNet.

A model with fewer than three blocks that are maps is watched at its convolutions (VGG, AlexNet), or
else, when it has none, at its linear maps on tokens outside blocks; failing both, at every module
that puts out maps. More than 40 layers are thinned evenly, the first and the last stay.
"""

import fnmatch
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from invariscope.errors import InputError
from invariscope.models.activations import Layout
from invariscope.models.fields import Fields, declared_fields, is_steerable
from invariscope.models.parts import depth_of, part_of
from invariscope.models.trace import Call, Trace
from invariscope.registry import unknown_name

EMBEDDING = "embedding"
LOGITS = "logits"
OUTPUT = "output"
NO_MAP = "no grid of places is shown in"
MAX_LAYERS = 40
_MIN_BLOCKS = 3
_POOLED = ("nchw", "nhwc", "vector")
# Layers that a line names.
_NAMED = 5
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

Show = Callable[[Sequence[str]], None]
"""Finds out which of the named layers are maps, and lets the trace know."""


@dataclass(frozen=True)
class Layer:
    """A watched layer.

    Args:
        name: Dotted name of the module, or "embedding" or "logits".
        part: "Early", "Middle", "Late", "Pool" or "Final".
        depth: 0 (first) to 1 (last), in the order of execution.
        grid: Height and width of its feature maps; (1, 1) for vectors.
        channels: Number of channels of its feature maps; 0 for vectors.
        fields: How rotations of the image permute its channels; None: they do not, or it is not
            known.
        note: What is to be said of its channels, or why it is no map; "" for nothing.
    """

    name: str
    part: str
    depth: float
    grid: tuple[int, int] = (1, 1)
    channels: int = 0
    fields: Fields | None = None
    note: str = ""


def parse_selection(selection: str | Sequence[str] | None) -> tuple[str, ...]:
    """The items of a selection; a comma separates, None is ``auto``.

    Example:
        >>> parse_selection("layer1.*, last")
        ('layer1.*', 'last')
    """
    if selection is None:
        return ("auto",)
    parts = [selection] if isinstance(selection, str) else list(selection)
    items = [item.strip() for part in parts for item in part.split(",")]
    items = [item for item in items if item]
    if not items:
        raise InputError("layers: the selection is empty; auto, last, a layer name or a glob work")
    return tuple(items)


def select_layers(
    selection: str | Sequence[str] | None,
    module: nn.Module | None,
    trace: Trace,
    declared: Sequence[tuple[str, int | Fields]],
    show: Show,
) -> tuple[Layer, ...]:
    """The layers of a selection in the order of execution, embedding and logits always among them.

    Args:
        selection: Names, globs, ``auto``, ``last``.
        module: The model; None for a plain callable.
        trace: Its dry run.
        declared: What the user says of the channels of layers.
        show: Finds out which layers are maps (`invariscope.models.grids`).

    Raises:
        InputError: A name or glob, of the selection or of the declared fields, that fits no layer
            (it lists the nearest names); fields that do not fit the channels.
    """
    for pattern, _ in declared:
        if not fnmatch.filter(layer_names(trace), pattern):
            raise unknown_name("layer in fields", pattern, layer_names(trace))
    items = parse_selection(selection)
    named = {name: item for item in items for name in _named(item, module, trace)}
    blocks = [] if module is None else auto_blocks(module, trace, show, tuple(named))
    chosen = {call.name: call for item in items for call in _ruled(item, trace, blocks)}
    show(tuple(named))
    for name, item in named.items():
        call = trace.call(name)
        if call is not None and call.layout is not None:
            chosen[name] = call
        elif item == name:
            raise _mixes_images(trace, name)
    positions = [float(call.end) for call in blocks]
    pool = trace.call(trace.pool) if trace.pool else None
    end = max((call.end for call in trace.calls), default=0) + 2.0
    embedding = min(trace.embedding_position - 0.5, end - 1)
    after = [float(pool.end)] if pool and pool.end > max(positions, default=0) else []
    after += [embedding] + ([end] if _final(trace) else [])
    ladder = sorted({*positions, *after})
    before_pool = float(pool.end) if after and pool and pool.end == after[0] else embedding
    layers: list[tuple[float, Layer]] = []
    for call in chosen.values():
        fields = declared_fields(call.name, call.channels, declared)
        part, depth = _part(call, trace, positions, before_pool), depth_of(call.end, ladder)
        unshown = call.layout is not None and call.layout.kind.startswith("sequence")
        note = f"{NO_MAP} it: averaged to a vector" if unshown else "" if fields else call.note
        found = Layer(call.name, part, depth, *_size(call), fields or call.fields, note)
        layers.append((call.end, found))
    fields = declared_fields(EMBEDDING, trace.width, declared) or trace.fields
    layers.append((embedding, Layer(EMBEDDING, "Pool", depth_of(embedding, ladder), fields=fields)))
    for final in _final(trace):
        fields = declared_fields(final, trace.num_outputs or math.prod(trace.shape[1:]), declared)
        layers.append((end, Layer(final, "Final", 1.0, fields=fields)))
    return tuple(layer for _, layer in sorted(layers, key=lambda entry: entry[0]))


def _size(call: Call) -> tuple[tuple[int, int], int]:
    """Grid and channels of a layer's maps."""
    layout = call.layout
    if layout is None or not layout.spatial:
        return (1, 1), 0
    return layout.grid, layout.channels_in(call.shape)


def layer_names(trace: Trace) -> tuple[str, ...]:
    """Every name that a selection may use: the modules that run, embedding, logits."""
    names = [call.name for call in usable_calls(trace)]
    return (*names, EMBEDDING, *_final(trace))


def usable_calls(trace: Trace) -> list[Call]:
    """The modules that can be watched; those with the name of a layer of ours are not."""
    return [
        call
        for call in trace.calls
        if call.layout is not None and call.name not in (EMBEDDING, LOGITS, OUTPUT)
    ]


def _final(trace: Trace) -> tuple[str, ...]:
    """The layer after the last one of the network: logits, or the output as it is."""
    if trace.num_outputs:
        return (LOGITS,)
    return (OUTPUT,) if trace.has_output else ()


def _part(call: Call, trace: Trace, blocks: Sequence[float], pooling: float) -> str:
    if _final(trace) and call.start >= trace.embedding_position:
        return "Final"
    return "Pool" if call.end >= pooling else part_of(call.end, blocks)


def describe_layouts(layouts: Mapping[str, Layout | None]) -> str:
    """How some layers are read, in one line.

    Example:
        >>> describe_layouts({"a": Layout("nchw"), "b": Layout("nchw"), "c": Layout("sequence")})
        '2 of 3 layers: NCHW; no maps, taken as vectors: c'
    """
    kinds = Counter(each.describe() for each in layouts.values() if each and each.spatial)
    parts = [f"{count} of {len(layouts)} layers: {kind}" for kind, count in kinds.items()]
    vectors = [name for name, layout in layouts.items() if layout and not layout.spatial]
    if vectors:
        parts.append(f"no maps, taken as vectors: {_some(vectors)}")
    return "; ".join(parts)


def doubt_maps(layouts: Mapping[str, Layout | None]) -> str:
    """A line on layers that have several places but are not shown to be maps; "" without any.

    Example:
        >>> doubt_maps({"queries": Layout("sequence"), "fc": Layout("vector")})
        'no grid of places is shown in queries: averaged to vectors, not in the metrics of maps'
    """
    names = [
        name for name, layout in layouts.items() if layout and layout.kind.startswith("sequence")
    ]
    if not names:
        return ""
    return f"{NO_MAP} {_some(names)}: averaged to vectors, not in the metrics of maps"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _ruled(item: str, trace: Trace, blocks: Sequence[Call]) -> list[Call]:
    """The layers that ``auto`` and ``last`` stand for; none for other items."""
    if item == "last":
        return list(blocks[-1:])
    if item != "auto":
        return []
    pool = trace.call(trace.pool) if trace.pool else None
    if pool is None or pool.layout is None or (blocks and pool.end <= blocks[-1].end):
        return list(blocks)
    return [*blocks, *([pool] if pool.layout.kind in _POOLED else [])]


def _named(item: str, module: nn.Module | None, trace: Trace) -> list[str]:
    """The modules that a name or a glob stands for; none for the layers that a rule gives."""
    if item in ("auto", "last", EMBEDDING):
        return []
    if item in _final(trace):
        return []
    if item == LOGITS:
        raise InputError(
            f"layer 'logits': the model's task is {trace.answer.task}, so it has no class scores; "
            "use embedding"
        )
    usable = [call.name for call in usable_calls(trace)]
    if any(character in item for character in "*?["):
        found = [name for name in usable if fnmatch.fnmatchcase(name, item)]
        own = (EMBEDDING, *_final(trace))
        if not found and not any(fnmatch.fnmatchcase(name, item) for name in own):
            raise unknown_name("layer", item, layer_names(trace))
        return found
    if item in usable:
        return [item]
    if trace.call(item) is not None:
        raise _mixes_images(trace, item)
    if module is not None and item in dict(module.named_modules()):
        raise InputError(
            f"layer {item!r} exists but does not run in the forward pass of this model"
        )
    raise unknown_name("layer", item, (*layer_names(trace), "auto", "last"))


def _mixes_images(trace: Trace, name: str) -> InputError:
    call = trace.call(name)
    return InputError(
        f"layer {name!r}: its output of shape {list(call.shape) if call else []} is not one value "
        "set per image; watch the block around it"
    )


def auto_blocks(
    module: nn.Module, trace: Trace, show: Show, also: Sequence[str] = ()
) -> list[Call]:
    """The layers of ``auto`` that are shown to be maps, in the order of execution, at most 40.

    Args:
        module: The model.
        trace: Its dry run.
        show: Finds out which layers are maps.
        also: Names of further layers that are to be shown with the blocks, in the same pass.
    """
    calls = {
        call.name: call
        for call in usable_calls(trace)
        if call.layout is not None
        and call.layout.kind != "vector"
        and call.end < trace.embedding_position
    }

    def maps(names: Iterable[str]) -> list[Call]:
        wanted = [name for name in names if name in calls]
        show((*wanted, *also))
        found = [call for name in wanted if (call := trace.call(name)) is not None]
        return [call for call in found if call.layout is not None and call.layout.spatial]

    blocks = _blocks(module, calls)
    found = maps(blocks)
    if len(found) < _MIN_BLOCKS:
        found = max(found, maps(_layers_with_weights(module, calls, blocks)), key=len)
    if not found:
        found = maps(calls)
    found = sorted(found, key=lambda call: call.end)
    if len(found) <= MAX_LAYERS:
        return found
    kept = np.unique(np.linspace(0, len(found) - 1, MAX_LAYERS).round().astype(int))
    return [found[index] for index in kept]


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
    """Whether a module, if it is called, adds nothing to what runs in it, as a block does."""
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
    """Whether modules are of one class and hold the same arrays, the first of them perhaps more."""
    if len({type(module) for module in modules}) > 1:
        return False
    arrays = [{name for name, _ in module.named_parameters()} for module in modules]
    least = min(arrays, key=len)
    return all(least <= each for each in arrays)


def _is_stage(module: nn.Module, name: str, calls: Mapping[str, Call], *, item: bool) -> bool:
    """Whether a module holds blocks, and puts out what they do.

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
        if any(_own_weights(each) for each in part.modules())
        and (call := calls.get(f"{name}.{child}")) is not None
    )


def _is_compound(module: nn.Module) -> bool:
    return sum(_own_weights(part) for part in module.modules()) >= 2


def _own_weights(module: nn.Module) -> bool:
    arrays = any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))
    return arrays or is_steerable(module)
