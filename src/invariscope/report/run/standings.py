"""Ranks the transformations, each with one word and compared with the untrained twin.

A transformation's score is its mean relative invariance at the embedding over the levels above 0,
with the cautious interval of `readings.Score`. The words follow from where the *whole* interval
lies:

- hardly reacts: all of it at or above 0.90;
- reacts a little: all of it at or above 0.75, not all above 0.90;
- reacts strongly: all of it below 0.50;
- reacts: everything between, and everything whose interval crosses 0.75 or 0.50.

Two scores are said to differ only if their intervals do not overlap. That is stricter than a paired
test (`invariscope compare` does those), so what is claimed here holds, and a difference that is not
claimed here may still be real.
"""

from dataclasses import dataclass

from invariscope.report.run.readings import Readings, Score, apart, score

HARDLY = 0.90
LITTLE = 0.75
STRONGLY = 0.50


@dataclass(frozen=True)
class Standing:
    """One transformation's standing: its score, its word, and the twin's score at shared levels.

    ``words`` are what the transformation is called;
    ``word`` is empty for metrics to which the words do not apply (equivariance, G-EED);
    ``against_twin`` is +1 where the model is the more invariant, or equivariant, of the two.
    """

    transformation: str
    words: str
    kind: str
    score: Score
    word: str
    twin: Score | None
    against_twin: int | None


def reaction(score: Score) -> str:
    """The word for a score; see the module's thresholds.

    Example:
        >>> reaction(Score(0.95, 0.93, 0.97, 24, (1,))), reaction(Score(0.95, 0.85, 0.97, 24, (1,)))
        ('hardly reacts', 'reacts a little')
        >>> reaction(Score(0.7, 0.6, 0.8, 24, (1,))), reaction(Score(0.2, 0.1, 0.3, 24, (1,)))
        ('reacts', 'reacts strongly')
    """
    if not score.has_interval:
        return "too few images"
    if score.low >= HARDLY:
        return "hardly reacts"
    if score.low >= LITTLE:
        return "reacts a little"
    return "reacts strongly" if score.high < STRONGLY else "reacts"


def standings(readings: Readings) -> list[Standing]:
    """Every transformation with a score, from the best (the least reaction) to the worst."""
    if readings.headline is None:
        return []
    metric, layer = readings.headline
    about = readings.meaning(metric)
    ranked = []
    for name in readings.transformations:
        curve = readings.curve(name, metric, layer)
        mean = readings.score(name, metric=metric, layer=layer)
        if mean is None:
            continue
        twin = score(readings.curve(name, metric, layer, "untrained"))
        here = score(curve, twin.levels) if twin else None
        against = about.sign * apart(here, twin) if here and twin else None
        kind = str(curve["kind"].iloc[0])
        word = reaction(mean) if about.graded else ""
        ranked.append(Standing(name, readings.words(name), kind, mean, word, twin, against))
    return sorted(ranked, key=lambda standing: -about.sign * standing.score.value)
