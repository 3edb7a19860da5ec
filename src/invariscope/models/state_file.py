"""Reads a file of weights: a plain state dict, in whatever wrapping training code has put it.

Files are read with ``weights_only=True`` and in no other way: a pickle can run any code. What
training scripts save beside the weights (arguments, paths, NumPy numbers, dictionaries with a
default) is let in: these are values, and reading them runs no code. Wrapped state dicts are found
under the usual keys, averaged (EMA) weights first, as timm does, a teacher before its student, as
DINO does; else under whatever other key holds arrays.
"""

import argparse
import datetime
import pathlib
import pickle
import types
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from torch import Tensor

from invariscope.errors import InputError, first_line

_WRAPPERS = (
    "state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict",
    "classy_state_dict", "base_model", "model", "trunk", "teacher", "student", "net", "network",
    "params", "weights", "module",
)  # fmt: skip
# What lies beside a state dict under keys of its own, and holds arrays too.
_BESIDE = ("optim", "sched", "scaler", "rng", "loss", "criterion", "callbacks", "loops", "amp")


def _dict(factory: Any = None) -> dict[Any, Any]:
    return {}


def _list(items: Any = (), longest: Any = None) -> list[Any]:
    return list(items)


def _values() -> list[Any]:
    """The types, beside torch's own, that a file may hold: values, built without running code."""
    plain: list[Any] = [
        argparse.Namespace, types.SimpleNamespace, frozenset, slice, range, list, dict, tuple,
        int, float, bool, str, datetime.datetime, datetime.date, datetime.timedelta,
        datetime.timezone,
    ]  # fmt: skip
    # torch fills plain dictionaries and lists only: these are read as such.
    plain += [(_dict, "collections.defaultdict"), (_list, "collections.deque")]
    # A path is read as a pure one: it names a place and opens none. Python 3.13 moved them.
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
        pure = pathlib.PureWindowsPath if "Windows" in name else pathlib.PurePosixPath
        plain += [(pure, f"{home}.{name}") for home in ("pathlib", "pathlib._local")]
    # NumPy 2 renamed the home of its two constructors.
    for name in ("scalar", "_reconstruct"):
        function = getattr(multiarray, name)
        plain += [(function, f"numpy.{home}.multiarray.{name}") for home in ("_core", "core")]
    dtypes = [kind for kind in vars(np.dtypes).values() if isinstance(kind, type)]
    return [*plain, np.dtype, np.ndarray, *dtypes]


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Reads the state dict in a file (.pt, .pth, .bin, .ckpt, .safetensors), wrappers removed.

    Raises:
        InputError: As `read_weights`.
    """
    return read_weights(path)[0]


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], str]:
    """Reads the state dict in a file, and says which one where the file holds several.

    Returns:
        The arrays by their names; one line that names what was taken and what lies beside it, or
        "" for a file of one state dict.

    Raises:
        InputError: There is no such file, it cannot be read, it would run code, or it holds no
            state dict.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"checkpoint {path} {kind}; give the path of a file with a state dict")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return _unwrap(content, path)


def kind_of_file(path: str | Path) -> str:
    """Recognises a file of PyTorch: "torchscript", "export" or, for all else, "weights".

    Example:
        >>> kind_of_file("no/such/file.pt")
        'weights'
    """
    try:
        with zipfile.ZipFile(Path(path).expanduser()) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return "weights"
    if any(name.startswith("models/") for name in names) or "serialized_exported_program.json" in (
        names | {name.rpartition("/")[2] for name in names}
    ):
        return "export"
    return "torchscript" if "constants.pkl" in names else "weights"


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise InputError(f"checkpoint {path}: pip install safetensors") from None
    try:
        return load_file(path)
    except Exception as error:
        raise InputError(
            f"checkpoint {path} cannot be read ({first_line(error)}); a whole "
            ".safetensors file works"
        ) from error


def _read_torch(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise InputError(f"checkpoint {path} is an empty file; give a saved state dict")
    kind = kind_of_file(path)
    if kind != "weights":
        raise InputError(
            f"checkpoint {path} holds a whole program, no state dict; {kind}:{path} measures it"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals(_values()):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        if "GLOBAL" in text or "unsupported" in text.lower():
            raise InputError(
                f"checkpoint {path} holds pickled Python objects{_culprit(text)}, which can run "
                "code, and is not opened; where you trust it, save a plain state dict: "
                "torch.save(model.state_dict(), 'plain.pt')"
            ) from error
        raise InputError(
            f"checkpoint {path} is no file of torch.save ({first_line(error)}); a state dict that "
            "torch.save wrote works"
        ) from error
    except Exception as error:
        raise InputError(
            f"checkpoint {path} cannot be read ({type(error).__name__}: {first_line(error)}); it "
            "may be truncated"
        ) from error


def _culprit(text: str) -> str:
    words = text.replace("`", " ").split()
    after = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "GLOBAL"]
    return f" ({after[0]})" if after else ""


def _unwrap(content: Any, path: Path) -> tuple[dict[str, Tensor], str]:
    said = ""
    for _ in range(6):
        if not isinstance(content, Mapping):
            break
        tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        inner = _inner(content)
        if inner is None or len(tensors) > len(content) / 2:
            if tensors:
                return tensors, said
            break
        said = said or _beside(content, inner)
        content = inner
    raise InputError(
        f"checkpoint {path} holds no state dict; save one with "
        "torch.save(model.state_dict(), 'plain.pt')"
    )


def _beside(content: Mapping[Any, Any], inner: Mapping[Any, Any]) -> str:
    """Names the state dicts of the same names that lie beside the one that is taken."""
    taken = next(key for key, value in content.items() if value is inner)
    others = [
        str(key)
        for key, value in content.items()
        if isinstance(value, Mapping) and value is not inner and value.keys() == inner.keys()
        and not str(key).lower().startswith(_BESIDE)
    ]  # fmt: skip
    if not others:
        return ""
    return (
        f"the weights under {taken!r} are taken, not those under {', '.join(map(repr, others))}; "
        "save the others as a file of their own to measure them"
    )


def _inner(content: Mapping[Any, Any]) -> Mapping[Any, Any] | None:
    """Returns the mapping that holds the weights: a usual key, else the entry with most arrays."""
    for key in _WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return content[key]
    others = {
        sum(isinstance(value, Tensor) for value in entry.values()): entry
        for key, entry in reversed(list(content.items()))
        if isinstance(entry, Mapping) and not str(key).lower().startswith(_BESIDE)
    }
    most = max(others, default=0)
    return others[most] if most else None
