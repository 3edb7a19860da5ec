"""Decides claims: on which side of its rule does the interval of a claim lie?

A claim has one part or several; a part is a number with its 95 % interval (`evidence.py`) and a
rule with thresholds:

| rule | supported | contradicted |
|---|---|---|
| `above(x, t)`: > t | low > t | high ≤ t |
| `below(x, t)`: < t | high < t | low ≥ t |
| `not_above(x, t)`: ≤ t | high ≤ t | low > t |
| `not_below(x, t)`: ≥ t | low ≥ t | high < t |
| `within(x, a, b)`: a to b | a ≤ low and high ≤ b | high < a or low > b |

Everything else is undecided: the interval straddles, there is none (one seed, or seeds that are
equal to the last digit), or the number is undefined.

- p of a part is the two-sided p that belongs to its interval: twice the chance of a number as far
  beyond the nearest threshold, on the side where the number lies, if the truth were the threshold.
  For `within`, inside: twice the larger of the two chances (two one-sided tests). Where a claim
  asks for a permutation test, its p takes the place.
- Parts of a claim are a family: p is adjusted for the false discovery rate (Benjamini and Hochberg
  1995), and a part is decided only if its adjusted p is at most 0.05 as well (`LARGEST_P`, or what
  `decide` is given). A claim that has its
  parts decided alike is so in any case (the largest p is not changed).
- A claim is supported if all its parts are, contradicted if any part is, else undecided. The number
  that stands for it is that of the part that decides: the weakest of those that support it, the
  strongest that contradicts it, the first that is undecided.
- A part of the rule `within` says how many seeds it would need: so many that numbers whose true
  mean is in the middle are supported in 80 of 100 cases, with the spread of those that are there.
- 95 % and 0.05 are those of a study with a fixed number of seeds. Where seeds are added, each look
  has a level of its own (`statistics/group_sequential.py`): `ClaimResult.at` decides at that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from invariscope.errors import InputError
from invariscope.statistics.power import MOST_SEEDS, seeds_to_enclose
from invariscope.statistics.ranking import adjusted
from invariscope.studies.claims.evidence import CONFIDENCE, Evidence, Numbers, over_seeds
from invariscope.studies.claims.ledger import get_claim

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
NOT_RUN = "not run"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_RUN)
LARGEST_P = round(1 - CONFIDENCE, 12)


@dataclass(frozen=True)
class Part:
    """One number of a claim, held against its rule.

    Attributes:
        name: What the number is.
        value: The statistic.
        low: Lower end of its 95 % interval; NaN if there is none.
        high: Upper end.
        rule: The rule, such as "> 0".
        verdict: Of the interval alone until `decide` has looked at the whole family.
        n: How many were drawn.
        unit: What was drawn: "seeds", "images", ….
        p: See the module; NaN if unknown.
        note: What a reader must know.
        error: Standard error of the value; NaN if there is none.
        at: Holds the same number against its rule at another level; None for a part that was read.
    """

    name: str
    value: float
    low: float
    high: float
    rule: str
    verdict: str
    n: int
    unit: str
    p: float = math.nan
    note: str = ""
    error: float = math.nan
    at: "Callable[[float], Part] | None" = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class ClaimResult:
    """The verdict on a claim.

    Attributes:
        id: The claim, an id of `CLAIMS`.
        verdict: "supported", "contradicted", "undecided" or "not run".
        parts: Its parts.
        statistic: The number of the part that decides.
        ci_low: Lower end of its interval.
        ci_high: Upper end.
        rule: Its rule.
        n: How many were drawn for it.
        unit: What was drawn.
        ran_on: Data and models, in words.
        note: What a reader must know: how a rule was read, why a claim could not be computed.
        level: The chance that its intervals miss; 0.05 with a fixed number of seeds.
        look: At which look it was computed, where seeds are added; 0: their number was fixed.
        seeds: How many seeds there were then.
        needed: Where it is undecided: how many seeds it would take, in words.
    """

    id: str
    verdict: str
    parts: tuple[Part, ...] = ()
    statistic: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    rule: str = ""
    n: int = 0
    unit: str = ""
    ran_on: str = ""
    note: str = ""
    level: float = LARGEST_P
    look: int = 0
    seeds: int = 0
    needed: str = ""

    def at(self, level: float) -> "ClaimResult":
        """Decides the claim anew at another level; one that was not run stays so.

        Raises:
            InputError: The claim was read from a file, which keeps no evidence.
        """
        if self.verdict == NOT_RUN:
            return replace(self, level=level)
        parts = [part.at(level) for part in self.parts if part.at is not None]
        if len(parts) < len(self.parts):
            raise InputError(f"claim {self.id} was read from a file: compute it anew")
        return decide(self.id, parts, ran_on=self.ran_on, note=self.note, level=level)


def above(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule > threshold.

    Args:
        evidence: Evidence, or one number per seed.
        threshold: The threshold.
        **more: ``name``: what the number is. ``p``: of the test that the claim asks for.

    Example:
        >>> above([0.1, 0.2, 0.15]).verdict, above([-0.1, 0.1, 0.2]).verdict, above([0.2]).note
        ('supported', 'undecided', 'one seed has no interval')
    """

    def judge(at: Evidence) -> Part:
        verdict = _side(at.low > threshold, at.high <= threshold)
        return _part(at, f"> {threshold:g}", verdict, _p_beyond(at, threshold), **more)

    return _judged(evidence, judge)


def below(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule < threshold; arguments as for `above`.

    Example:
        >>> below([-0.1, -0.2, -0.15]).verdict
        'supported'
    """

    def judge(at: Evidence) -> Part:
        verdict = _side(at.high < threshold, at.low >= threshold)
        return _part(at, f"< {threshold:g}", verdict, _p_beyond(at, threshold), **more)

    return _judged(evidence, judge)


def not_above(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule ≤ threshold; arguments as for `above`.

    Example:
        >>> not_above([-0.1, -0.11]).verdict, not_above([0.1, 0.11, 0.12]).verdict
        ('supported', 'contradicted')
    """

    def judge(at: Evidence) -> Part:
        verdict = _side(at.high <= threshold, at.low > threshold)
        return _part(at, f"≤ {threshold:g}", verdict, _p_beyond(at, threshold), **more)

    return _judged(evidence, judge)


def not_below(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule ≥ threshold; arguments as for `above`.

    Example:
        >>> not_below([0.1, 0.11, 0.12]).verdict, not_below([0.0, 0.0, 0.0]).verdict
        ('supported', 'undecided')
    """

    def judge(at: Evidence) -> Part:
        verdict = _side(at.low >= threshold, at.high < threshold)
        return _part(at, f"≥ {threshold:g}", verdict, _p_beyond(at, threshold), **more)

    return _judged(evidence, judge)


def within(evidence: Evidence | Numbers, low: float, high: float, **more) -> Part:
    """The rule low ≤ x ≤ high; further arguments as for `above`.

    Raises:
        InputError: low is not below high.

    Example:
        >>> within([0.01, -0.01, 0.0], -0.05, 0.05).verdict
        'supported'
    """
    if not low < high:
        raise InputError(f"within {low:g} to {high:g}: give the lower end first")

    def judge(at: Evidence) -> Part:
        verdict = _side(at.low >= low and at.high <= high, at.high < low or at.low > high)
        if low <= at.value <= high:
            p = 2 * max(at.tail(low), at.lower_tail(high))
        else:
            p = 2 * min(at.lower_tail(low), at.tail(high))
        if at.unit == "seeds" and at.error > 0:
            half = (high - low) / 2 / (at.error * math.sqrt(at.n))
            at = replace(at, note=_joined(at.note, _equivalence(half)))
        return _part(at, f"{low:g} to {high:g}", verdict, p, **more)

    return _judged(evidence, judge)


def decide(
    claim: str,
    parts: Sequence[Part] | Part,
    *,
    ran_on: str = "",
    note: str = "",
    level: float = LARGEST_P,
) -> ClaimResult:
    """Decides a claim from its parts.

    Args:
        claim: An id of `CLAIMS`.
        parts: Its parts; they are one family (see the module).
        ran_on: Data and models, in words.
        note: What a reader must know.
        level: That of the parts' intervals, and the largest adjusted p that decides.

    Raises:
        InputError: No such claim, or no part.

    Example:
        >>> result = decide("000.c2", above([0.7, 0.72, 0.69], 0.5, name="share of the gain"))
        >>> result.verdict, round(result.statistic, 3), result.rule, result.n
        ('supported', 0.703, '> 0.5', 3)
    """
    parts = [parts] if isinstance(parts, Part) else list(parts)
    known = get_claim(claim).id
    if not parts:
        raise InputError(f"claim {claim}: no part; `not_run` says why nothing was computed")
    q = adjusted(np.array([min(part.p, 1.0) for part in parts]))
    judged = []
    for part, own in zip(parts, q, strict=True):
        if part.verdict != UNDECIDED and not own <= level:
            note_of = f"adjusted p {own:.2g} for {len(parts)} comparisons"
            part = replace(part, verdict=UNDECIDED, note=_joined(part.note, note_of))
        judged.append(part)
    verdicts = [part.verdict for part in judged]
    if all(verdict == SUPPORTED for verdict in verdicts):
        verdict, deciding = SUPPORTED, max(judged, key=lambda part: _known(part.p, 0.0))
    elif CONTRADICTED in verdicts:
        against = [part for part in judged if part.verdict == CONTRADICTED]
        verdict, deciding = CONTRADICTED, min(against, key=lambda part: _known(part.p, 1.0))
    else:
        verdict, deciding = UNDECIDED, judged[verdicts.index(UNDECIDED)]
    return ClaimResult(
        known, verdict, tuple(judged), deciding.value, deciding.low, deciding.high,
        deciding.rule, deciding.n, deciding.unit, ran_on, note, level,
    )  # fmt: skip


def not_run(claim: str, reason: str) -> ClaimResult:
    """The verdict on a claim that could not be computed, with the reason.

    Example:
        >>> not_run("000.c8", "the preset has no ViT").verdict
        'not run'
    """
    return ClaimResult(get_claim(claim).id, NOT_RUN, note=reason)


def without_verdict(result: ClaimResult, reason: str) -> ClaimResult:
    """Keeps the numbers of a claim, and takes the verdicts away.

    Example:
        >>> without_verdict(decide("000.c2", above([0.7, 0.72], 0.5)), "a trial").verdict
        'not run'
    """
    parts = tuple(replace(part, verdict=UNDECIDED) for part in result.parts)
    return replace(result, verdict=NOT_RUN, parts=parts, note=_joined(reason, result.note))


def _judged(evidence: Evidence | Numbers, judge: Callable[[Evidence], Part]) -> Part:
    """Judges evidence at 95 %; the part can be judged again at another level."""
    known = evidence if isinstance(evidence, Evidence) else over_seeds(evidence)

    def at(level: float) -> Part:
        return replace(judge(known.at(level)), at=at)

    return replace(judge(known), at=at)


def _equivalence(half: float) -> str:
    """Says what an equivalence takes; half: from the middle to either end, in spreads of a seed."""
    seeds = seeds_to_enclose(half, half)
    words = f"{seeds} seeds" if seeds is not None else f"more than {MOST_SEEDS} seeds"
    return f"needs {words} at this spread if there is no difference"


def _side(on_it: bool, beyond: bool) -> str:
    """Comparisons with NaN are false, so what has no interval is undecided."""
    return SUPPORTED if on_it else CONTRADICTED if beyond else UNDECIDED


def _p_beyond(evidence: Evidence, threshold: float) -> float:
    """Two-sided p of the number being the threshold."""
    if math.isnan(evidence.value):
        return math.nan
    return 2 * min(evidence.tail(threshold), evidence.lower_tail(threshold))


def _part(
    evidence: Evidence,
    rule: str,
    verdict: str,
    own: float,
    *,
    name: str = "",
    p: float | None = None,
) -> Part:
    p = own if p is None else p
    return Part(
        name, evidence.value, evidence.low, evidence.high, rule, verdict, evidence.n, evidence.unit,
        min(p, 1.0) if not math.isnan(p) else math.nan, evidence.note, evidence.error,
    )  # fmt: skip


def _known(p: float, otherwise: float) -> float:
    return otherwise if math.isnan(p) else p


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
