"""The table at a glance: every transformation's mean as a dot on one scale, ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from invariscope.report.kit.drawings import Track, track
from invariscope.report.kit.look import LOWEST
from invariscope.report.kit.words import percent
from invariscope.report.run.cards import anchor
from invariscope.report.run.meaning import Meaning
from invariscope.report.run.readings import LOGITS, Readings, Score
from invariscope.report.run.standings import Standing

ABSENT = "–"
_TONES = {"hardly reacts": "calm", "reacts strongly": "strong"}


@dataclass(frozen=True)
class GlanceRow:
    """One transformation: its place on the scale, and what the columns say."""

    anchor: str
    words: str
    track: Track
    value: str
    word: str
    tone: str
    twin: str
    kept: str


def glance(readings: Readings, order: Sequence[Standing]) -> list[GlanceRow]:
    """The rows, in the order of the standings; the better end of the scale is on the right."""
    if readings.headline is None:
        return []
    about = readings.meaning(readings.headline[0])
    reached = [end for standing in order for end in _ends(standing.score)]
    left, right = about.ends(reached)
    if about.higher:
        left = max(LOWEST, min([left, *reached]))
    return [_row(readings, standing, about, (left, right)) for standing in order]


def _kept(kept: Score | None, *, constant: bool) -> str:
    if kept is None:
        return ABSENT
    return "constant" if constant else percent(kept.value)


def _ends(score: Score) -> tuple[float, float]:
    return (score.low, score.high) if score.has_interval else (score.value, score.value)


def _row(
    readings: Readings, standing: Standing, about: Meaning, scale: tuple[float, float]
) -> GlanceRow:
    name, score = standing.transformation, standing.score
    kept = readings.score(name, metric=readings.metric_as("kept"), layer=LOGITS)
    share = partial(about.share, ends=scale)
    against = {1: f"more {about.quality}", -1: f"less {about.quality}", 0: "not told apart"}
    return GlanceRow(
        anchor=anchor(readings, name),
        words=readings.words(name),
        track=track(share, score.value, _ends(score), [0.0]),
        value=score.text,
        word=standing.word,
        tone=_TONES.get(standing.word, "mid"),
        twin=ABSENT if standing.against_twin is None else against[standing.against_twin],
        kept=_kept(kept, constant=readings.constant),
    )
