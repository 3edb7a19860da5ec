"""Guesses what a word that is no model spec meant, and says what to write instead."""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.builtin import BUILTIN
from invariscope.models.small import SMALL
from invariscope.models.state_file import kind_of_file
from invariscope.registry import unknown_name

_WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".npz", ".pth.tar", ".tar")
_FOREIGN = {
    ".h5": "Keras", ".keras": "Keras", ".pb": "TensorFlow", ".tflite": "TensorFlow Lite",
    ".mlmodel": "Core ML", ".mlpackage": "Core ML", ".engine": "TensorRT", ".trt": "TensorRT",
    ".xml": "OpenVINO", ".msgpack": "Flax", ".pkl": "a pickle", ".joblib": "a pickle",
}  # fmt: skip


def wrong_spec(spec: str, forms: Iterable[str]) -> InputError:
    """Makes the error for a spec of no known form, with the hint that helps."""
    forms = list(forms)
    hint = _of_path(spec) or _of_name(spec) or _of_misspelt(spec, forms)
    if hint:
        return InputError(f"unknown model spec {spec!r}: {hint}")
    return unknown_name("model spec", spec, forms)


def _of_path(text: str) -> str:
    """For files and folders, and for what is written like one."""
    path = Path(text).expanduser()
    name, suffix = path.name.lower(), path.suffix.lower()
    if path.is_dir():
        return _of_folder(text, path)
    if suffix == ".onnx":
        return f"onnx:{text} measures an ONNX file"
    if suffix == ".pt2":
        return f"export:{text} measures a program of torch.export"
    if suffix == ".py":
        return "python:module:factory measures what a function of that module returns"
    if suffix in _FOREIGN:
        return f"files of {_FOREIGN[suffix]} are not read; export the model to ONNX: onnx:PATH"
    if suffix not in _WEIGHTS:
        return ""
    if name.startswith(("yolo", "rtdetr", "rfdetr")):
        return (
            "a detector's file has no scores per picture; python:module:factory measures its "
            "backbone, or a function that returns one vector per picture"
        )
    kind = kind_of_file(path)
    if kind != "weights":
        return f"{kind}:{text} measures the program in that file"
    return (
        f"a file of weights needs its architecture: checkpoint:{text}@timm:NAME or "
        f"checkpoint:{text}@torchvision:NAME; python:MODULE:FUNCTION for a network of your own, "
        "which loads its weights itself (a TorchScript program: torchscript:PATH)"
    )


def _of_folder(text: str, path: Path) -> str:
    if (path / "model.json").is_file():
        return f"trained:{text} measures what training left there"
    if (path / "config.json").is_file():
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        except ValueError:
            config = {}
        if "pretrained_cfg" in config:
            return f"timm:local-dir:{text} measures a folder of timm"
        return f"transformers:{text} measures a folder of transformers"
    return (
        "a folder without config.json is no model; checkpoint:FOLDER/FILE@timm:NAME measures a "
        "file of weights in it (images are given as data)"
    )


def _of_name(text: str) -> str:
    prefix, colon, rest = text.partition(":")
    if prefix in ("hf-hub", "hf_hub", "local-dir"):
        return f"timm:{text} is how a model of timm is fetched from there"
    if prefix in ("hf", "huggingface"):
        text, colon = rest, ""
    if colon and "/" not in prefix and all(part.isidentifier() for part in prefix.split(".")):
        here = "." in prefix or Path(f"{prefix}.py").is_file()
        return f"python:{text} calls a function of a module" if here else ""
    if colon:
        return ""
    if text.count("/") == 1 and all(text.split("/")):
        folder = text.rpartition("/")[2]
        return (
            f"a name of the hub: of timm's models timm:hf-hub:{text}, of transformers' "
            f"`hf download {text} --local-dir {folder}`, then transformers:{folder}"
        )
    name, plus, wish = text.partition("+")
    places = [f"{library}:{name}{plus}{wish}" for library in _holding(name)]
    return f"did you mean {' or '.join(places)}?" if places else ""


def _of_misspelt(text: str, forms: Iterable[str]) -> str:
    prefix, colon, rest = text.partition(":")
    known = [form.partition(":")[0] for form in forms]
    near = difflib.get_close_matches(prefix, known, n=1, cutoff=0.6) if colon else []
    return f"did you mean {near[0]}:{rest}?" if near else ""


def _holding(name: str) -> list[str]:
    import timm
    from torchvision import models

    places = ["builtin"] if name in BUILTIN else []
    places += ["small"] if name.partition("?")[0] in SMALL else []
    places += ["timm"] if timm.is_model(name.partition(".")[0]) else []
    places += ["torchvision"] if name.partition("@")[0] in models.list_models() else []
    return places


def wrong_object(model: Any) -> InputError:
    """Makes the error for an object that is no model, with the hint that helps."""
    came = type(model).__name__
    works = "a spec such as timm:resnet18, an nn.Module or a callable works"
    if isinstance(model, Mapping) and any(isinstance(v, Tensor) for v in model.values()):
        works = (
            "a state dict has no architecture: load it into its module and give that, or save it "
            "and give checkpoint:PATH@ARCH"
        )
    elif isinstance(model, type) and issubclass(model, nn.Module):
        came, works = f"the class {model.__name__}", f"an instance works: {model.__name__}(…)"
    elif isinstance(model, tuple | list):
        works = "give one model; several are measured one by one and compared"
    elif type(model).__module__.startswith("torchvision.models"):
        works = "weights of torchvision are given as torchvision:NAME@WEIGHTS"
    return InputError(f"model: {came} came; {works}")
