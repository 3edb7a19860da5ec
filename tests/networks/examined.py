"""What invariscope says of a member of the zoo beside what its library says: one row of the table."""

import re
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn

from invariscope.models import load_model
from invariscope.models.activations import FeatureMap
from networks.awake import awaken, pictures
from networks.members import Member
from oracles.embeddings import reference_embedding, reference_output
from oracles.grids import places_found, with_patches

MEAN, STD = (0.45, 0.5, 0.55), (0.25, 0.2, 0.3)
_ATTENTION = re.compile(r"attention|attn|mla$|posenc", re.IGNORECASE)
# Words in the names of classes that hold attention beside other things.
_BLOCKS = re.compile(r"block|layer|stage|encoder|downsample|model", re.IGNORECASE)


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
        places: Of each layer read as a map: places found of nine.
        problems: What is wrong, one line each.
    """

    member: Member
    how: str = ""
    expected: int = 0
    width: int = 0
    layers: tuple[str, ...] = ()
    layouts: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
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
        _check_maps(row, probe)
        _check_choice(row, module)
    except Exception as error:  # noqa: BLE001: a row of the table, whatever happens
        row.problems.append(f"{type(error).__name__}: {str(error)[:300]}")
    return row


def normalised(images: Tensor) -> Tensor:
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return (images - mean) / std


def _compare_vectors(row: Examined, module: nn.Module, probe, layers: list[str]) -> None:
    for count, seed in ((5, 3), (3, 4)):
        images = pictures(count, row.member.side, seed)
        batch = normalised(images)
        expected, row.how = reference_embedding(row.member.library, module, batch)
        seen = probe.forward(images, layers).vectors
        row.expected, row.width = expected.shape[1], seen["embedding"].shape[1]
        row.problems += [
            f"{name}: not finite" for name in layers if not bool(seen[name].isfinite().all())
        ]
        if (problem := difference(seen["embedding"], expected)) is not None:
            row.problems.append(f"embedding: {problem}")
        output = reference_output(module, batch)
        output = output if isinstance(output, Tensor) else output.get("logits")
        if output is None:
            if "logits" in layers:
                row.problems.append("logits: made up, the network has none")
        elif "logits" not in layers:
            row.problems.append("logits: not found")
        elif (problem := difference(seen["logits"], output)) is not None:
            row.problems.append(f"logits: {problem}")
        if row.problems:
            return


def difference(seen: Tensor, expected: Tensor) -> str | None:
    """What is wrong, or None: the tolerance is relative to how much pictures differ."""
    if seen.shape != expected.shape:
        return f"{seen.shape[1]} wide, expected {expected.shape[1]}"
    variation = float((expected - expected.mean(0)).norm() / len(expected) ** 0.5)
    size = float(expected.norm() / len(expected) ** 0.5)
    if not variation > 1e-4 * size:
        return f"pictures differ too little to tell: {variation:.2g} of {size:.2g}"
    off = float((seen - expected).norm() / len(expected) ** 0.5)
    return None if off <= 1e-2 * variation and off <= 1e-3 * size else f"off by {off / variation:.2g} of the variation"


def _check_maps(row: Examined, probe) -> None:
    base, others = pictures(2, row.member.side, 5), pictures(2, row.member.side, 6)
    batch = with_patches(base, others)

    def found(name: str, activation) -> int | None:
        if not isinstance(activation, FeatureMap) or activation.values.shape[-2:] == (1, 1):
            return None
        return places_found(activation.values, len(base))

    with torch.no_grad():
        places = probe.forward(batch, row.layers, found).vectors
    row.places = {name: value for name, value in places.items() if value is not None}
    row.problems += [
        f"{name}: read as {row.layouts.get(name)} map, {value} of 9 places found"
        for name, value in row.places.items()
        if value < 7
    ]


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
