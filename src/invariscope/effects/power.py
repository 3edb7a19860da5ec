"""Says how large an effect on one class must be to be seen: the power of "consistently hurt".

A class is called consistently hurt if its accuracy is lower in more than some share of the pairs of
a run without and a run with the augmentation. Let accuracies of runs be normal about their means,
with the spread σ that runs of the same kind show in this class. The loss that is called hurt in 80
of 100 cases is then a multiple of σ that depends on the numbers of runs alone.
"""

import numpy as np
from jaxtyping import Float64

from invariscope.seeding import generator

POWER = 0.8
_DRAWS = 2000


def detectable(
    before: Float64[np.ndarray, "run class"], after: Float64[np.ndarray, "other class"], enough: int
) -> Float64[np.ndarray, " class"]:
    """Computes the loss of accuracy that makes each class consistently hurt in 80 of 100 cases.

    Args:
        before: Accuracies without the augmentation.
        after: With it.
        enough: A class is consistently hurt in at least so many pairs.
    """
    freedom = len(before) + len(after) - 2
    squares = sum(((side - side.mean(axis=0)) ** 2).sum(axis=0) for side in (before, after))
    return np.sqrt(np.asarray(squares) / freedom) * _multiple(len(before), len(after), enough)


def _multiple(before: int, after: int, enough: int) -> float:
    """The loss in units of σ: the pair number `enough` from above must be lost."""
    draw = generator(0, "class effects:power")
    runs = draw.normal(size=(_DRAWS, before, 1)), draw.normal(size=(_DRAWS, 1, after))
    # A loss of d hurts where d exceeds the difference of what both runs draw.
    needed = np.sort((runs[1] - runs[0]).reshape(_DRAWS, -1), axis=1)[:, enough - 1]
    return float(np.quantile(needed, POWER))
