"""The findings of a study: tables, figures, verdicts on claims, and notes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from invariscope.studies.claims.verdict import ClaimResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Figure:
    """A figure of a study's report.

    Attributes:
        title: What it shows, a few words.
        caption: How to read it, and what stands out.
        svg: The drawing, as a whole ``<svg>`` element. Colours are the page's CSS variables, so
            that it is light and dark.
    """

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Findings:
    """Holds what a study returns.

    Attributes:
        tables: Tables by name; each becomes `tables/NAME.csv`.
        figures: Figures, in the order of the page.
        claims: The verdicts that it has computed.
        notes: Sentences that a reader must know: what differs from the paper, what was left out.
    """

    tables: "Mapping[str, pd.DataFrame]"
    figures: Sequence[Figure] = ()
    claims: Sequence[ClaimResult] = ()
    notes: Sequence[str] = field(default_factory=tuple)
