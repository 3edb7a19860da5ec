"""Holds the arguments of `find_factors` that the numbers of a search depend on."""

from collections.abc import Sequence
from dataclasses import dataclass

from invariscope.runs.request import ModelRequest
from invariscope.search.operations import BOTH_WAYS
from invariscope.transformations import Operation, Transformation

DEFAULT_PAIRS = 64


@dataclass(frozen=True, kw_only=True)
class SearchRequest(ModelRequest):
    """The arguments of `find_factors` that its numbers depend on."""

    operations: str | Sequence[str | Transformation | Operation] = BOTH_WAYS
    pairs: int = DEFAULT_PAIRS
    classes: Sequence[str] | None = None
    shear_centre: str = "corner"
