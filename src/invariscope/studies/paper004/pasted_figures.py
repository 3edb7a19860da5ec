"""The figure of 004 §4.1: accuracy on classes and on objects over a share, with references."""

import pandas as pd

from invariscope.studies.claims import accuracy_over_seeds
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure
from invariscope.studies.paper004.pasted_tasks import CO_C, CO_O
from invariscope.studies.paper004.synthetic_tasks import per_seed

_WORDS = {CO_C: "class", CO_O: "object"}


def course(
    what: str, column: str, x_label: str, table: pd.DataFrame, references: pd.DataFrame
) -> Figure:
    """Two curves with bands, and a level line for each reference.

    Args:
        what: "relevance" or "availability".
        column: Of the share: "alpha" or "beta".
        x_label: What it is.
        table: The networks trained at several shares.
        references: Networks trained on C/C and on O/O.
    """
    shares = sorted(table[column].unique())
    series = []
    for target, word in _WORDS.items():
        at = [per_seed(table, target=target, **{column: share}) for share in shares]
        series.append(Curve.of(word, shares, [accuracy_over_seeds(seeds) for seeds in at]))
    for trained_on in references["trained_on"].unique():
        for target, word in _WORDS.items():
            level = float(per_seed(references, trained_on=trained_on, target=target).mean())
            ends = [shares[0], shares[-1]]
            series.append(Curve(f"{word}, trained on {trained_on}", ends, [level, level]))
    return curves(
        f"Accuracy by {what}",
        "Of new last layers, on pictures with random objects. Bands are 95 % intervals over seeds; "
        "level lines are networks that saw pictures only (C/C) or objects only (O/O).",
        series,
        x_label=x_label,
        y_label="accuracy",
    )
