"""What invariscope says of a member of the zoo beside what its library says: a row of the table."""

import math
import re
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn

from invariscope.models import Probe, load_model
from invariscope.models.activations import Activation, FeatureMap
from invariscope.models.trace import Trace
from networks.awake import awaken, pictures
from networks.members import Member
from oracles.embeddings import reference_embedding, reference_output
from oracles.grids import RIGHT, TELLING, convolved, told, with_patches

MEAN, STD = (0.45, 0.5, 0.55), (0.25, 0.2, 0.3)
_ATTENTION = re.compile(r"attention|attn|mla$|posenc", re.IGNORECASE)
# Words in the names of classes that hold attention beside other things.
_BLOCKS = re.compile(
    r"block|layer|stage|encoder|(down|sub)sample|model|pool|mobileattention", re.IGNORECASE
)

# Networks of several scales side by side: a block puts out all of them, the first is read.
SIDE_BY_SIDE = ("coat", "crossvit")


@dataclass
class Examined:
    """A row of the table.

    Args:
        member: Whose row it is.
        how: Where the library's own embedding comes from.
        expected: Its width.
        width: Width of invariscope's embedding.
        layers: Names of the layers of ``auto`` without embedding and logits.
        layouts: Of each layer: the kind of its output, with the number of prefix tokens.
        maps: Of each layer read as a map: the share of cells that tell a place of the picture, and
            the share of these that lie there.
        silent: Of these the ones at which too few cells tell a place.
        problems: What is wrong, one line each.
        decisions: What invariscope says that it decided.
    """

    member: Member
    how: str = ""
    expected: int = 0
    width: int = 0
    layers: tuple[str, ...] = ()
    layouts: dict[str, str] = field(default_factory=dict)
    maps: dict[str, tuple[float, float]] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    decisions: dict[str, str] = field(default_factory=dict)


@cache
def examine(member: Member) -> Examined:
    """Builds a member, measures it and compares; nothing is raised, problems are listed."""
    row = Examined(member)
    module = awaken(member.build(), normalised(pictures(4, member.side, seed=1)))
    try:
        probe = load_model(
            module,
            preprocessing={"size": (member.side, member.side), "mean": MEAN, "std": STD},
        )
        example = pictures(2, member.side, seed=2)
        layers = [layer.name for layer in probe.watch("auto", example)]
        row.decisions = probe.decisions(example)
        trace = probe._trace(example)
        row.layers = tuple(name for name in layers if name not in ("embedding", "logits"))
        for name in row.layers:
            call = trace.call(name)
            if call and call.layout:
                prefix = f"+{call.layout.prefix}" if call.layout.prefix else ""
                row.layouts[name] = call.layout.kind + prefix
        _compare_vectors(row, module, probe, layers)
        _check_maps(row, module, probe)
        _check_choice(row, module)
        _check_end(row, trace)
    except Exception as error:
        row.problems.append(f"{type(error).__name__}: {str(error)[:300]}")
    return row


def normalised(images: Tensor) -> Tensor:
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return (images - mean) / std


def _compare_vectors(row: Examined, module: nn.Module, probe: Probe, layers: list[str]) -> None:
    for count, seed in ((5, 3), (3, 4)):
        images = pictures(count, row.member.side, seed)
        batch = normalised(images)
        library = row.member.library
        again, _ = reference_embedding(library, *_in_order(module, batch, torch.channels_last))
        scores_again = _scores(module, batch.contiguous(memory_format=torch.channels_last))
        _in_order(module, batch, torch.contiguous_format)
        embedding, row.how = reference_embedding(library, module, batch)
        output = _scores(module, batch)
        seen = probe.forward(images, layers).vectors
        row.expected, row.width = embedding.shape[1], seen["embedding"].shape[1]
        row.problems += [f"{k}: not finite" for k in layers if not bool(seen[k].isfinite().all())]
        if problem := difference(seen["embedding"], embedding, again):
            row.problems.append(f"embedding: {problem}")
        if output is None and "logits" in layers:
            row.problems.append("logits: made up, the network has none")
        elif output is not None and "logits" not in layers:
            row.problems.append("logits: not found")
        elif output is not None:
            if problem := difference(seen["logits"], output, scores_again):
                row.problems.append(f"logits: {problem}")
        if row.problems:
            return


def _in_order(module: nn.Module, batch: Tensor, order: torch.memory_format):
    """The network and the pictures in an order in memory: the same but for rounding."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=order)
    return module, batch.contiguous(memory_format=order)


def _scores(module: nn.Module, batch: Tensor) -> Tensor | None:
    """Class scores by the network's own word; None where it has no classes."""
    if getattr(module, "num_classes", None) == 0:
        return None
    output = reference_output(module, batch)
    return output if isinstance(output, Tensor) else output.get("logits")


def difference(seen: Tensor, expected: Tensor, again: Tensor | None = None) -> str | None:
    """What is wrong, or None.

    The unit is how much pictures differ from one another. A thousandth of it is rounding; so is
    what the network differs by from itself when weights and pictures lie in another order in
    memory (`again`).
    """
    if seen.shape != expected.shape:
        return f"{seen.shape[1]} wide, expected {expected.shape[1]}"
    variation = float((expected - expected.mean(0)).norm())
    if not variation > 1e-5 * float(expected.norm()):
        return f"pictures differ too little to tell: {variation:.2g} of {expected.norm():.2g}"
    off = float((seen - expected).norm()) / variation
    rounding = 0.0 if again is None else float((again - expected).norm()) / variation
    if rounding > 0.05:
        return f"rounding alone is {rounding:.2g} of how much pictures differ"
    return None if off <= max(1e-3, 5 * rounding) else f"off by {off:.2g} of how pictures differ"


def _check_maps(row: Examined, module: nn.Module, probe: Probe) -> None:
    base, others = pictures(2, row.member.side, 5), pictures(2, row.member.side, 6)
    batch = with_patches(base, others)
    sizes: dict[str, tuple[int, ...]] = {}

    def found(name: str, activation: Activation) -> tuple[float, float] | None:
        if not isinstance(activation, FeatureMap) or activation.values.shape[-2:] == (1, 1):
            return None
        sizes[name] = tuple(activation.values.shape[-2:])
        return told(activation.values, len(base))

    seen = probe.forward(batch, row.layers, found).vectors
    row.maps = {name: pair for name, pair in seen.items() if pair is not None}
    one = normalised(base[:1])
    grids = convolved(module, lambda: reference_output(module, one))
    shown: set[str] = set()
    for name, (telling, right) in row.maps.items():
        layout, cells = row.layouts[name], math.prod(sizes[name])
        if telling < TELLING or telling * cells < 2:
            row.silent += (name,)
            if layout not in shown and not (layout == "nchw" and sizes[name] in grids):
                row.problems.append(f"{name}: nothing shows a {layout} map {sizes[name]}")
        elif right >= RIGHT:
            shown.add(layout)
        else:
            came = f"{right:.0%} of the cells that tell a place lie there"
            row.problems.append(f"{name}: read as {layout} map {sizes[name]}; {came}")


def _check_end(row: Examined, trace: Trace) -> None:
    """The last map of ``auto`` is as coarse as the last map that weights make."""
    made = [
        call.layout.grid
        for call in trace.calls
        if call.owns_parameters and call.end < trace.embedding_position
        if call.layout and call.layout.spatial and call.layout.grid != (1, 1)
    ]
    watched = [trace.call(name) for name in row.maps]
    grids = [call.layout.grid for call in watched if call and call.layout]
    side_by_side = row.member.family in SIDE_BY_SIDE
    if made and grids and not side_by_side and math.prod(grids[-1]) > math.prod(made[-1]):
        row.problems.append(f"auto: ends at a grid {grids[-1]}, the network at {made[-1]}")


def _check_choice(row: Examined, module: nn.Module) -> None:
    if len(row.layers) < 3:
        row.problems.append(f"auto: {len(row.layers)} layers: {', '.join(row.layers)}")
    for name in row.layers:
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            kind = type(module.get_submodule(".".join(parts[:depth]))).__name__
            if _ATTENTION.search(kind) and not _BLOCKS.search(kind):
                row.problems.append(f"auto: {name} is inside attention ({kind})")
                break
        part = module.get_submodule(name)
        bare = next(part.parameters(), None) is None
        if bare and "Pool" not in type(part).__name__ and part is not None:
            row.problems.append(f"auto: {name} is a {type(part).__name__} without parameters")
