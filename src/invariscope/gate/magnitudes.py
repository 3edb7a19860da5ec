"""Which levels of a transformation a rule is about, and how magnitudes are written.

Levels begin at the identity and go as far as the rule says: to larger magnitudes with `@<=`
(degrees from 0, factors from 1), to smaller ones with `@>=` (a brightness from 1 down to 0.5). The
last of them must be the rule's own magnitude: a rule up to 15° is not shown by what was measured up
to 10°, so a run that lacks it is refused, and a model is measured there.

A model is measured at the levels of the table that lie within, and at the rule's magnitude; at a
third, two thirds and all of the way, where these are fewer than three.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from invariscope.gate.rule import Magnitude, Rule

_UNITS = {
    "°": {"deg": 1.0, "°": 1.0, "degrees": 1.0},
    "of the side": {"%": 0.01},
    "of the circle": {"%": 0.01},
    "×": {"x": 1.0, "×": 1.0, "%": 0.01},
    "bits": {"bits": 1.0, "bit": 1.0},
    "threshold": {"%": 0.01},
}
#: Steps between whole magnitudes of these are no levels.
_WHOLE = ("bits", "")
_STEPS = 3


@dataclass(frozen=True)
class Ladder:
    """The magnitudes that there are.

    Attributes:
        identity: The magnitude that changes nothing.
        unit: Their unit.
        steps: The others.
        what: What has them, for messages: "the run", "the table".
        remedy: What to do where one is missing there, with "{}" for the transformation and the
            magnitude, or "".
    """

    identity: float
    unit: str
    steps: tuple[float, ...]
    what: str
    remedy: str = ""


def said(magnitude: float, unit: str) -> str:
    """Writes a magnitude as rules do.

    Example:
        >>> said(15.0, "°"), said(0.1, "of the side"), said(4.0, "bits"), said(0.5, "×")
        ('15deg', '10%', '4bits', '0.5')
    """
    if unit in ("of the side", "of the circle"):
        return f"{100 * magnitude:.4g}%"
    return f"{magnitude:.6g}{ {'°': 'deg', 'bits': 'bits'}.get(unit, '') }"


def number_of(rule: Rule, unit: str) -> float:
    """The rule's magnitude in the unit of its transformation.

    Raises:
        InputError: It is written in another one.
    """
    magnitude = rule.magnitude
    if not isinstance(magnitude, Magnitude):
        raise rule.wrong(
            f"{rule.transformation} has no level {magnitude!r}: write {rule.transformation}, or "
            f"{rule.transformation}@={said(1.0, unit)} and the like"
        )
    factors = {"": 1.0} | _UNITS.get(unit, {})
    if magnitude.unit not in factors:
        right = said(magnitude.number, unit)
        inside = f"in {unit}" if unit not in ("", "×") else "a number without a unit"
        raise rule.wrong(
            f"{rule.transformation} is {inside}, not in {magnitude.unit!r}: write "
            f"{rule.transformation}@{rule.side}{right}"
        )
    return magnitude.number * factors[magnitude.unit]


def within(rule: Rule, ladder: Ladder) -> tuple[float, ...]:
    """The magnitudes that the rule is about, from the identity on.

    Raises:
        InputError: The rule goes another way than the ladder, beyond its end, or to a magnitude
            that it does not have; the message names the nearest that works.

    Example:
        >>> from invariscope.gate.rule import parse_rule
        >>> rule = parse_rule("rotate@<=40deg relative_invariance >= 0.8")
        >>> within(rule, Ladder(0.0, "°", (20.0, 40.0, 60.0), "the run"))
        (20.0, 40.0)
    """
    steps = sorted(set(ladder.steps), key=lambda step: abs(step - ladder.identity))
    if not rule.side:
        return tuple(steps)
    bound = number_of(rule, ladder.unit)
    candidates = _same_way(rule, ladder, bound, steps)
    chosen = candidates if rule.side != "=" else [step for step in candidates if same(step, bound)]
    if not any(same(_distance(step, ladder), _distance(bound, ladder)) for step in chosen):
        raise missing(rule, ladder, bound)
    return tuple(chosen)


def on_the_way(rule: Rule, ladder: Ladder) -> tuple[float, ...]:
    """The magnitudes at which a model is measured for a rule.

    Raises:
        InputError: As for `within`; but a magnitude between those of the table works.

    Example:
        >>> from invariscope.gate.rule import parse_rule
        >>> table = Ladder(0.0, "°", (20.0, 40.0, 60.0), "the table")
        >>> on_the_way(parse_rule("rotate@<=15deg relative_invariance >= 0.8"), table)
        (5.0, 10.0, 15.0)
        >>> on_the_way(parse_rule("rotate@<=50deg relative_invariance >= 0.8"), table)
        (20.0, 40.0, 50.0)
    """
    if not rule.side:
        return within(rule, ladder)
    bound = number_of(rule, ladder.unit)
    steps = sorted(set(ladder.steps), key=lambda step: abs(step - ladder.identity))
    candidates = _same_way(rule, ladder, bound, steps)
    farthest = [step for step in steps if (step > ladder.identity) == (bound > ladder.identity)]
    reach = max((_distance(step, ladder) for step in farthest), default=0.0)
    if not farthest and ladder.identity == 0:
        reach = max((_distance(step, ladder) for step in steps), default=0.0)
    if _distance(bound, ladder) > reach * (1 + 1e-9):
        raise missing(rule, ladder, bound)
    if ladder.unit in _WHOLE and not any(same(step, bound) for step in steps):
        raise missing(rule, ladder, bound)
    if rule.side == "=":
        return (bound,)
    chosen = [step for step in candidates if not same(step, bound)] + [bound]
    if len(chosen) < _STEPS and ladder.unit not in _WHOLE:
        way = bound - ladder.identity
        chosen = [round(ladder.identity + way * k / _STEPS, 9) for k in range(1, _STEPS)] + [bound]
    return tuple(chosen)


def _same_way(rule: Rule, ladder: Ladder, bound: float, steps: Sequence[float]) -> list[float]:
    """The steps between the identity and the bound; a rule that looks away from it is refused."""
    identity, name = ladder.identity, rule.transformation
    if math.isfinite(bound) and same(bound, identity):
        raise rule.wrong(
            f"{said(bound, ladder.unit)} is {name}'s identity, the images as they are: give a "
            f"magnitude beyond it, such as {said(steps[0], ladder.unit)}"
        )
    if rule.side == "=":
        return list(steps)
    upwards = bound > identity
    right = "<=" if upwards else ">="
    if rule.side not in (right, "up to"):
        ends = ", ".join(said(step, ladder.unit) for step in steps[:3])
        raise rule.wrong(
            f"levels of {name} begin at {said(identity, ladder.unit)}, the images as they are, and "
            f"go to {ends}, …: write {name}@{right}{said(bound, ladder.unit)} for those up to "
            f"{said(bound, ladder.unit)}"
        )
    far = _distance(bound, ladder) * (1 + 1e-9)
    near = [step for step in steps if _distance(step, ladder) <= far]
    if identity == 0:
        return near
    return [step for step in near if (step > identity) == upwards]


def missing(rule: Rule, ladder: Ladder, bound: float) -> Exception:
    """Makes the error for a magnitude that is not there: it names the nearest that works."""
    name, unit = rule.transformation, ladder.unit
    known = [step for step in ladder.steps if (step > ladder.identity) == (bound > ladder.identity)]
    known = known or list(ladder.steps)
    if not known:
        return rule.wrong(f"{ladder.what} has no levels of {name}")
    nearest = min(known, key=lambda step: abs(step - bound))
    side = "@=" if rule.side == "=" else f"@{'<=' if nearest > ladder.identity else '>='}"
    listed = ", ".join(said(step, unit) for step in known[:12]) + (", …" if known[12:] else "")
    remedy = ladder.remedy.format(f"{name}={bound:.6g}")
    return rule.wrong(
        f"{ladder.what} has {name} at {listed}, not at {said(bound, unit)}: the nearest that works "
        f"is {name}{side}{said(nearest, unit)}{remedy}"
    )


def same(one: float, other: float) -> bool:
    """Says whether two magnitudes are the same but for rounding.

    Example:
        >>> same(0.1 + 0.2, 0.3), same(15.0, 15.1)
        (True, False)
    """
    return abs(one - other) <= 1e-6 * max(1e-3, abs(one), abs(other))


def _distance(magnitude: float, ladder: Ladder) -> float:
    return abs(magnitude - ladder.identity)
