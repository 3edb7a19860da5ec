"""Compares the classes that an augmentation hurts by their similarity in WordNet (paper 000 D.1).

Means of Wu and Palmer's similarity (`wordnet.py`), in (0, 1], over pairs of classes:

- "hurt": two different classes that are consistently hurt;
- "helped": one that is hurt and one that is helped;
- "rest": one that is hurt and one that is neither.

Each is held against classes drawn at random: as many are called hurt, helped and neither as there
are, 1,999 times. `expected` is the mean of these draws, [`expected_low`, `expected_high`] their
central 95 %; p the share of draws (and the classes as they are) that lie as far from `expected` or
farther: two-sided. The paper finds no pattern, that is, no similarity outside of that range.
Classes without a synset are left out and named.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from invariscope.effects.wordnet import WordNet
from invariscope.seeding import generator

GROUPS = ("hurt", "helped", "rest")
_DRAWS = 1999
_EQUAL = 1e-9


def hurt_classes(
    classes: pd.DataFrame, wordnet: WordNet, synsets: Mapping[str, str], seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Measures how alike the classes are that each method hurts, helps, and neither.

    Args:
        classes: One row per ``method`` and ``class``, with whether it is ``hurt`` or ``helped``.
        wordnet: WordNet's nouns.
        synsets: The wnid of a class by its name, where `wordnet.synset_of` would be wrong.
        seed: Decides the draws.

    Returns:
        One row per ``method`` and ``group``: ``similarity``, ``expected``, ``expected_low``,
        ``expected_high``, ``p``, ``n_hurt``, ``n_other``; NaN where a group has no pair. And the
        classes without a synset.
    """
    names = list(dict.fromkeys(classes["class"]))
    wnids = {name: synsets.get(name) or wordnet.synset_of(name) for name in names}
    known = [name for name in names if wnids[name] is not None]
    matrix = wordnet.matrix([str(wnids[name]) for name in known])
    np.fill_diagonal(matrix, 0.0)  # a class makes no pair with itself
    rows = []
    for method, part in classes.groupby("method", sort=False):
        part = part.set_index("class").loc[known]
        places = [np.flatnonzero(part[kind].to_numpy(dtype=bool)) for kind in ("hurt", "helped")]
        rest = np.setdiff1d(np.arange(len(known)), np.concatenate(places))
        sizes = [len(places[0]), len(places[1]), len(rest)]
        observed = _means(matrix, np.concatenate([*places, rest]), sizes)
        draw = generator(seed, f"hurt classes:{method}")
        drawn = np.stack(
            [_means(matrix, draw.permutation(len(known)), sizes) for _ in range(_DRAWS)], axis=1
        )
        for row, group in enumerate(GROUPS):
            against = _against(observed[row], drawn[row])
            size = {"n_hurt": sizes[0], "n_other": sizes[row]}
            rows.append({"method": method, "group": group, **against, **size})
    return pd.DataFrame(rows), [name for name in names if wnids[name] is None]


def _means(matrix: np.ndarray, order: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The means of the three groups [3], with the classes in the order hurt, helped, neither."""
    hurt, helped = order[: sizes[0]], order[sizes[0] : sizes[0] + sizes[1]]
    rows = matrix[hurt]
    own, to_helped = rows[:, hurt].sum(), rows[:, helped].sum()
    sums = np.array([own, to_helped, rows.sum() - own - to_helped])
    pairs = sizes[0] * np.array([sizes[0] - 1, sizes[1], sizes[2]])
    return np.divide(sums, pairs, out=np.full(3, np.nan), where=pairs > 0)


def _against(observed: float, drawn: np.ndarray) -> dict[str, float]:
    if np.isnan(observed):
        nothing = dict.fromkeys(("expected", "expected_low", "expected_high", "p"), np.nan)
        return {"similarity": observed, **nothing}
    expected = float(drawn.mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    far = np.abs(drawn - expected) >= abs(observed - expected) - _EQUAL
    return {
        "similarity": float(observed),
        "expected": expected,
        "expected_low": float(low),
        "expected_high": float(high),
        "p": float((far.sum() + 1) / (len(far) + 1)),
    }
