"""Finds a manifest's levels in the rows: their cells, and the unit beside their values."""

from collections.abc import Collection, Mapping
from typing import Any

_CELLS = ("cell", "orbit_cell", "derivative_cell")


def entry_cells(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Lists the cells that stand for a level: its own, its orbit's, its derivative (level 0).

    Example:
        >>> entry_cells({"cell": "rotate=90", "orbit_cell": "C4: rotate=90"})
        ('rotate=90', 'C4: rotate=90')
    """
    return tuple(entry[key] for key in _CELLS if key in entry)


def unit_beside(entry: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Names the unit that stands beside a metric's values at a level.

    Args:
        entry: The level, of a manifest's ``settings["cells"]``.
        about: The metric, of a manifest's ``metrics``.

    Returns:
        The unit of the level's magnitude ("°"), of a derivative ("per radian²"), or "".

    Example:
        >>> level = {"unit": "°", "derivative_unit": "per radian²"}
        >>> [unit_beside(level, {"unit": kind}) for kind in ("level", "derivative", "none")]
        ['°', 'per radian²', '']
    """
    kind = about.get("unit", "level")
    if kind == "none":
        return ""
    return str(entry.get("derivative_unit", "") if kind == "derivative" else entry["unit"])


def cell_in(entry: Mapping[str, Any], cells: Collection[str]) -> str | None:
    """Finds the cell of a level among those of a series; None if it has none."""
    return next((cell for cell in entry_cells(entry) if cell in cells), None)


def metric_as(manifest: Mapping[str, Any], role: str) -> str:
    """Finds the metric of a run in a role, such as that of predictions that are "right".

    Example:
        >>> metric_as({"metrics": {"mine": {"role": "right"}}}, "right")
        'mine'
    """
    known = manifest.get("metrics", {})
    return next((name for name, about in known.items() if about.get("role") == role), "")
