"""Operations: what may turn one image of a class into another.

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
from dataclasses import dataclass, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.transformations import (
    FAMILIES,
    IDENTITY,
    SUB_POLICIES,
    TABLES,
    Transformation,
    get_transformation,
)
from invariscope.transformations.geometry import CENTRES

OperationKind = Literal["geometric", "appearance", "mixed", "identity"]
Step = tuple[Transformation, int]

SINGLES, POLICIES, ALL = "singles", "policies", "all"


@dataclass(frozen=True)
class Operation:
    """One or more steps, each a transformation at a level.

    Args:
        name: Its name in tables: "rotate 9", "shear_x 4 + invert 3", "rotate=5".
        steps: What is done, in this order.

    Example:
        >>> turn, same = get_transformation("rotate", "search"), get_transformation("saturation")
        >>> operation = Operation("rotate 9 + saturation 0", ((turn, 9), (same, 0)))
        >>> operation.kind, operation.key, operation.families
        ('geometric', ('rotate=30 (nearest, zeros, 0.502, centre)',), 'rotate+saturation')
    """

    name: str
    steps: tuple[Step, ...]

    @property
    def acting(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple((t, level) for t, level in self.steps if not t.is_identity(level))

    @property
    def key(self) -> tuple[str, ...]:
        """What is done, step by step: operations of equal keys are the same; () is the identity."""
        return tuple(transformation.operation(level) for transformation, level in self.acting)

    @property
    def kind(self) -> OperationKind:
        """What it changes, by the steps that change something."""
        kinds: set[OperationKind] = {transformation.kind for transformation, _ in self.acting}
        if len(kinds) > 1:
            return "mixed"
        return next(iter(kinds)) if kinds else "identity"

    @property
    def families(self) -> str:
        """The families of all steps: "rotate", "shear_x+invert"."""
        return "+".join(transformation.name for transformation, _ in self.steps) or IDENTITY

    @property
    def magnitude(self) -> str:
        """How far each step goes, for people."""
        return ", ".join(t.describe(level) for t, level in self.steps) or "off"

    @property
    def needs_colour(self) -> bool:
        """Whether a step of it has a meaning for red, green and blue alone."""
        return any(transformation.family.needs_colour for transformation, _ in self.acting)

    @property
    def policy(self) -> bool:
        """Whether it has several steps."""
        return len(self.steps) > 1

    def __call__(
        self, images: Float[Tensor, "image band height width"], seed: int, image_ids: Sequence[str]
    ) -> Float[Tensor, "image band height width"]:
        """The images, float in [0, 1], after all steps."""
        for transformation, level in self.steps:
            images = transformation(images, level, seed=seed, image_ids=image_ids)
        return images

    def as_dict(self) -> dict[str, object]:
        """As it stands in the manifest."""
        return {
            "name": self.name,
            "kind": self.kind,
            "families": self.families,
            "magnitude": self.magnitude,
            "policy": self.policy,
            "steps": [
                {
                    "family": t.name,
                    "magnitude": t.magnitudes[level],
                    "unit": t.unit,
                    "signed": t.signed,
                }
                for t, level in self.steps
            ],
            "key": list(self.key),
        }


def get_operations(
    operations: str | Sequence[str | Transformation | Operation] = ALL,
    shear_centre: str = "corner",
) -> tuple[Operation, ...]:
    """The pool of a search.

    Args:
        operations: A comma-separated list or a sequence of
            "singles" (63), "policies" (49) or "all" (both);
            a family such as "rotate" or "zoom_in": its levels in the table ``search`` or, where
            that has none, ``standard``;
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
        >>> len(get_operations("singles")), len(get_operations("policies")), len(get_operations())
        (63, 50, 112)
        >>> [operation.name for operation in get_operations("rotate=5/10")]
        ['rotate=5', 'rotate=10', 'identity']
    """
    if shear_centre not in CENTRES:
        raise InputError(f"shear_centre must be one of {', '.join(CENTRES)}, not {shear_centre!r}")
    terms = operations.split(",") if isinstance(operations, str) else operations
    found: dict[str, Operation] = {}
    for term in terms:
        if isinstance(term, str) and not term.strip():
            continue
        for operation in _of(term, shear_centre):
            known = found.setdefault(operation.name, operation)
            if known.key != operation.key:
                raise InputError(
                    f"two operations are called {operation.name!r}: give one of them a name of its "
                    "own, as an Operation"
                )
    if not found:
        raise InputError("no operation is named; try all, singles, policies or rotate=5/10")
    if not any(operation.kind == IDENTITY for operation in found.values()):
        found[IDENTITY] = Operation(IDENTITY, ())
    return tuple(found.values())


def unique_operations(operations: Sequence[Operation]) -> dict[tuple[str, ...], Operation]:
    """The operations that are computed, by key: each once, none that changes nothing.

    Operations that begin with the same step stand together, so that it is done once.

    Example:
        >>> len(unique_operations(get_operations("singles")))
        47
    """
    unique: dict[tuple[str, ...], Operation] = {}
    for operation in operations:
        if operation.key:
            unique.setdefault(operation.key, operation)
    first = {key[:1]: place for place, key in reversed(list(enumerate(unique)))}
    return dict(sorted(unique.items(), key=lambda item: first[item[0][:1]]))


def _of(term: str | Transformation | Operation, shear_centre: str) -> Iterator[Operation]:
    """The operations of one entry of a pool."""
    if isinstance(term, Operation):
        yield term
    elif isinstance(term, Transformation):
        yield from _own(term)
    elif term.strip() == ALL:
        yield from _of(SINGLES, shear_centre)
        yield from _of(POLICIES, shear_centre)
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
        yield from _own(get_transformation(term))
    elif all(len(part) == 2 and part[1].isdigit() for part in words):
        yield _named([(name, int(level)) for name, level in words], shear_centre)
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


def _own(transformation: Transformation) -> Iterator[Operation]:
    """The levels of a transformation that is in no table, named by their magnitudes."""
    for level in transformation.levels:
        if not transformation.is_identity(level):
            name = f"{transformation.name}={'±' * transformation.signed}"
            name += f"{transformation.magnitudes[level]:g}"
            if transformation.family.members:
                name = f"{transformation.name} {transformation.describe(level)}"
            yield Operation(name, ((transformation, level),))


def _named(steps: Sequence[tuple[str, int]], shear_centre: str) -> Operation:
    """The operation called, for example, "shear_x 4 + invert 3"."""
    acting = tuple((_tabled(name, shear_centre), level) for name, level in steps)
    for transformation, level in acting:
        transformation.describe(level)  # a level that it has
    return Operation(" + ".join(f"{name} {level}" for name, level in steps), acting)


def _tabled(name: str, shear_centre: str) -> Transformation:
    """A family at the magnitudes of the table ``search``, or else of the standard one."""
    table = "search" if name in TABLES["search"] else "standard"
    transformation = get_transformation(name, table)
    if name in ("shear_x", "shear_y"):
        how = replace(transformation.resampling, centre=shear_centre)
        transformation = replace(transformation, resampling=how)
    return transformation
