"""Weights from a file: a plain state dict, in whatever wrapping training code has put it.

Files are read with ``weights_only=True`` and in no other way: a pickle can run any code. Wrapped
state dicts are found under the usual keys, averaged (EMA) weights first, as timm does, a teacher
before its student, as DINO does; prefixes such as ``module.`` are removed. A classifier with
another number of classes, or none, is followed; a projection head in its place is left out, as is
one beside the encoder. Files ending in ``.npz`` are `npz`'s.
"""

import argparse
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.failures import first_line
from invariscope.models.npz import build_from_npz
from invariscope.models.zoo import TorchvisionModel, ZooModel

_WRAPPERS = (
    "state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict",
    "classy_state_dict", "base_model", "model", "trunk", "teacher", "student", "net", "network",
    "params", "weights", "module",
)  # fmt: skip
_PREFIXES = (
    "module", "model", "_orig_mod", "ema_model", "ema", "net", "network", "backbone", "encoder",
    "encoder_q", "base_encoder", "teacher", "student", "_feature_blocks",
)  # fmt: skip
_SHOWN = 3


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file (.pt, .pth, .bin, .ckpt, .safetensors), wrappers removed.

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


def build_from_checkpoint(
    architecture: ZooModel, path: str | Path
) -> tuple[nn.Module, dict[str, Any]]:
    """The architecture with the weights of a file.

    Returns:
        The module, and the options (``num_classes``) that an untrained twin must be built with.

    Raises:
        InputError: The file cannot be read or its arrays do not fit; the message names the first
            missing and unexpected ones.
    """
    if Path(path).suffix == ".npz" and Path(path).expanduser().is_file():
        return build_from_npz(architecture, Path(path).expanduser())
    state = read_state(path)
    module = architecture.build(pretrained=False)
    state = _strip_prefix(state, set(module.state_dict()))
    options = _classifier_options(architecture, module, state)
    headless = options.get("num_classes") == 0
    if headless:
        inside = f"{architecture.classifier(module)}."
        state = {name: value for name, value in state.items() if not name.startswith(inside)}
    if headless and isinstance(architecture, TorchvisionModel):
        remove_classifier(architecture, module)
    elif options:
        module = architecture.build(pretrained=False, **options)
    _load(module, state, Path(path), architecture.spec)
    return module, options


def remove_classifier(architecture: TorchvisionModel, module: nn.Module) -> None:
    """Replaces the last Linear by the identity: torchvision has no ``num_classes=0``."""
    name = architecture.classifier(module)
    if name:
        parent, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(parent), leaf, nn.Identity())


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
    try:
        with warnings.catch_warnings():
            # TorchScript archives: the warning says less than the error that follows.
            warnings.simplefilter("ignore")
            # Training scripts (timm's, DINO's) save their arguments too. They are values: reading
            # them runs no code.
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        if "GLOBAL" in text or "unsupported" in text.lower() or "Unsupported" in text:
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
            "may be truncated, or hold a program (TorchScript) instead of a state dict"
        ) from error


def _culprit(text: str) -> str:
    words = text.replace("`", " ").split()
    after = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "GLOBAL"]
    return f" ({after[0]})" if after else ""


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(6):
        if not isinstance(content, Mapping):
            break
        tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
        inner = next(
            (content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None
        )
        if inner is None or len(tensors) > len(content) / 2:
            if tensors:
                return tensors
            break
        content = inner
    raise InputError(
        f"checkpoint {path} holds no state dict; save one with "
        "torch.save(model.state_dict(), 'plain.pt')"
    )


def _strip_prefix(state: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Removes the leading ``module.``-like prefix under which most of the model's names lie.

    What lies elsewhere (the projection head of a self-supervised method, an optimiser's counter) is
    no part of the model and is left out; with no prefix to remove nothing is left out.
    """
    best, most = state, len(wanted & state.keys())
    prefixes = {""}
    for _ in range(3):
        prefixes |= {
            f"{prefix}{part}."
            for prefix in prefixes
            for part in _PREFIXES
            if any(name.startswith(f"{prefix}{part}.") for name in state)
        }
    for prefix in sorted(prefixes - {""}):
        inner = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
        if len(wanted & inner.keys()) > most:
            best, most = inner, len(wanted & inner.keys())
    return best


def _classifier_options(
    architecture: ZooModel, module: nn.Module, state: dict[str, Tensor]
) -> dict[str, Any]:
    """``num_classes`` where the file's classifier has another size, 0 where it has none."""
    name = architecture.classifier(module)
    own = module.state_dict()
    weight = f"{name}.weight"
    if not name or weight not in own:
        return {}
    if weight not in state:
        rest = {key for key in own if not key.startswith(f"{name}.")}
        return {"num_classes": 0} if rest <= state.keys() | _counters(own) else {}
    if state[weight].ndim == own[weight].ndim and state[weight].shape[0] != own[weight].shape[0]:
        return {"num_classes": int(state[weight].shape[0])}
    return {}


def _counters(state: Mapping[str, Any]) -> set[str]:
    return {name for name in state if name.endswith("num_batches_tracked")}


def _load(module: nn.Module, state: dict[str, Tensor], path: Path, spec: str) -> None:
    own = module.state_dict()
    missing = [name for name in own if name not in state and name not in _counters(own)]
    unexpected = [name for name in state if name not in own]
    shapes = [
        f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    faults = [
        f"{len(names)} {what}: {', '.join(names[:_SHOWN])}" + (", …" if len(names) > _SHOWN else "")
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
        )
        if names
    ]
    if faults:
        raise InputError(
            f"checkpoint {path} does not fit {spec}: {'; '.join(faults)}; name the architecture "
            "it was saved from after the @"
        )
    module.load_state_dict(state, strict=False)
