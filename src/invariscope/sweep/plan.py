"""Plans a sweep: its cells, and the forward passes that they cost.

A cell is one operation on every image. Level 0 of every family is the same cell, the identity, and
operations that are equal (posterize to 6 bits at two levels, zoom in and rescale by the same
factor) are one cell: each is computed once and reported wherever it belongs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from invariscope.sweep.lie import lie_cell
from invariscope.transformations import IDENTITY, Operation, Transformation

BLOCK_SIZE = 32

MEASUREMENT = ""
UNTRAINED = "untrained"
FLOOR = "floor"
SHUFFLED = "shuffled"


@dataclass(frozen=True)
class Cell(Operation):
    """One operation of at most one step on every image; its name is its key, as in the rows.

    Args:
        controlled: Whether the controls are measured here.
        twin: Whether the untrained twin sees it too.
    """

    controlled: bool = False
    twin: bool = False

    @property
    def key(self) -> str:
        """The operation as it stands in the rows: "identity", "rotate=±40"."""
        return self.name

    @property
    def transformation(self) -> Transformation | None:
        """The transformation of the cell, or None for the identity."""
        return self.steps[0][0] if self.steps else None

    @property
    def level(self) -> int:
        """The level of its transformation."""
        return self.steps[0][1] if self.steps else 0

    @property
    def control(self) -> str:
        """The control that this cell's rows belong to."""
        return FLOOR if self.there_and_back else MEASUREMENT

    @property
    def null(self) -> bool:
        """Says whether shuffled pairs are compared here; metrics of maps do so at few cells."""
        return self.controlled and not self.there_and_back


@dataclass(frozen=True)
class Entry:
    """One level of one transformation, and the cell that is reported there."""

    transformation: Transformation
    level: int
    cell: str

    def as_dict(self) -> dict[str, str | int | float]:
        """As it stands in the manifest."""
        derivative = lie_cell(self.transformation) if self.cell == IDENTITY else None
        return {
            "transformation": self.transformation.name,
            "level": self.level,
            "magnitude": self.transformation.magnitudes[self.level],
            "unit": self.transformation.unit,
            "kind": self.transformation.kind,
            "shown": self.transformation.describe(self.level),
            "cell": self.cell,
            "orbit_cell": self.orbit_cell,
            **({} if derivative is None else derivative.as_dict()),
        }

    @property
    def orbit_cell(self) -> str:
        """The key of this level within its orbit: metrics of orbits depend on the whole orbit."""
        return f"{self.transformation.name}: {self.cell}"


@dataclass(frozen=True)
class Orbit:
    """All levels of a transformation, or elements of a group, each once, the identity first.

    Args:
        is_group: Whether it is a group's.
        cells: The cells.
        keys: Their keys as parts of this orbit.
    """

    is_group: bool
    cells: tuple[Cell, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All cells of a sweep; the first is the identity."""

    transformations: tuple[Transformation, ...]
    cells: tuple[Cell, ...]
    entries: tuple[Entry, ...]
    twin: bool

    def orbits(self) -> list[Orbit]:
        """The orbit of each transformation."""
        cells = {cell.key: cell for cell in self.cells if not cell.there_and_back}
        orbits = []
        for transformation in self.transformations:
            own = [entry for entry in self.entries if entry.transformation is transformation]
            keys = dict.fromkeys((entry.cell, entry.orbit_cell) for entry in own)
            is_group = bool(transformation.family.members)
            chosen = tuple(cells[cell] for cell, _ in keys)
            orbits.append(Orbit(is_group, chosen, tuple(key for _, key in keys)))
        return orbits

    def without(self, keys: Collection[str]) -> "Plan":
        """Leaves some cells out, and the transformations that have none left.

        Args:
            keys: Of cells; the identity stays.
        """
        entries = [entry for entry in self.entries if entry.cell not in keys]
        left = {entry.transformation for entry in entries if entry.cell != IDENTITY}
        return Plan(
            tuple(chosen for chosen in self.transformations if chosen in left),
            tuple(cell for cell in self.cells if cell.key not in keys),
            tuple(entry for entry in entries if entry.transformation in left),
            self.twin,
        )

    @property
    def passes(self) -> int:
        """Forward passes per image, the twin's included."""
        return len(self.cells) + sum(cell.twin for cell in self.cells)


def make_plan(transformations: Sequence[Transformation], *, twin: bool, floor: bool) -> Plan:
    """Merges equal operations into one cell each, and adds the cells of the controls.

    Args:
        transformations: What is swept, each at its own levels.
        twin: Whether an untrained twin is measured at the control levels.
        floor: Whether T⁻¹T is measured at the control levels of geometric transformations.

    Example:
        >>> from invariscope.transformations import get_transformations
        >>> plan = make_plan(get_transformations("rotate,zoom_in"), twin=False, floor=False)
        >>> len(plan.entries), len(plan.cells)  # both level 0 are the identity
        (20, 19)
    """
    entries = [
        Entry(transformation, level, transformation.operation(level))
        for transformation in transformations
        for level in transformation.levels
    ]
    watched = {entry.cell for entry in entries if entry.level in control_levels(entry)}
    cells: dict[str, Cell] = {IDENTITY: Cell(IDENTITY, twin=twin)}
    floors: list[Cell] = []
    for entry in entries:
        if entry.cell in cells:
            continue
        controlled = entry.cell in watched
        at = (entry.cell, ((entry.transformation, entry.level),))
        cells[entry.cell] = Cell(*at, controlled=controlled, twin=twin and controlled)
        if floor and controlled and entry.transformation.kind == "geometric":
            floors.append(Cell(*at, there_and_back=True, controlled=True))
    every = (*cells.values(), *floors)
    return Plan(tuple(transformations), every, tuple(entries), twin)


def control_levels(entry: Entry) -> set[int]:
    """Chooses the levels of the controls: at a third, two thirds and all of the way."""
    levels = [
        level
        for level in entry.transformation.levels
        if not entry.transformation.is_identity(level)
    ]
    if not levels:
        return set()
    return {
        levels[round(part * len(levels) / 3) - 1] for part in (1, 2, 3) if part * len(levels) >= 3
    }


def blocks(selected: Sequence[int], size: int = BLOCK_SIZE) -> list[list[int]]:
    """Splits the images, in order, into blocks; a last block of one image joins its neighbour.

    Example:
        >>> [len(block) for block in blocks(range(65))]
        [32, 33]
    """
    parts = [list(selected[start : start + size]) for start in range(0, len(selected), size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2].extend(parts.pop())
    return parts
