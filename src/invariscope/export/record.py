"""What goes out of a run, whatever takes it: numbers by name, settings, tables, pictures, pages.

Numbers are curves and single numbers. A curve has a point for each level of a transformation (or
each iteration of a training); its name has parts, such as (relative_invariance, rotate, embedding),
and a slash joins them, so that trackers put charts of one metric together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.outside import tracker_name, tracker_names

if TYPE_CHECKING:
    import pandas as pd

Name = tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """Numbers over steps.

    Args:
        name: Its parts.
        points: (step, value) in the order of the steps; every value is finite.
        axis: The curve that says what the steps are, such as (magnitude, rotate); () if the steps
            say it themselves.
    """

    name: Name
    points: tuple[tuple[int, float], ...]
    axis: Name = ()


@dataclass(frozen=True)
class Record:
    """A finished run, ready to be handed on.

    Args:
        command: What wrote it: measure, compare, factors or train.
        title: What people call it: model and data.
        identity: Digest of what was computed; the same run exported again has the same.
        settings: What it was made with, nested as in the manifest, without its long lists.
        manifest: All that would repeat it.
        curves: Numbers over levels or iterations, the axes among them.
        numbers: Single numbers, by the parts of their names.
        table: The tidy frame.
        summary: A short table for people, drawn from the frame.
        paper: A table for a paper, of cells (value, low, high); None: the run has none.
        figures: A function for each picture that draws it as PNG, by name.
        groups: Groups of images, each against the others; None: the run has none.
        page: Writes report.html, and what belongs to it, into a folder.
        notes: What was left out.
    """

    command: str
    title: str
    identity: str
    settings: Mapping[str, Any]
    manifest: Mapping[str, Any]
    curves: tuple[Curve, ...]
    numbers: Mapping[Name, float]
    table: "pd.DataFrame"
    summary: "pd.DataFrame"
    paper: "pd.DataFrame | None" = None
    figures: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    groups: "pd.DataFrame | None" = None
    page: Callable[[Path], object] | None = None
    notes: tuple[str, ...] = ()

    def names(self) -> dict[Name, str]:
        """Gives every curve and number a name that trackers take, and no two the same one."""
        axes = [curve.axis for curve in self.curves if curve.axis]
        return tracker_names([*axes, *(curve.name for curve in self.curves), *self.numbers])


def altered(names: Mapping[Name, str]) -> dict[str, str]:
    """The true name of each name that lost something."""
    return {shown: "/".join(name) for name, shown in names.items() if shown != "/".join(name)}


def flat(settings: Mapping[str, Any], longest: int) -> dict[str, str]:
    """Settings as text by dotted names, each no longer than a tracker takes.

    Example:
        >>> flat({"seed": 0, "preprocessing": {"size": [32, 32], "resize": None}}, 100)
        {'seed': '0', 'preprocessing.size': '32, 32', 'preprocessing.resize': 'None'}
    """
    found: dict[str, str] = {}
    for key, value in settings.items():
        name = tracker_name(str(key))
        if isinstance(value, Mapping):
            inner = flat(value, longest)
            found |= {f"{name}.{key}": text for key, text in inner.items()}
            continue
        parts = value if isinstance(value, list | tuple) else [value]
        text = ", ".join(str(part) for part in parts)
        found[name] = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return found
