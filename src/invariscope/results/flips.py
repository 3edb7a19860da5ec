"""Says where answers flip: first levels, classes, lost confidence, what flipped images share.

An answer flips where the predicted class of the transformed image is another one than that of the
image as it is, right or wrong. Levels count by their distance from the identity.

- **Flips**: the nearest level at which an image's answer is another one.
- **Affected classes**: the share of flipped answers, the mean over levels, then over
  transformations, with the interval of a mean of shares (`statistics.estimates`).
- **Confidence lost**: p(first answer | image) − p(first answer | transformed image), softmax
  probabilities, the mean over images.
- **Flipped share**: of each class, and each group of images that came from a file, at one level,
  against the share among all other images. The level is the one at which the share of all images
  that flip is nearest to one half, which classes and groups have no part in. The test is Fisher's
  exact one (given how many images flip and how large the class is, its flips are hypergeometric),
  two-sided by twice the smaller tail; q is adjusted for the false discovery rate over all rows of
  the table (Benjamini and Hochberg 1995).

A class is that of the labels; without labels it is the class predicted for the image as it is
(`results.membership`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from invariscope.registry import unknown_name
from invariscope.results.answers import (
    Answers,
    Level,
    answers_of,
    label_name,
    output_name,
)
from invariscope.results.estimated import stopped_by_itself
from invariscope.results.measured import Measured
from invariscope.results.membership import Members, classes_of, groups_of
from invariscope.statistics.estimates import Estimates, estimate, intervals, join
from invariscope.statistics.ranking import adjusted
from invariscope.statistics.shares import exact_share

_FLIPS = (
    "image", "label", "transformation", "level", "magnitude", "unit", "before", "after",
    "score_before", "score_after",
)  # fmt: skip


def flips(result: Measured) -> pd.DataFrame:
    """Tabulates the first flip of each image under each transformation; see `Result.flips`."""
    answers, manifest = answers_of(result), result.manifest
    parts = []
    for name, levels in answers.levels.items():
        flipped = answers.flipped([level.column for level in levels]) == 1
        rows = np.flatnonzero(flipped.any(axis=1))
        first = flipped[rows].argmax(axis=1)
        before = answers.scores[rows, answers.identity]
        distance = np.array([level.distance for level in levels])[first]
        order = np.lexsort([rows, -before, first, distance])
        parts += [_flip(answers, manifest, name, levels[first[k]], int(rows[k])) for k in order]
    return pd.DataFrame(parts, columns=list(_FLIPS))


def _flip(answers: Answers, manifest, name: str, level: Level, row: int) -> tuple:
    before, after = answers.predicted[row, [answers.identity, level.column]]
    return (
        answers.images[row], label_name(manifest, int(answers.labels[row])), name, level.level,
        level.magnitude, level.unit, output_name(manifest, int(before)),
        output_name(manifest, int(after)), float(answers.scores[row, answers.identity]),
        float(answers.scores[row, level.column]),
    )  # fmt: skip


def affected_classes(result: Measured, transformation: str | None = None) -> pd.DataFrame:
    """Tabulates flipped answers by class; see `Result.affected_classes`."""
    answers, manifest = answers_of(result), result.manifest
    names = list(answers.levels)
    if transformation is not None:
        if transformation not in names:
            raise unknown_name("transformation of this result", transformation, names)
        names = [transformation]
    rows = []
    for one in classes_of(answers, manifest):
        known = [
            estimate(answers.flipped(columns)[one.rows], kind="share").mean()
            for columns in ([level.column for level in answers.levels[t]] for t in names)
        ]
        if not known:
            continue
        whole = join(known).mean().at_any_time(stopped_by_itself(manifest))
        low, high = whole.interval(seed=manifest["settings"]["seed"])
        rows.append((one.name, one.by, whole.value[0], low[0], high[0], int(whole.n[0])))
    frame = pd.DataFrame(rows, columns=["class", "by", "flipped", "ci_low", "ci_high", "n"])
    return frame.sort_values("flipped", ascending=False, kind="stable", ignore_index=True)


def confidence_lost(result: Measured) -> pd.DataFrame:
    """Tabulates lost confidence by transformation and level; see `Result.confidence_lost`."""
    answers, manifest = answers_of(result), result.manifest
    parts: list[Estimates] = []
    heads = []
    before = answers.kept[:, [answers.identity]].astype(float)
    for name, levels in answers.levels.items():
        lost = before - answers.kept[:, [level.column for level in levels]]
        made = estimate(lost, kind="mean", bounds=(-1.0, 1.0))
        parts.append(made.at_any_time(stopped_by_itself(manifest)))
        heads += [(name, level.level, level.magnitude, level.unit) for level in levels]
    columns = ["transformation", "level", "magnitude", "unit", "value", "ci_low", "ci_high", "n"]
    if not parts:
        return pd.DataFrame(columns=columns)
    ends = intervals(parts, seed=manifest["settings"]["seed"])
    numbers = [
        (made.value[k], low[k], high[k], int(made.n[k]))
        for made, (low, high) in zip(parts, ends, strict=True)
        for k in range(len(made.value))
    ]
    rows = [(*head, *own) for head, own in zip(heads, numbers, strict=True)]
    return pd.DataFrame(rows, columns=columns)


def flipped_share(result: Measured) -> pd.DataFrame:
    """Tests which classes and groups flipped images share; see `Result.flipped_share`."""
    answers, manifest = answers_of(result), result.manifest
    members = [
        *classes_of(answers, manifest), *groups_of(result.image_groups, result.store.images)
    ]  # fmt: skip
    rows = []
    for name, levels in answers.levels.items():
        flipped = answers.flipped([level.column for level in levels])
        counts, totals = (flipped == 1).sum(axis=0), np.isfinite(flipped).sum(axis=0)
        distance = np.abs(np.divide(counts, np.maximum(totals, 1)) - 0.5)
        chosen = int(distance.argmin())
        level, seen = levels[chosen], flipped[:, chosen]
        at = (name, level.level, level.magnitude, level.unit)
        rows += [(*at, *row) for row in _shares(seen, members)]
    columns = [
        "transformation", "level", "magnitude", "unit", "by", "class", "n", "flipped", "share",
        "others", "all_flipped", "all",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    anytime = stopped_by_itself(manifest)
    frame["ci_low"], frame["ci_high"] = _ends(frame["share"], frame["n"], anytime)
    frame["of_flipped"] = frame["flipped"] / frame["all_flipped"]
    ends = _ends(frame["of_flipped"], frame["all_flipped"], anytime)
    frame["of_flipped_low"], frame["of_flipped_high"] = ends
    frame["of_all"] = frame["n"] / frame["all"]
    frame["p"] = fisher(frame["flipped"], frame["n"], frame["all_flipped"], frame["all"])
    frame["q"] = adjusted(frame["p"].to_numpy(float))
    frame = frame.drop(columns=["all_flipped", "all"])
    return frame.sort_values(["q", "p"], kind="stable", ignore_index=True)


def _shares(flipped: np.ndarray, members: Sequence[Members]) -> Iterator[tuple]:
    """What belongs to whom at one level; none where all images of a comparison do the same."""
    for one in members:
        known = np.isfinite(flipped) & one.known
        own, n, some = known & one.inside, int(known.sum()), int((flipped[known] == 1).sum())
        size, inside = int(own.sum()), int((flipped[own] == 1).sum())
        if 0 < some < n and 0 < size < n:
            others = (some - inside) / (n - size)
            yield one.by, one.name, size, inside, inside / size, others, some, n


def _ends(share: pd.Series, n: pd.Series, anytime: bool) -> tuple[np.ndarray, np.ndarray]:
    """The exact interval of shares of so many images."""
    value, count = share.to_numpy(float), n.to_numpy(float)
    error = np.sqrt(value * (1 - value) / np.maximum(count - 1, 1))
    return exact_share(value, error, count, anytime=anytime)


def fisher(inside, size, some, n) -> np.ndarray:
    """Computes the two-sided p of Fisher's exact test, by twice the smaller tail.

    Args:
        inside: How many of the group have it.
        size: How many are in the group.
        some: How many of all have it.
        n: How many there are.

    Example:
        >>> fisher([4], [4], [4], [8]).round(4).tolist()  # 2 / 70
        [0.0286]
    """
    from scipy import stats

    inside, size, some, n = (np.asarray(part, dtype=np.int64) for part in (inside, size, some, n))
    above = stats.hypergeom.sf(inside - 1, n, some, size)
    below = stats.hypergeom.cdf(inside, n, some, size)
    return np.minimum(1.0, 2 * np.minimum(above, below))
