"""Holds the arguments of a public function, as a value.

The public function, its job and the command line share it; `invariscope.measure` says what each
argument means.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
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

    def written(self) -> dict[str, str]:
        """Writes the arguments that are not their defaults as Python, in the order of a call.

        What is an object of the caller's stands under the name of its argument.

        Example:
            >>> Request(images=[0.5], seed=3).written(), Request(images=object()).written()
            ({'images': '[0.5]', 'seed': '3'}, {'images': 'images'})
        """
        own = sorted(fields(self), key=lambda field: _FIRST.get(field.name, len(_FIRST)))
        values = {field.name: getattr(self, field.name) for field in own}
        return {
            field.name: _as_python(values[field.name]) or field.name
            for field in own
            if field.name in _FIRST or not _same(values[field.name], field.default)
        }


#: The arguments that a call begins with.
_FIRST = {"model": 0, "images": 1}


def _same(value: Any, default: Any) -> bool:
    """Whether a value is a default; what compares by element is none."""
    return value is default or (type(value) is type(default) and value == default)


def _as_python(value: Any) -> str | None:
    """Writes a value that can be written; None for others."""
    if isinstance(value, os.PathLike | torch.device):
        return repr(str(value))
    return repr(value) if _can_be_written(value) else None


def _can_be_written(value: Any) -> bool:
    if is_dataclass(value) and not isinstance(value, type):
        return all(_can_be_written(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, dict):
        return all(map(_can_be_written, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(_can_be_written, value))
    return type(value) in (type(None), bool, int, float, str)


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
