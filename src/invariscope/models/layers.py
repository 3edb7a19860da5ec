"""Which layers are watched: names, globs, and the rule behind ``auto``.

``auto`` watches the outputs of the model's blocks, the global pooling where its output is not the
embedding, the embedding and the logits. A block is an item of a chain: of a ``Sequential``,
``ModuleList`` or ``ModuleDict`` (or the model itself, or a module whose children are all of one
class) at least half of whose items with parameters are compound, that is, hold two or more weight
arrays. So ``layer1.0`` of a ResNet, ``blocks.0.0`` of an EfficientNet, ``blocks.0`` of a
transformer or mixer, ``stages.0.blocks.0`` of a ConvNeXt, a dense layer of a DenseNet. Chains
inside blocks do not count. A model with fewer than three blocks is watched at its convolutions
(VGG, AlexNet), or else, when it has none, at its linear maps on tokens; failing both, at every
module with a spatial output. More than 40 layers are thinned evenly, the first and the last stay.
"""

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from invariscope.errors import InputError
from invariscope.models.fields import Fields, declared_fields, is_steerable
from invariscope.models.parts import depth_of, part_of
from invariscope.models.trace import Call, Trace
from invariscope.registry import unknown_name

EMBEDDING = "embedding"
LOGITS = "logits"
OUTPUT = "output"
MAX_LAYERS = 40
_MIN_BLOCKS = 3
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


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
        note: What is to be said of its channels; "" for nothing.
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
    declared: Sequence[tuple[str, int | Fields]] = (),
) -> tuple[Layer, ...]:
    """The layers of a selection in the order of execution, embedding and logits always among them.

    Raises:
        InputError: A name or glob, of the selection or of the declared fields, that fits no layer
            (it lists the nearest names); fields that do not fit the channels.
    """
    for pattern, _ in declared:
        if not fnmatch.filter(layer_names(trace), pattern):
            raise unknown_name("layer in fields", pattern, layer_names(trace))
    blocks = [] if module is None else auto_blocks(module, trace)
    chosen: dict[str, Call] = {}
    for item in parse_selection(selection):
        for call in _resolve(item, module, trace, blocks):
            chosen[call.name] = call
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
        note = "" if fields else call.note
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
    return layout.grid, call.shape[1] if layout.kind == "nchw" else call.shape[-1]


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


def _resolve(
    item: str, module: nn.Module | None, trace: Trace, blocks: Sequence[Call]
) -> list[Call]:
    if item == "auto":
        pool = trace.call(trace.pool) if trace.pool else None
        later = pool and (not blocks or pool.end > blocks[-1].end)
        return [*blocks, *([pool] if pool and later else [])]
    if item == "last":
        return list(blocks[-1:])
    if item == EMBEDDING:
        return []
    if item in _final(trace):
        return []
    if item == LOGITS:
        raise InputError(
            f"layer 'logits': the model's task is {trace.answer.task}, so it has no class scores; "
            "use embedding"
        )
    usable = usable_calls(trace)
    if any(character in item for character in "*?["):
        found = [call for call in usable if fnmatch.fnmatchcase(call.name, item)]
        own = (EMBEDDING, *_final(trace))
        if not found and not any(fnmatch.fnmatchcase(name, item) for name in own):
            raise unknown_name("layer", item, layer_names(trace))
        return found
    call = trace.call(item)
    if call is not None and call.layout is not None:
        return [call]
    if call is not None:
        raise InputError(
            f"layer {item!r}: its output of shape {list(call.shape)} is not one value set per "
            "image; watch the block around it"
        )
    if module is not None and item in dict(module.named_modules()):
        raise InputError(
            f"layer {item!r} exists but does not run in the forward pass of this model"
        )
    raise unknown_name("layer", item, (*layer_names(trace), "auto", "last"))


def auto_blocks(module: nn.Module, trace: Trace) -> list[Call]:
    """The spatial layers of ``auto``, in the order of execution, at most 40."""
    calls = {
        call.name: call
        for call in usable_calls(trace)
        if call.layout is not None and call.layout.spatial and call.end < trace.embedding_position
    }
    found = _pick(_blocks(module, "", root=True), calls)
    if len(found) < _MIN_BLOCKS:
        found = max(found, _layers_with_weights(module, calls), key=len)
    if not found:
        found = list(calls.values())
    found = sorted(found, key=lambda call: call.end)
    if len(found) <= MAX_LAYERS:
        return found
    kept = np.unique(np.linspace(0, len(found) - 1, MAX_LAYERS).round().astype(int))
    return [found[index] for index in kept]


def _pick(names: Iterable[str], calls: dict[str, Call]) -> list[Call]:
    return [calls[name] for name in names if name in calls]


def _layers_with_weights(module: nn.Module, calls: dict[str, Call]) -> list[Call]:
    kinds = {n: m for n, m in module.named_modules() if n in calls and _own_weights(m)}
    # Squeeze-and-excitation and the like work on 1×1 maps: no layer of the spatial path.
    large = [n for n in kinds if (layout := calls[n].layout) and layout.grid != (1, 1)]
    names = large or list(kinds)
    convolutions = [n for n in names if isinstance(kinds[n], nn.Conv2d) or is_steerable(kinds[n])]
    return _pick(convolutions if len(convolutions) > 1 else names, calls)


def _blocks(module: nn.Module, prefix: str, root: bool = False) -> list[str]:
    """Names of the blocks in a module; see the top of this file for the rule."""
    chain = root or _is_chain(module)
    names: list[str] = []
    for name, child in module.named_children():
        full = f"{prefix}{name}"
        if any(_is_chain(part) for part in child.modules()):
            names += _blocks(child, f"{full}.")
        elif chain and _is_compound(child):
            names.append(full)
    return names


def _is_chain(module: nn.Module) -> bool:
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    # Stages that name their blocks one by one; branches, which are containers, run side by side.
    alike = len({type(child) for child in children}) == 1 < len(children)
    alike = alike and not isinstance(children[0], _CONTAINERS)
    if not isinstance(module, _CONTAINERS) and not alike:
        return False
    compound = sum(_is_compound(child) for child in children)
    return compound > 0 and 2 * compound >= len(children)


def _is_compound(module: nn.Module) -> bool:
    return sum(_own_weights(part) for part in module.modules()) >= 2


def _own_weights(module: nn.Module) -> bool:
    arrays = any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))
    return arrays or is_steerable(module)
