"""Makes the pool of a search: operations that may turn one image of a class into another.

The pool ``families`` has the levels at which a search looks for factors (`LEVELS`): both directions
of each family, and what lies outside a picture continued by its reflection. Black or grey corners
would set a turned picture apart from every other one, and hide that it was turned.

The pool of paper 000 §4 is that of AutoAugment: 63 pairs of a family and a level (``singles``) and
49 sub-policies, two such pairs one after the other (``policies``), at the magnitudes of the table
``search``: Pillow's meaning of each, grey outside the frame, shear about the picture's top-left
corner. Any transformation of your own can be added; each of its levels is an operation.

Where a family has two directions, each image draws its own from (seed, family, image id): the same
one at every level, and the same in a sub-policy as alone, so that "shear_x 4 + invert 3" is
"shear_x 4" inverted. The steps of a sub-policy pass floats on; the published code goes through
eight bits in between.

Equal operations (equalize has one strength, however many levels name it; a step that changes
nothing drops out) keep their names and share a key: they are computed once. Those whose every step
changes nothing, such as "rescale 0", are not computed at all; their change is 0 and they serve as
null controls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from invariscope.errors import InputError
from invariscope.transformations import (
    FAMILIES,
    IDENTITY,
    SUB_POLICIES,
    TABLES,
    Operation,
    Transformation,
    get_transformation,
)
from invariscope.transformations.geometry import CENTRES

POOLS = BOTH_WAYS, SINGLES, POLICIES, ALL = "families", "singles", "policies", "all"

#: The levels at which a search looks for factors, in both directions.
LEVELS = {
    "rotate": (-40, -25, -12, 12, 25, 40, 90, 180, 270),
    "shear_x": (-30, -20, -10, 10, 20, 30),
    "shear_y": (-30, -20, -10, 10, 20, 30),
    "translate_x": (-0.2, -0.1, 0.1, 0.2),
    "translate_y": (-0.2, -0.1, 0.1, 0.2),
    "zoom_in": (1.25, 1.6, 2),
    "zoom_out": (0.8, 0.6),
    "flip_horizontal": (1,),
    "flip_vertical": (1,),
    "brightness_up": (1.3, 1.7),
    "brightness_down": (0.7, 0.4),
    "contrast": (0.5, 0.75, 1.4, 1.8),
    "saturation": (0, 0.5, 1.6),
    "hue": (-0.33, -0.2, -0.1, 0.1, 0.2, 0.33, 0.5),
    "invert": (1,),
    "sharpness": (0.3, 1.7),
    "blur": (0.01, 0.02),
    "posterize": (4, 3),
}


def get_operations(
    operations: str | Sequence[str | Transformation | Operation] = BOTH_WAYS,
    shear_centre: str = "corner",
) -> tuple[Operation, ...]:
    """Makes the pool of a search from names and transformations.

    Args:
        operations: A comma-separated list or a sequence of
            "families": 61 levels of 18 families, in both directions, to look for factors;
            "singles" (63), "policies" (49) or "all" (both), those of paper 000;
            a family such as "rotate" or "zoom_in": its levels in "families" or, where it has none,
            in the table ``search`` or ``standard``;
            magnitudes of your own, "rotate=5/10";
            one operation by its name, "rotate 9" or "shear_x 4 + invert 3";
                `Transformation` objects, each level of them, and `Operation` objects.
        shear_centre: What the shears of the table ``search`` leave in place: "corner", as Pillow
            does, or "centre".

    Returns:
        Operations of different names, in the order given. One that changes nothing belongs to every
        pool, as the null control; it is added where there is none.

    Raises:
        InputError: A name that is not known, two operations of one name, or nothing.

    Example:
        >>> [len(get_operations(pool)) for pool in ("families", "singles", "policies", "all")]
        [62, 63, 50, 112]
        >>> [operation.name for operation in get_operations("rotate=5/10")]
        ['rotate=5', 'rotate=10', 'identity']
    """
    if shear_centre not in CENTRES:
        raise InputError(f"shear_centre must be one of {', '.join(CENTRES)}, not {shear_centre!r}")
    terms = operations.split(",") if isinstance(operations, str) else operations
    pool: dict[str, Operation] = {}
    for term in terms:
        if isinstance(term, str) and not term.strip():
            continue
        for operation in _of(term, shear_centre):
            known = pool.setdefault(operation.name, operation)
            if known.key != operation.key:
                raise InputError(
                    f"two operations are called {operation.name!r}: give one of them a name of its "
                    "own, as an Operation"
                )
    if not pool:
        raise InputError("no operation is named; try all, singles, policies or rotate=5/10")
    if not any(operation.kind == IDENTITY for operation in pool.values()):
        pool[IDENTITY] = Operation(IDENTITY)
    return tuple(pool.values())


def unique_operations(operations: Sequence[Operation]) -> dict[str, Operation]:
    """Lists the operations to compute, by key: each once, without those that change nothing.

    Operations that begin with the same step stand together, so that it is done once.

    Example:
        >>> len(unique_operations(get_operations("singles")))
        47
    """
    unique: dict[str, Operation] = {}
    for operation in operations:
        if operation.acting:
            unique.setdefault(operation.key, operation)
    order = {
        first_key(operation): row for row, operation in reversed(list(enumerate(unique.values())))
    }
    return dict(sorted(unique.items(), key=lambda item: order[first_key(item[1])]))


def first_key(operation: Operation) -> str:
    """Gives the key of an operation's first step."""
    transformation, level = operation.acting[0]
    return transformation.operation(level)


def _of(term: str | Transformation | Operation, shear_centre: str) -> Iterator[Operation]:
    """Makes the operations of one entry of a pool."""
    if isinstance(term, Operation):
        yield term
    elif isinstance(term, Transformation):
        yield from _own(term)
    elif term.strip() == ALL:
        yield from _of(SINGLES, shear_centre)
        yield from _of(POLICIES, shear_centre)
    elif term.strip() == BOTH_WAYS:
        for name in LEVELS:
            yield from _levels(name)
    elif term.strip() == SINGLES:
        for name, row in TABLES["search"].items():
            yield from (_named([(name, level)], shear_centre) for level in row.levels)
    elif term.strip() == POLICIES:
        yield from (_named(policy, shear_centre) for policy in SUB_POLICIES)
    else:
        yield from _written(term.strip(), shear_centre)


def _written(term: str, shear_centre: str) -> Iterator[Operation]:
    """A family, a family with magnitudes, or an operation by its name."""
    words = [part.split() for part in term.split("+")]
    if "=" in term:
        yield from _own(_reflecting(get_transformation(term)))
    elif all(len(part) == 2 and part[1].isdigit() for part in words):
        yield _named([(name, int(level)) for name, level in words], shear_centre)
    elif term in LEVELS:
        yield from _levels(term)
    elif term in (*TABLES["search"], *FAMILIES) or len(words) == 1:
        transformation = _tabled(term, shear_centre)
        for level in transformation.levels:
            if not transformation.is_identity(level):
                yield _named([(term, level)], shear_centre)
    else:
        raise InputError(
            f"operation {term!r}: name a family and a level for each step, such as "
            "'shear_x 4 + invert 3'"
        )


def _levels(name: str) -> Iterator[Operation]:
    """Takes a family at the levels of `LEVELS`."""
    magnitudes = "/".join(f"{magnitude:g}" for magnitude in LEVELS[name])
    return _written(f"{name}={magnitudes}", "centre")


def _reflecting(transformation: Transformation) -> Transformation:
    """Continues pictures by their reflection: corners of one colour would set all pairs apart."""
    if transformation.kind != "geometric":
        return transformation
    how = replace(transformation.resampling, border="reflect")
    return replace(transformation, resampling=how)


def _own(transformation: Transformation) -> Iterator[Operation]:
    """Takes the levels of a transformation that is in no table, named by their magnitudes."""
    for level in transformation.levels:
        if not transformation.is_identity(level):
            name = f"{transformation.name}={'±' * transformation.signed}"
            name += f"{transformation.magnitudes[level]:g}"
            if transformation.unit == "" and len(transformation.magnitudes) == 2:
                name = transformation.name
            if transformation.family.members:
                name = f"{transformation.name} {transformation.describe(level)}"
            yield Operation(name, ((transformation, level),))


def _named(steps: Sequence[tuple[str, int]], shear_centre: str) -> Operation:
    """Finds the operation called, for example, "shear_x 4 + invert 3"."""
    acting = tuple((_tabled(name, shear_centre), level) for name, level in steps)
    for transformation, level in acting:
        transformation.describe(level)  # a level that it has
    return Operation(" + ".join(f"{name} {level}" for name, level in steps), acting)


def _tabled(name: str, shear_centre: str) -> Transformation:
    """Takes a family at the magnitudes of the table ``search``, or else of the standard one."""
    table = "search" if name in TABLES["search"] else "standard"
    transformation = get_transformation(name, table)
    if name in ("shear_x", "shear_y"):
        how = replace(transformation.resampling, centre=shear_centre)
        transformation = replace(transformation, resampling=how)
    return transformation
