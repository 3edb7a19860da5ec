"""Holds the arguments of a public function, as a value.

The public function, its job and the command line share it; `invariscope.measure` says what each
argument means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch

from invariscope.models import PreprocessingLike
from invariscope.models.arithmetic import Arithmetic

R = TypeVar("R", bound="Request")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of every run."""

    images: Any
    seed: int = 0

    @classmethod
    def split(cls: type[R], arguments: Mapping[str, Any]) -> tuple[R, dict[str, Any]]:
        """Splits arguments into those of the numbers and those of how the run is carried out."""
        names = {field.name for field in fields(cls)}
        asked = {name: value for name, value in arguments.items() if name in names}
        how = {name: value for name, value in arguments.items() if name not in names}
        return cls(**asked), how


@dataclass(frozen=True, kw_only=True)
class ModelRequest(Request):
    """The arguments of every run of a network."""

    model: Any
    device: str | torch.device | None = None
    preprocessing: PreprocessingLike | None = None
    task: str | None = None
    embedding: str | None = None
    output_key: str | None = None
    value_range: Sequence[float] | None = None
    fold: bool = True
    amp: str | None = None
    compile: bool = False

    @property
    def arithmetic(self) -> Arithmetic:
        """The way in which the network is to be computed."""
        return Arithmetic(self.fold, self.amp, self.compile)
