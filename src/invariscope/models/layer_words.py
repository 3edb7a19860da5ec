"""Describes in words how layers are read, for the record and the warnings of a run."""

from collections import Counter
from collections.abc import Mapping, Sequence

from invariscope.errors import first_of
from invariscope.models.activations import BY_CLASS, BY_KERNEL, Layout

NO_MAP = "no grid of places is shown in"
# Layers that a line names.
_NAMED = 5


Layouts = Mapping[str, Layout | None]


def describe_layouts(layouts: Layouts, left_out: Layouts) -> str:
    """Describes how some layers are read, and which were left out, in one line.

    Example:
        >>> read = {"a": Layout("nchw"), "b": Layout("nchw"), "c": Layout("sequence")}
        >>> describe_layouts(read, {"d": Layout("sequence")})
        '2 of 3 layers: NCHW; no maps, taken as vectors: c; left out: d'
    """
    spatial = [layout for layout in layouts.values() if layout and layout.spatial]
    kinds = Counter(layout.describe() for layout in spatial)
    parts = [f"{count} of {len(layouts)} layers: {kind}" for kind, count in kinds.items()]
    for how in (BY_CLASS, BY_KERNEL):
        count = sum(layout.shown == how for layout in spatial)
        parts += [f"{count} of these {how}"] if count else []
    vectors = [name for name, layout in layouts.items() if layout and not layout.spatial]
    if vectors:
        parts.append(f"no maps, taken as vectors: {_some(vectors)}")
    if left_out:
        parts.append(f"left out: {_some(list(left_out))}")
    return "; ".join(parts)


def doubts_on_layers(layouts: Layouts, left_out: Layouts) -> list[str]:
    """Warns of layers of several positions that are not shown to be maps, or are left out.

    Example:
        >>> layouts = {"queries": Layout("sequence"), "fc": Layout("vector")}
        >>> doubts_on_layers(layouts, {})
        ['no grid of places is shown in queries: averaged to vectors, not in the metrics of maps']
        >>> doubts_on_layers({}, {"windows": None})
        ['no tensor that windows puts out has one entry per image: left out']
    """
    averaged = [n for n, layout in layouts.items() if layout and layout.kind.startswith("sequence")]
    unshown = [name for name, layout in left_out.items() if layout is not None]
    mixed = [name for name, layout in left_out.items() if layout is None]
    verb = "puts" if len(mixed) == 1 else "put"
    lines = {
        f"{NO_MAP} {_some(averaged)}: averaged to vectors, not in the metrics of maps": averaged,
        f"{NO_MAP} {_some(unshown)}: left out of auto; a layer that is named is averaged to a "
        "vector": unshown,
        f"no tensor that {_some(mixed)} {verb} out has one entry per image: left out": mixed,
    }
    return [line for line, names in lines.items() if names]


def _some(names: Sequence[str]) -> str:
    return first_of(names, _NAMED)
