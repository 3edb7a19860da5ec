"""Saves what `improve` made of a model, and loads it: ``improved:FOLDER``.

A folder holds ``weights.pt``, a plain state dict, and ``model.json``: the spec of the model that
was improved, which says how its network is built, and the preprocessing. ``model.json`` is written
last: a folder that has it is whole. The weights of the original are not needed again, but what its
spec builds the network from is: its package, its factory, its configuration.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.files import undamaged, write_file
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.state_file import read_state
from invariscope.sealed import read_sealed, write_sealed

WEIGHTS, DESCRIPTION = "weights.pt", "model.json"
#: Specs whose argument is a path.
_PATHS = ("checkpoint", "trained", "transformers", "improved")
_REMEDY = "give a folder that `invariscope improve` has finished"
_AGAIN = "delete the folder and run the command again"


@dataclass(frozen=True)
class ImprovedModel:
    """The content of ``model.json``.

    Args:
        base: Spec of the model that was improved; "" for a module that Python handed over.
        preprocessing: What the images need.
        about: Whatever else the writer wants to know again.
    """

    base: str
    preprocessing: Preprocessing
    about: Mapping[str, Any]


def save_improved(
    folder: Path,
    state: Mapping[str, Tensor],
    *,
    base: str,
    preprocessing: Preprocessing,
    about: Mapping[str, Any],
    beside: Sequence[str] = (),
) -> None:
    """Writes improved weights.

    Args:
        folder: Where to; it is made if need be.
        state: The state dict.
        base: Spec of the model that was improved; paths in it are written as absolute ones.
        preprocessing: What its images need.
        about: What JSON can hold.
        beside: Files that lie in the folder already and belong to the weights.

    Raises:
        RunError: They cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_file(folder / WEIGHTS, buffer.getvalue())
    content = {
        "base": _absolute(base),
        "preprocessing": preprocessing.as_dict(),
        "about": dict(about),
    }
    write_sealed(folder / DESCRIPTION, content, [WEIGHTS, *beside])


def _absolute(spec: str) -> str:
    kind, _, path = spec.partition("+untrained")[0].partition(":")  # it builds the same network
    if kind in _PATHS:
        path = os.path.abspath(os.path.expanduser(path))
    return f"{kind}:{path}" if path else ""


def read_improved(folder: str | Path, *, whole: bool = False) -> ImprovedModel:
    """Reads the description of an improved model.

    Args:
        folder: The folder.
        whole: Whether what lies beside the weights must be as it was written, too.

    Raises:
        InputError: There is no such folder, or it holds no whole model as it was written.
    """
    file = Path(folder).expanduser() / DESCRIPTION
    if not file.is_file():
        raise InputError(f"improved model {folder}: there is no {DESCRIPTION}; {_REMEDY}")
    values = read_sealed(file, _AGAIN, None) if whole else read_sealed(file, _REMEDY, (WEIGHTS,))
    with undamaged(file, _REMEDY):
        prepared = Preprocessing.from_dict(values["preprocessing"])
        return ImprovedModel(str(values["base"]), prepared, values["about"])


def improved_state(folder: str | Path) -> dict[str, Tensor]:
    """Reads the weights."""
    return read_state(Path(folder).expanduser() / WEIGHTS)
