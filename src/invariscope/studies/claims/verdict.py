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
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from invariscope.errors import InputError
from invariscope.statistics.ranking import adjusted
from invariscope.studies.claims.evidence import CONFIDENCE, Evidence, Numbers, over_seeds
from invariscope.studies.claims.ledger import get_claim

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
NOT_RUN = "not run"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_RUN)
LARGEST_P = round(1 - CONFIDENCE, 12)
_POWER = 0.8
_MOST_SEEDS = 10_000


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
    evidence = _evidence(evidence)
    verdict = _side(evidence.low > threshold, evidence.high <= threshold)
    return _part(evidence, f"> {threshold:g}", verdict, _p_beyond(evidence, threshold), **more)


def below(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule < threshold; arguments as for `above`.

    Example:
        >>> below([-0.1, -0.2, -0.15]).verdict
        'supported'
    """
    evidence = _evidence(evidence)
    verdict = _side(evidence.high < threshold, evidence.low >= threshold)
    return _part(evidence, f"< {threshold:g}", verdict, _p_beyond(evidence, threshold), **more)


def not_above(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule ≤ threshold; arguments as for `above`.

    Example:
        >>> not_above([-0.1, -0.11]).verdict, not_above([0.1, 0.11, 0.12]).verdict
        ('supported', 'contradicted')
    """
    evidence = _evidence(evidence)
    verdict = _side(evidence.high <= threshold, evidence.low > threshold)
    return _part(evidence, f"≤ {threshold:g}", verdict, _p_beyond(evidence, threshold), **more)


def not_below(evidence: Evidence | Numbers, threshold: float = 0.0, **more) -> Part:
    """The rule ≥ threshold; arguments as for `above`.

    Example:
        >>> not_below([0.1, 0.11, 0.12]).verdict, not_below([0.0, 0.0, 0.0]).verdict
        ('supported', 'undecided')
    """
    evidence = _evidence(evidence)
    verdict = _side(evidence.low >= threshold, evidence.high < threshold)
    return _part(evidence, f"≥ {threshold:g}", verdict, _p_beyond(evidence, threshold), **more)


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
    evidence = _evidence(evidence)
    inside = evidence.low >= low and evidence.high <= high
    verdict = _side(inside, evidence.high < low or evidence.low > high)
    if low <= evidence.value <= high:
        p = 2 * max(evidence.tail(low), evidence.lower_tail(high))
    else:
        p = 2 * min(evidence.lower_tail(low), evidence.tail(high))
    if evidence.unit == "seeds" and evidence.error > 0:
        spread = evidence.error * math.sqrt(evidence.n)
        needed = seeds_for_equivalence(spread, (high - low) / 2)
        words = f"{needed} seeds" if needed <= _MOST_SEEDS else f"more than {_MOST_SEEDS} seeds"
        note = _joined(evidence.note, f"needs {words} at this spread if there is no difference")
        evidence = replace(evidence, note=note)
    return _part(evidence, f"{low:g} to {high:g}", verdict, p, **more)


def seeds_for_equivalence(spread: float, margin: float) -> int:
    """The fewest seeds with which `within` is supported in 80 of 100 cases.

    That is the power of two one-sided t tests where the true mean is in the middle (Schuirmann
    1987; the shifted t law stands for the noncentral one).

    Args:
        spread: Standard deviation over seeds.
        margin: From the middle to either end.

    Returns:
        At least 2; one more than 10,000 where it would be more.

    Example:
        >>> seeds_for_equivalence(0.02, 0.03), seeds_for_equivalence(0.06, 0.03)
        (7, 45)
    """
    from scipy import stats

    counts = np.arange(2, _MOST_SEEDS + 1)
    bound = stats.t.ppf(1 - LARGEST_P / 2, counts - 1)
    power = 2 * stats.t.cdf(margin * np.sqrt(counts) / spread - bound, counts - 1) - 1
    enough = power >= _POWER
    return int(counts[enough.argmax()]) if enough.any() else _MOST_SEEDS + 1


def decide(
    claim: str,
    parts: Sequence[Part] | Part,
    *,
    ran_on: str = "",
    note: str = "",
    largest_p: float = LARGEST_P,
) -> ClaimResult:
    """Decides a claim from its parts.

    Args:
        claim: An id of `CLAIMS`.
        parts: Its parts; they are one family (see the module).
        ran_on: Data and models, in words.
        note: What a reader must know.
        largest_p: Of a part that is decided: smaller where one looks several times.

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
        if part.verdict != UNDECIDED and not own <= largest_p:
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
        deciding.rule, deciding.n, deciding.unit, ran_on, note,
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


def _evidence(evidence: Evidence | Numbers) -> Evidence:
    return evidence if isinstance(evidence, Evidence) else over_seeds(evidence)


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
        min(p, 1.0) if not math.isnan(p) else math.nan, evidence.note,
    )  # fmt: skip


def _known(p: float, otherwise: float) -> float:
    return otherwise if math.isnan(p) else p


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
