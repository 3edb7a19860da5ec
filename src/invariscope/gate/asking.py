"""Holds a rule against what a run has: its transformation, its metric, its levels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invariscope.gate.magnitudes import Ladder, same, within
from invariscope.gate.rule import Magnitude, Rule
from invariscope.metrics.kinds import HIGHER, LOWER
from invariscope.registry import unknown_name
from invariscope.results.cells import cell_in

_MEASURE = "; or measure there: invariscope measure … -t {}"


@dataclass(frozen=True)
class Asked:
    """A rule and the levels that it is about.

    Attributes:
        rule: The rule.
        entries: Levels of the run's manifest.
    """

    rule: Rule
    entries: tuple[dict[str, Any], ...]

    def cells_in(self, known: Collection[str]) -> list[tuple[dict[str, Any], str]]:
        """Each distinct cell with its level; one that has no rows yet goes by its own name."""
        cells: dict[str, dict[str, Any]] = {}
        for entry in self.entries:
            cells.setdefault(cell_in(entry, known) or entry["cell"], entry)
        return [(entry, cell) for cell, entry in cells.items()]


def asked_of(
    rule: Rule, manifest: Mapping[str, Any], magnitudes: Sequence[float] | None = None
) -> Asked:
    """Finds the levels that a rule is about.

    Args:
        rule: The rule.
        manifest: Of a run, or of one that is about to start.
        magnitudes: Those that were chosen already; None takes what the run has.

    Raises:
        InputError: The run has no such transformation, metric or level, or the rule asks for what
            the metric cannot say.
    """
    settings = manifest["settings"]
    about = manifest["metrics"].get(rule.metric)
    if about is None:
        raise rule.wrong(str(unknown_name("metric of the run", rule.metric, settings["metrics"])))
    check_metric(rule, about)
    own = [entry for entry in settings["cells"] if entry["transformation"] == rule.transformation]
    if not own:
        there = dict.fromkeys(entry["transformation"] for entry in settings["cells"])
        raise rule.wrong(str(unknown_name("transformation of the run", rule.transformation, there)))
    if about["kind"] == "derivative":
        return Asked(rule, tuple(entry for entry in own if "derivative_cell" in entry))
    moved = [entry for entry in own if entry["cell"] != "identity"]
    if about.get("at_identity") and not rule.side:
        moved = own
    if own[0]["unit"] == "element" and rule.side:
        shown = element_of(rule, [entry["shown"] for entry in moved])
        return Asked(rule, tuple(entry for entry in moved if entry["shown"] == shown))
    if about["kind"] == "orbit" and rule.side:
        raise rule.wrong(whole_orbit(rule))
    if magnitudes is None:
        steps = tuple(entry["magnitude"] for entry in moved)
        identity = next(e["magnitude"] for e in own if e["cell"] == "identity")
        ladder = Ladder(identity, own[0]["unit"], steps, "the run", _MEASURE)
        magnitudes = within(rule, ladder) if rule.side else steps
    return Asked(rule, tuple(e for e in moved if any(same(e["magnitude"], m) for m in magnitudes)))


def check_metric(rule: Rule, about: Mapping[str, Any]) -> None:
    """Checks that the metric can say what the rule asks for.

    Args:
        rule: The rule.
        about: What a manifest says of its metric.

    Raises:
        InputError: The rule takes bad values for good ones, asks for a value that the metric does
            not have, or for one that no number of images shows.
    """
    direction = about["direction"]
    sign = ">=" if rule.at_least else "<="
    for better, right in ((HIGHER, ">="), (LOWER, "<=")):
        if direction.startswith(better) and sign != right:
            raise rule.wrong(
                f"of {rule.metric}, {direction}, so this would let the worst pass: write "
                f"{rule.metric} {right} {rule.threshold:g}"
            )
    low, high = about["range"]
    below = low is not None and rule.threshold < low
    if below or (high is not None and rule.threshold > high):
        ends = f"from {low:g}" if low is not None else ""
        ends += f" to {high:g}" if high is not None else ""
        share = high == 1 and 1 < rule.threshold <= 100
        hint = f": {rule.threshold:g}% is {rule.threshold / 100:g}" if share else ""
        raise rule.wrong(f"{rule.metric} goes {ends.strip()}, not to {rule.threshold:g}{hint}")
    if about["estimate"] == "share" and rule.threshold == (1 if rule.at_least else 0):
        near = 0.99 if rule.at_least else 0.01
        raise rule.wrong(
            f"no number of images shows that a share is exactly {rule.threshold:g}: write "
            f"{rule.metric} {sign} {near}"
        )
    if about.get("pooled") and rule.class_name is not None:
        raise rule.wrong(f"{rule.metric} is one number over the data set: leave 'for …' out")
    if about["kind"] == "derivative" and rule.side:
        raise rule.wrong(
            f"{rule.metric} is taken at the identity: write {rule.transformation} without '@'"
        )


def whole_orbit(rule: Rule) -> str:
    """Says that a metric of orbits has no part of one."""
    return (
        f"{rule.metric} is of all levels of {rule.transformation} together: write "
        f"{rule.transformation} without '@'"
    )


def element_of(rule: Rule, shown: Sequence[str]) -> str:
    """Finds the element of a group that a rule names, by how elements are shown.

    Raises:
        InputError: There is no such element; the message lists those that there are.
    """
    wanted = rule.magnitude
    if isinstance(wanted, Magnitude):
        wanted = f"{wanted.number:g}{wanted.unit}"
    known = {_plain(text): text for text in shown}
    if rule.side not in ("=", "up to") or _plain(str(wanted)) not in known:
        listed = ", ".join(list(known)[:12])
        raise rule.wrong(
            f"{rule.transformation} has the elements {listed}: write {rule.transformation} for all "
            f"of them, or {rule.transformation}@={next(iter(known))}"
        )
    return known[_plain(str(wanted))]


def _plain(text: str) -> str:
    return text.replace("°", "deg").replace(" ", "")
