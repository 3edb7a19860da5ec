"""Selects the layers that are watched: names, globs, ``auto``.

``auto`` watches the outputs of the model's blocks (`invariscope.models.blocks`) that a probe of the
input shows to be maps (`invariscope.models.grids`), the global pooling where its output is not the
embedding, the embedding and the logits. Layers that were asked for and are not there are named.
"""

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models.activations import Layout
from invariscope.models.blocks import Blocks, Show, auto_blocks
from invariscope.models.fields import Fields, declared_fields
from invariscope.models.layer_words import NO_MAP
from invariscope.models.parts import depth_of, part_of
from invariscope.models.trace import Call, Trace
from invariscope.registry import unknown_name

EMBEDDING = "embedding"
LOGITS = "logits"
OUTPUT = "output"
_POOLED = ("nchw", "nhwc", "vector")


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


@dataclass(frozen=True)
class Selection:
    """The layers of a selection.

    Args:
        layers: In the order of execution.
        left_out: Modules that the selection stands for but that are not among them, and how they
            would be read; None where no tensor they put out has one entry per image.
    """

    layers: tuple[Layer, ...] = ()
    left_out: Mapping[str, Layout | None] = field(default_factory=dict)


def parse_selection(selection: str | Sequence[str] | None) -> tuple[str, ...]:
    """Splits a selection into its items; a comma separates, None is ``auto``.

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
) -> Selection:
    """Selects layers in the order of execution, embedding and logits always among them.

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
    seen = Blocks([])
    if module is not None:
        seen = auto_blocks(module, trace, usable_calls(trace), show, tuple(named))
    blocks = seen.maps
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
        watched = Layer(call.name, part, depth, *_size(call), fields or call.fields, note)
        layers.append((call.end, watched))
    fields = declared_fields(EMBEDDING, trace.width, declared) or trace.fields
    layers.append((embedding, Layer(EMBEDDING, "Pool", depth_of(embedding, ladder), fields=fields)))
    for final in _final(trace):
        fields = declared_fields(final, trace.num_outputs or math.prod(trace.shape[1:]), declared)
        layers.append((end, Layer(final, "Final", 1.0, fields=fields)))
    ordered = tuple(layer for _, layer in sorted(layers, key=lambda entry: entry[0]))
    asked = [*(seen.left_out if {"auto", "last"} & set(items) else ()), *_matched(items, trace)]
    missing = [call for name in asked if name not in chosen and (call := trace.call(name))]
    return Selection(ordered, {call.name: call.layout for call in missing})


def _matched(items: Sequence[str], trace: Trace) -> list[str]:
    """The modules whose names globs of a selection fit."""
    globs = [item for item in items if _is_glob(item)]
    names = [call.name for call in trace.calls if call.name not in (EMBEDDING, LOGITS, OUTPUT)]
    return [name for glob in globs for name in fnmatch.filter(names, glob)]


def _is_glob(item: str) -> bool:
    return any(character in item for character in "*?[")


def _size(call: Call) -> tuple[tuple[int, int], int]:
    """Grid and channels of a layer's maps."""
    layout = call.layout
    if layout is None or not layout.spatial:
        return (1, 1), 0
    return layout.grid, layout.channels_in(call.shape)


def layer_names(trace: Trace) -> tuple[str, ...]:
    """Returns every name that a selection may use: the modules that run, embedding, logits."""
    names = [call.name for call in usable_calls(trace)]
    return (*names, EMBEDDING, *_final(trace))


def usable_calls(trace: Trace) -> list[Call]:
    """Returns the modules that can be watched; those with the name of a layer of ours are not."""
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
    if _is_glob(item):
        names = [name for name in usable if fnmatch.fnmatchcase(name, item)]
        own = (EMBEDDING, *_final(trace))
        if not names and not any(fnmatch.fnmatchcase(name, item) for name in own):
            raise unknown_name("layer", item, layer_names(trace))
        return names
    if item in usable:
        return [item]
    if trace.call(item) is not None:
        raise _mixes_images(trace, item)
    part = dict(module.named_modules()).get(item) if module is not None else None
    if isinstance(part, torch.jit.ScriptModule):
        raise InputError(
            f"layer {item!r} is TorchScript, into which nothing can be seen; watch a layer behind "
            "it, or give the model as it was before scripting"
        )
    if part is not None:
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
