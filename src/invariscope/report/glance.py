"""The table at a glance: every transformation's mean as a dot on one scale, ranked."""

from collections.abc import Sequence
from dataclasses import dataclass

from invariscope.report import figures
from invariscope.report.cards import anchor
from invariscope.report.readings import LOGITS, Readings
from invariscope.report.standings import Standing
from invariscope.report.words import percent, transformation_words, with_interval

ABSENT = "–"
_TONES = {"hardly reacts": "calm", "reacts strongly": "strong"}
_AGAINST = {1: "more invariant", -1: "less invariant", 0: "not told apart"}


@dataclass(frozen=True)
class Row:
    """One transformation; ``at``, ``low``, ``width`` and ``zero`` are per cent of the scale."""

    anchor: str
    words: str
    at: float
    low: float
    width: float
    zero: float
    value: str
    word: str
    tone: str
    twin: str
    kept: str


def glance(readings: Readings, order: Sequence[Standing]) -> list[Row]:
    """The rows, in the order of the standings."""
    ends = [s.score.low if s.score.has_interval else s.score.value for s in order]
    bottom, top = max(figures.LOWEST, min([0.0, *ends])), 1.0
    return [_row(readings, standing, bottom, top) for standing in order]


def _row(readings: Readings, standing: Standing, bottom: float, top: float) -> Row:
    name, found = standing.transformation, standing.score
    kept = readings.score(name, metric="prediction_consistency", layer=LOGITS)
    ends = (found.low, found.high) if found.has_interval else (found.value, found.value)
    at, low, high, zero = (
        round(100 * (min(top, max(bottom, value)) - bottom) / (top - bottom), 2)
        for value in (found.value, *ends, 0.0)
    )
    return Row(
        anchor=anchor(readings, name),
        words=transformation_words(name),
        at=at,
        low=low,
        width=round(high - low, 2),
        zero=zero,
        value=with_interval(found.value, found.low, found.high),
        word=standing.word,
        tone=_TONES.get(standing.word, "mid"),
        twin=ABSENT if standing.against_twin is None else _AGAINST[standing.against_twin],
        kept=percent(kept.value) if kept else ABSENT,
    )
