"""Tables of parts whose answer is known."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from invariscope.models import PARTS
from invariscope.studies.paper002.parts import EQUIVARIANCE, KINDS

#: Seeds differ by this much, so that there is an interval.
JITTER = (0.0, 0.001, 0.002, -0.001)


def parts_table(column: str, groups, value: Callable[..., float]) -> pd.DataFrame:
    """A table with value(group, part, kind) + the seed's jitter; the null is 0.05 and 0.1.

    Each number has some noise of its own, so that no two differences are equal.
    """
    draw = np.random.default_rng(0)
    rows = [
        {
            column: group,
            "seed": seed,
            "part": part,
            "kind": kind,
            "value": (own := value(group, part, kind) + jitter + 0.0005 * draw.normal()),
            "matched": own,
            "null": 0.1 if kind == EQUIVARIANCE else 0.05,
        }
        for group in groups
        for seed, jitter in enumerate(JITTER)
        for part in PARTS
        for kind in KINDS
    ]
    return pd.DataFrame(rows)
