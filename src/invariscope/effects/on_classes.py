"""Measures which classes an augmentation hurts, and how surely (paper 000).

Given are the right and wrong answers of several training seeds without the augmentation and of
several with it, on the same test images. For each class and each pair of a seed without and a seed
with it:

    hurt: its accuracy is lower with the augmentation; helped: higher; neither where equal.

- `share_hurt`: the share of the n × n seed pairs in which the class is hurt. `drop_when_hurt`: the
  mean loss of accuracy over those pairs, as in Table A2; NaN without one. `difference`: the mean
  accuracy with minus the mean without. All as shares, 0 to 1.
- A class is consistently hurt if `share_hurt` > 0.7. By chance alone many are, because pairs share
  seeds: with 5 × 5 seeds and no effect, one class in six (fewer where accuracies are tied), where
  25 independent pairs would make it one in fifty. So the number of those that are, and whose mean
  accuracy is lower, is held against the binomial expectation with each class's own chance
  (`relabelling.py`): `expected`, [`_low`, `_high`] the central 95 %, p how often there would be as
  many or more. `excess` = number - expected; its interval takes off the
  ends of that range, so it is above 0 where claim 000.c14 holds. `binomial` is what independent
  pairs would give. Four classes of thirty are more than chance, though it hurts five of thirty that
  nothing happens to: where the others are helped, they are not hurt by chance.
- `detectable`: the loss of accuracy that makes a class consistently hurt in 80 of 100 cases, with
  as many seeds, whose accuracies in the class spread as they do here (normal law).
- p of a class: the share of relabellings with as large a |difference|; q is corrected over the
  whole table, all classes and methods (Benjamini and Hochberg). With 5 × 5 seeds p is at least
  2 / 252.

95 % intervals. Of accuracies and differences: runs of both sides and the images of each class are
resampled. Of `share_hurt` and `drop_when_hurt`: runs are, on these images. Few seeds make them too
short: with five, a standard deviation is estimated about a tenth too small.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from invariscope.effects.correctness import Correctness, arrange
from invariscope.effects.helped_samples import helped_samples
from invariscope.effects.hurt_classes import hurt_classes
from invariscope.effects.power import detectable
from invariscope.effects.relabelling import hurt_by_chance, is_lower, relabel
from invariscope.effects.wordnet import WordNet
from invariscope.errors import InputError
from invariscope.pages import page_maker
from invariscope.seeding import generator
from invariscope.statistics.intervals import REPLICATES, percentile_interval, resampling_counts
from invariscope.statistics.ranking import adjusted

THRESHOLD = 0.7


@dataclass(frozen=True)
class ClassEffects:
    """The effects of augmentations on classes. Accuracies, shares and differences are from 0 to 1.

    Attributes:
        without: The method that the others are held against.
        threshold: A class is consistently hurt in more than this share of the seed pairs.
        summary: One row per method: ``accuracy_without``, ``accuracy_with``, ``difference`` (with
            ``_low``, ``_high``; mean over images), ``mean_share_hurt`` (over classes and pairs) and
            the number of classes consistently ``hurt``, both with ``_expected``,
            ``_expected_low``, ``_expected_high``; ``hurt_p``; ``excess``,
            ``excess_low``, ``excess_high``, ``binomial``; ``helped``; ``detectable`` (of the median
            class); ``n_classes``, ``n_images``, ``n_pairs``, ``n_relabellings``.
        classes: One row per method and class: ``n_images``, ``accuracy_without``,
            ``accuracy_with``, ``difference``, ``share_hurt``, ``drop_when_hurt`` (each with
            ``_low``, ``_high``), ``share_helped``, ``p``, ``q``, ``hurt``, ``helped`` (whether
            consistently), ``detectable``.
        seeds: One row per method, seed and class: ``n_images``, ``accuracy``.
        helped_samples: IoU of the samples that the methods help (`helped_samples.py`).
        similarity: How alike the hurt classes are in WordNet (`hurt_classes.py`); empty without
            WordNet.
        notes: What was left out.
    """

    without: str
    threshold: float
    summary: pd.DataFrame
    classes: pd.DataFrame
    seeds: pd.DataFrame
    helped_samples: pd.DataFrame
    similarity: pd.DataFrame
    notes: list[str]

    def to_text(self) -> str:
        """Writes the findings in 80 columns."""
        return page_maker("effects_text")(self)


def class_effects(
    frame: pd.DataFrame,
    without: str,
    methods: Sequence[str] | None = None,
    *,
    threshold: float = THRESHOLD,
    wordnet: WordNet | None = None,
    synsets: Mapping[str, str] | None = None,
    seed: int = 0,
) -> ClassEffects:
    """Measures the effect of augmentations on each class.

    Args:
        frame: One row per image, method and seed, with ``class`` and ``correct``
            (`correctness.py`; `read_table` and `read_runs` make one).
        without: The method without the augmentation.
        methods: Those with one; by default all others.
        threshold: A class is consistently hurt in more than this share of the seed pairs.
        wordnet: Where given, hurt classes are compared in it.
        synsets: The wnid of a class by its name, where `wordnet.synset_of` would be wrong.
        seed: Decides resamples and permutations.

    Raises:
        InputError: The table is unfit (see `arrange`), a method is unknown or has one seed only, or
            the threshold is not a share.

    Example:
        >>> rows = [
        ...     (f"{c} {k}", c, m, s, int(m == "none" or c == "cat" or k == s))
        ...     for c in ("cat", "dog") for k in range(9) for m in ("none", "rrc") for s in (1, 2)
        ... ]
        >>> table = pd.DataFrame(rows, columns=["image", "class", "method", "seed", "correct"])
        >>> effects = class_effects(table, without="none")
        >>> effects.classes[["class", "share_hurt", "drop_when_hurt"]].round(3).values.tolist()
        [['cat', 0.0, nan], ['dog', 1.0, 0.889]]
    """
    if not 0 <= threshold < 1:
        raise InputError(f"threshold {threshold}: give a share from 0 to below 1, such as 0.7")
    answers = arrange(frame)
    methods = _methods(answers, without, methods)
    effects = [_Effect(answers, without, method, threshold, seed) for method in methods]
    classes = pd.concat([effect.classes() for effect in effects], ignore_index=True)
    classes.insert(list(classes).index("p") + 1, "q", adjusted(classes["p"].to_numpy()))
    notes = list(answers.notes)
    similarity = pd.DataFrame()
    if wordnet is not None:
        similarity, left_out = hurt_classes(classes, wordnet, dict(synsets or {}), seed)
        if left_out:
            notes.append(f"without a synset, so not compared in WordNet: {', '.join(left_out)}")
    return ClassEffects(
        without=without,
        threshold=threshold,
        summary=pd.DataFrame([effect.summary() for effect in effects]),
        classes=classes,
        seeds=_seeds(answers, [without, *methods]),
        helped_samples=helped_samples(answers, without, methods, seed),
        similarity=similarity,
        notes=notes,
    )


def _methods(answers: Correctness, without: str, methods: Sequence[str] | None) -> list[str]:
    known = ", ".join(answers.seeds)
    chosen = [m for m in answers.seeds if m != without] if methods is None else list(methods)
    for name in (without, *chosen):
        if name not in answers.seeds:
            raise InputError(f"no method {name!r}: there are {known}")
        if len(answers.seeds[name]) < 2:
            raise InputError(f"method {name!r} has one seed: two or more of each are needed")
    if without in chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"methods {', '.join((without, *chosen))}: name each once")
    if not chosen:
        raise InputError(f"there is no method but {without!r}: give one with an augmentation")
    return chosen


def _counts(right: np.ndarray, members: np.ndarray, classes: int) -> np.ndarray:
    """The right answers of each run in each class, int64 [seed, class]."""
    return np.stack([np.bincount(members[row], minlength=classes) for row in right])


def _seeds(answers: Correctness, methods: Sequence[str]) -> pd.DataFrame:
    sizes = np.bincount(answers.members)
    parts = []
    for method in methods:
        accuracy = _counts(answers.correct[method], answers.members, len(sizes)) / sizes
        part = pd.MultiIndex.from_product(
            [[method], answers.seeds[method], answers.classes], names=["method", "seed", "class"]
        ).to_frame(index=False)
        part["n_images"] = np.tile(sizes, len(accuracy))
        part["accuracy"] = accuracy.ravel()
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


class _Effect:
    """One method against the one without."""

    def __init__(
        self, answers: Correctness, without: str, method: str, threshold: float, seed: int
    ):
        self.answers, self.without, self.method, self.seed = answers, without, method, seed
        self.sizes = np.bincount(answers.members)
        self.before, self.after = len(answers.seeds[without]), len(answers.seeds[method])
        self.pairs = self.before * self.after
        right = np.concatenate([answers.correct[without], answers.correct[method]])
        self.right = _counts(right, answers.members, len(self.sizes))
        # In whole numbers, so that a share on the threshold is not above it by a rounding.
        self.enough = math.floor(threshold * self.pairs + 1e-9) + 1
        before, after = self.right[: self.before], self.right[self.before :]
        #: Loss in right answers of each pair of seeds [seed without, seed with, class].
        self.losses = before[:, None] - after[None]
        self.hurt = (self.losses > 0).sum(axis=(0, 1))
        self.helped = (self.losses < 0).sum(axis=(0, 1))
        self.relabelled = relabel(self.right, self.before, self.enough, seed)
        self.detectable = detectable(before / self.sizes, after / self.sizes, self.enough)
        self._resample(right)

    def _resample(self, right: np.ndarray) -> None:
        """Resamples of the runs, and of the images of each class."""
        weights = []
        for method, runs in ((self.without, self.before), (self.method, self.after)):
            draw = generator(self.seed, f"class effects:runs:{method}")
            weights.append(draw.multinomial(runs, np.full(runs, 1 / runs), size=REPLICATES) / runs)
        pairs = np.einsum("rs,rt->rst", *weights).reshape(REPLICATES, -1)
        losses = self.losses.reshape(self.pairs, -1)
        self.drawn_share = (pairs @ (losses > 0)).T
        lost = (pairs @ np.maximum(losses, 0)).T / self.sizes[:, None]
        self.drawn_drop = np.divide(
            lost, self.drawn_share, out=np.full(lost.shape, np.nan), where=self.drawn_share > 1e-12
        )
        shape = (len(self.sizes), REPLICATES)
        self.drawn = {"without": np.empty(shape), "with": np.empty(shape)}
        both = np.concatenate(weights, axis=1)
        for group, counts in self._resampled_counts(right):
            values = counts * both[:, None]  # [replicate, class, run]
            self.drawn["without"][group] = values[..., : self.before].sum(axis=-1).T
            self.drawn["with"][group] = values[..., self.before :].sum(axis=-1).T

    def _resampled_counts(self, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(some classes, their accuracies in each resample of images [replicate, class, run]).

        Classes of one size share their resamples, as cells of a sweep do.
        """
        order = np.argsort(self.answers.members, kind="stable")
        starts = np.cumsum([0, *self.sizes[:-1]])
        for size in np.unique(self.sizes):
            group = np.flatnonzero(self.sizes == size)
            images = order[starts[group][:, None] + np.arange(size)]  # [class, image]
            flat = right[:, images].transpose(2, 1, 0).reshape(size, -1).astype(np.float64)
            drawn = [
                counts @ flat for counts in resampling_counts(int(size), REPLICATES, self.seed)
            ]
            yield group, np.concatenate(drawn).reshape(REPLICATES, len(group), -1) / size

    def classes(self) -> pd.DataFrame:
        """One row per class."""
        means = {
            "without": self.right[: self.before].mean(axis=0) / self.sizes,
            "with": self.right[self.before :].mean(axis=0) / self.sizes,
        }
        frame = pd.DataFrame({"method": self.method, "class": self.answers.classes})
        frame["n_images"] = self.sizes
        for side, values in means.items():
            _add(frame, f"accuracy_{side}", values, self.drawn[side])
        difference = means["with"] - means["without"]
        _add(frame, "difference", difference, self.drawn["with"] - self.drawn["without"])
        _add(frame, "share_hurt", self.hurt / self.pairs, self.drawn_share)
        frame["share_helped"] = self.helped / self.pairs
        lost = np.maximum(self.losses, 0).sum(axis=(0, 1))
        drop = np.divide(lost, self.hurt, out=np.full(len(lost), np.nan), where=self.hurt > 0)
        _add(frame, "drop_when_hurt", drop / self.sizes, self.drawn_drop)
        frame["p"] = self.relabelled.p
        frame["hurt"], frame["helped"] = self.hurt >= self.enough, self.helped >= self.enough
        frame["detectable"] = self.detectable
        return frame

    def summary(self) -> dict[str, float | int | str]:
        """The row of this method."""
        row: dict[str, float | int | str] = {"method": self.method}
        share = self.sizes / self.sizes.sum()
        drawn = {side: share @ values for side, values in self.drawn.items()}
        drawn["difference"] = drawn["with"] - drawn["without"]
        without, after = (
            float(side.sum() / len(side) / self.sizes.sum())
            for side in (self.right[: self.before], self.right[self.before :])
        )
        values = {"without": without, "with": after, "difference": after - without}
        for name, value in values.items():
            key = name if name == "difference" else f"accuracy_{name}"
            low, high = percentile_interval(drawn[name][None])
            row |= {key: value, f"{key}_low": float(low[0]), f"{key}_high": float(high[0])}
        hurt = int((self.hurt >= self.enough).sum())
        null = self.relabelled
        row |= _against("mean_share_hurt", float(self.hurt.mean() / self.pairs), null.shares)
        lower = is_lower(self.right[: self.before], self.right[self.before :])
        chance = hurt_by_chance(self.hurt >= self.enough, lower, null)
        row |= {"hurt": hurt, "hurt_expected": chance.expected, "hurt_expected_low": chance.low,
                "hurt_expected_high": chance.high, "hurt_p": chance.p,
                "excess": chance.count - chance.expected,
                "excess_low": chance.count - chance.high,
                "excess_high": chance.count - chance.low}  # fmt: skip
        unequal = (self.hurt + self.helped) / self.pairs
        row["binomial"] = float(stats.binom.sf(self.enough - 1, self.pairs, unequal / 2).sum())
        row["helped"] = int((self.helped >= self.enough).sum())
        row["detectable"] = float(np.median(self.detectable))
        row |= {"n_classes": len(self.sizes), "n_images": int(self.sizes.sum())}
        return row | {"n_pairs": self.pairs, "n_relabellings": len(null.scores)}


def _add(frame: pd.DataFrame, name: str, values: np.ndarray, drawn: np.ndarray) -> None:
    frame[name] = values
    frame[f"{name}_low"], frame[f"{name}_high"] = percentile_interval(drawn)


def _against(name: str, value: float, null: np.ndarray) -> dict[str, float | int]:
    """A number, and what relabelling gives."""
    low, high = np.quantile(null, [0.025, 0.975])
    return {
        name: value,
        f"{name}_expected": float(null.mean()),
        f"{name}_expected_low": float(low),
        f"{name}_expected_high": float(high),
    }
