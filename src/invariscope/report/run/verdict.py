"""The verdict: what a run found, in sentences computed from its numbers.

The thresholds of its words, and when two scores are said to differ, are stated in `standings`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from invariscope.report.kit.words import (
    capitalised,
    counted,
    listed,
    magnitude_text,
    number,
    percent,
)
from invariscope.report.run.readings import LOGITS, Readings, ResultLike, Score, apart, score
from invariscope.report.run.standings import HARDLY, LITTLE, STRONGLY, Standing, standings

SMALL_SAMPLE = 30
FLOOR_MATTERS = 0.95


@dataclass(frozen=True)
class Finding:
    """One statement of the verdict.

    Args:
        kind: What it is about: "least", "most", "limit", "twin", "floor", "predictions", "sample",
            "words" or "none".
        text: One or more plain sentences, without markup.
    """

    kind: str
    text: str


def verdict(result: ResultLike | Readings) -> list[Finding]:
    """The findings of a run, in the order in which a reader wants them.

    Args:
        result: A `Result`, or anything with its frame, controls, manifest and example.

    Returns:
        Findings with plain text; the wording follows the thresholds stated in `standings`.
    """
    readings = result if isinstance(result, Readings) else Readings(result)
    order = standings(readings)
    if not order:
        text = "This run holds no value above level 0 from which a verdict could be computed."
        return [Finding("none", text)]
    assert readings.headline is not None
    if readings.meaning(readings.headline[0]).graded:
        alone = len(order) == 1
        findings = [_most(order)] if alone else [_least(order), _most(order)]
    else:
        findings = _plainly(readings, order)
    for part in (_limit, _twin, _floor, _predictions):
        findings.extend(part(readings, order))
    findings.append(_sample(readings))
    findings.append(_words(readings))
    return findings


def _named(order: Sequence[Standing]) -> str:
    return listed([standing.words for standing in order])


def _scored(order: Sequence[Standing]) -> str:
    """The transformations with their scores: with intervals, as long as that can be read."""
    return listed([f"{s.words} ({_value(s.score, len(order))})" for s in order])


def _value(score: Score, beside: int) -> str:
    return score.text if beside <= 3 else number(score.value)


def _least(order: Sequence[Standing]) -> Finding:
    hardly = [standing for standing in order if standing.word == "hardly reacts"]
    if hardly:
        return Finding("least", f"Hardly reacts to {_scored(hardly)}.")
    least = order[0]
    if not least.score.has_interval:
        return Finding("least", f"Smallest reaction in this sample: to {_scored([least])}.")
    text = f"The smallest reaction measured is to {_named([least])}: {least.score.text}."
    return Finding("least", text)


def _most(order: Sequence[Standing]) -> Finding:
    most = order[-1]
    value = most.score.text
    if not most.score.has_interval:
        text = f"Largest reaction in this sample: to {_named([most])}, {value}."
        return Finding("most", f"{text} A single image tells nothing about others.")
    if len(order) == 1:
        return Finding("most", f"It {most.word} to {_named([most])}: {value}.")
    if most.word == "hardly reacts":
        return Finding(
            "most", f"Even the largest reaction, to {_named([most])}, is small: {value}."
        )
    tied = [s for s in order[:-1] if apart(s.score, most.score) == 0]
    text = f"Reacts most to {_named([most])}: {value}."
    if tied:
        verb = "has an interval" if len(tied) == 1 else "have intervals"
        text += (
            f" {capitalised(_named(tied))} {verb} that overlap{'s' if len(tied) == 1 else ''} this"
            " one, so the order among them is open."
        )
    return Finding("most", text)


def _plainly(readings: Readings, order: Sequence[Standing]) -> list[Finding]:
    """States the best, the worst and chance, where the words of reaction do not fit."""
    assert readings.headline is not None
    metric, layer = readings.headline
    about = readings.meaning(metric)
    best, worst = order[0], order[-1]
    to = "to" if about.quality == "invariant" else "under"
    name = f"{readings.meaning(metric).label} at the {layer}"

    if len(order) == 1:
        text = f"{name} under {_named([best])}: {best.score.text}"
        findings = [Finding("most", f"{text} ({about.direction}).")]
    else:
        quality = f"{about.quality} {to}" if about.quality else "under"
        tied = [s for s in order[:-1] if apart(s.score, worst.score) == 0]
        least = f"It is least {quality} {_named([worst])}: {worst.score.text}."
        if tied:
            verb = "has an interval that overlaps" if len(tied) == 1 else "overlap"
            what = _named(tied) if len(tied) == 1 else f"the intervals of {_named(tied)}"
            least += f" {capitalised(what)} {verb} this one, so the order among them is open."
        findings = [
            Finding(
                "least",
                f"By its {about.phrase} at the {layer} the model is most {quality}"
                f" {_named([best])}: {best.score.text} ({about.direction}).",
            ),
            Finding("most", least),
        ]
    return findings + list(_chance(readings, order))


def _chance(readings: Readings, order: Sequence[Standing]) -> Iterator[Finding]:
    """States the null: with another image's maps a maximum over channels is above 0 by chance."""
    assert readings.headline is not None
    metric, layer = readings.headline
    known: list[tuple[Standing, Score, Score]] = []
    for standing in order:
        name = standing.transformation
        null = score(readings.curve(name, metric, layer, "shuffled"))
        here = score(readings.curve(name, metric, layer), null.levels) if null else None
        if null and here:
            known.append((standing, here, null))
    if not readings.meaning(metric).null or not known:
        return
    values = [null.value for _, _, null in known]
    span = number(min(values))
    if number(max(values)) != span:
        span += f" to {number(max(values))}"
    text = f"Compared with the maps of another image, it is {span} by chance."
    lost = [standing for standing, here, null in known if apart(here, null) <= 0]
    if lost:
        text += f" No more than that: under {_named(lost)}."
    yield Finding("limit", text)


def _limit(readings: Readings, order: Sequence[Standing]) -> Iterator[Finding]:
    """Finds the level at which a transformed image is about as far off as another image."""
    assert readings.headline is not None
    metric, layer = readings.headline
    about = readings.meaning(metric)
    if not about.graded:
        return
    reached = []
    for standing in reversed(order):
        curve = readings.curve(standing.transformation, metric, layer)
        null = readings.curve(standing.transformation, metric, layer, "shuffled")
        both = curve[curve["level"] > 0].merge(null, on="level", suffixes=("", "_null"))
        # To be no closer than another image is a claim of sameness, which overlap alone does not
        # carry: the whole interval has to lie in the tenth of the scale around the null.
        lost = both[both["ci_high"] <= both["ci_high_null"].clip(lower=0.1)]
        if len(lost):
            first = lost.iloc[0]
            at = magnitude_text(float(first["magnitude"]), str(first["unit"]))
            reached.append(f"{standing.words} (first at {at})")
    if reached:
        yield Finding(
            "limit",
            "As far from the original as another image is, or within a tenth of it: under"
            f" {listed(reached)}.",
        )


def _twin(readings: Readings, order: Sequence[Standing]) -> Iterator[Finding]:
    compared = [standing for standing in order if standing.against_twin is not None]
    if not compared:
        return
    more = [s for s in compared if s.against_twin == 1]
    less = [s for s in compared if s.against_twin == -1]
    same = [s for s in compared if s.against_twin == 0]
    clauses = []
    assert readings.headline is not None
    quality = readings.meaning(readings.headline[0]).quality
    to = "to" if quality == "invariant" else "under"
    if more:
        clauses.append(f"more {quality} {to} {_named(more)}")
    if less:
        clauses.append(f"less {quality} {to} {_named(less)}")
    if same:
        clauses.append(f"not told apart from it under {_named(same)}")
    sets = {s.twin.levels for s in compared if s.twin}
    at = "over the levels measured for both"
    if len(sets) == 1:
        at = f"over level{'s' if len(min(sets)) > 1 else ''} {listed([str(k) for k in min(sets)])}"
    text = f"Compared with its untrained twin {at}, it is {'; '.join(clauses)}."
    yield Finding("twin", text)


def _floor(readings: Readings, order: Sequence[Standing]) -> Iterator[Finding]:
    assert readings.headline is not None
    metric, layer = readings.headline
    about = readings.meaning(metric)
    if not about.higher or about.high != 1.0:  # no scale that says from where on a floor matters
        return
    touched = []
    for standing in order:
        floor = score(readings.curve(standing.transformation, metric, layer, "floor"))
        if floor and floor.value < FLOOR_MATTERS:
            touched.append((standing, floor))
    touched.sort(key=lambda pair: pair[1].value)
    if touched:
        named = listed([f"{number(f.value)} under {s.words}" for s, f in touched])
        yield Finding(
            "floor",
            "Part of this is the cost of resampling, not the model: images that were transformed"
            f" and turned back, so that nothing but that cost is left, score {named}.",
        )


def _predictions(readings: Readings, order: Sequence[Standing]) -> Iterator[Finding]:
    kept = []
    if readings.constant:
        yield Finding(
            "predictions",
            "The model predicts one and the same class for nearly all images, untouched and moved"
            " ones alike, so that a prediction which is kept says nothing.",
        )
        order = []
    for standing in order:
        name = standing.transformation
        share = readings.score(name, metric=readings.metric_as("kept"), layer=LOGITS)
        if share:
            kept.append((share, name))
    if kept:
        kept.sort(key=lambda pair: pair[0].value)
        (low, worst), (high, best) = kept[0], kept[-1]
        text = f"The predicted class stays the same for {_share(low)} of the images under"
        text += f" {readings.words(worst)}"
        if apart(high, low) == 1:
            text += f" and for {_share(high)} under {readings.words(best)}"
        elif low.value == high.value and len(kept) > 1:
            text += " and likewise under every other transformation"
        elif len(kept) > 1:
            text += ", the lowest share, though no family’s interval lies wholly above it"
        yield Finding("predictions", f"{text}.")
    accuracy = _accuracy(readings, order)
    if accuracy:
        yield accuracy


def _share(score: Score) -> str:
    if not score.has_interval:
        return percent(score.value)
    return f"{percent(score.value)} [{percent(score.low)}, {percent(score.high)}]"


def _accuracy(readings: Readings, order: Sequence[Standing]) -> Finding | None:
    names, right = [s.transformation for s in order], readings.metric_as("right")
    scores = {name: readings.score(name, metric=right, layer=LOGITS) for name in names}
    accuracies = {name: value for name, value in scores.items() if value}
    if not accuracies:
        return None
    worst = min(accuracies, key=lambda name: accuracies[name].value)
    curve = readings.curve(worst, right, LOGITS)
    untouched = curve[curve["level"] == 0]
    text = f"lowest mean accuracy is {_share(accuracies[worst])}, under {readings.words(worst)}"
    if len(untouched):
        row = untouched.iloc[0]
        start = Score(row["value"], row["ci_low"], row["ci_high"], int(row["n"]), (0,))
        return Finding(
            "predictions",
            f"Accuracy on the untouched images is {_share(start)}; the {text}.",
        )
    return Finding("predictions", f"The {text}.")


def _sample(readings: Readings) -> Finding:
    n = readings.n
    text = f"All of this rests on {counted(n, 'image')}; brackets are 95 % intervals over images."
    if n < SMALL_SAMPLE:
        text += " That is a small sample: with more images the intervals get narrower."
    return Finding("sample", text)


def _words(readings: Readings) -> Finding:
    assert readings.headline is not None
    metric, layer = readings.headline
    about = readings.meaning(metric)
    if not about.graded:
        return Finding(
            "words",
            f"What is compared: {about.phrase} at the {layer}, averaged over"
            f" {about.levels_words}; {about.direction}. Two are called different only if their"
            " intervals do not overlap. How far each family goes is the table’s choice.",
        )
    worst, best = about.end_words()
    return Finding(
        "words",
        f"What the words mean: the numbers are {about.phrase} at the {layer},"
        f" averaged over the levels above 0. 1 means “{best}”, 0 “{worst}”. “Hardly reacts”: the"
        f" whole interval is at least {HARDLY:.2f}; “reacts a little”: at least {LITTLE:.2f};"
        f" “reacts strongly”: all of it below"
        f" {STRONGLY:.2f}; “reacts”: everything else. Two are called different only if"
        " their intervals do not overlap. How far"
        " each family goes is the table’s choice, so “most” means over these levels.",
    )
