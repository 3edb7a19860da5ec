"""Holds the arguments of `measure` that the numbers of a sweep depend on."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from invariscope.runs.request import ModelRequest
from invariscope.transformations import Resampling, Transformation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class SweepRequest(ModelRequest):
    """The arguments of `measure` that its numbers depend on."""

    transformations: str | Sequence[str | Transformation] | None = None
    groups: str | Sequence[str] | None = None
    metrics: str | Sequence[str] | None = None
    layers: str | Sequence[str] | None = "auto"
    num_images: int | None = None
    precision: float | None = None
    table: str = "standard"
    resampling: Resampling | None = None
    twin: bool | str | None = False
    floor: bool = False
    inexact: str = "interpolate"
    model_classes: str | PathLike[str] | Sequence[str] | None = None
    save_images: bool = False
    image_groups: "str | PathLike[str] | pd.DataFrame | None" = None
