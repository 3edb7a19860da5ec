"""Decides which mean and std a model gets, and warns where nobody has stated them.

A configuration that the model carries goes first. The user states them by a word, by numbers, or
by something that holds a configuration (`configuration`):

=================  ==============================================================
``imagenet``       mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)
``clip``           those of CLIP
``inception``      0.5 and 0.5 in every channel: pixels in [-1, 1]
``none``           0 and 1, on purpose: pixels in [0, 1]
=================  ==============================================================

A word states mean and std of red, green and blue; sizes stay as they are. A module without a known
normalisation gets pixels in [0, 1] and a warning, unless it visibly normalises by itself: by a
normalising layer before its first weights, or a ``mean`` and ``std`` among its tensors or in one
of its layers. `carried` reads the preprocessing that a module carries.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from invariscope.errors import InputError
from invariscope.models.configuration import read_configuration
from invariscope.models.preprocessing import Preprocessing

WORDS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
PreprocessingLike = str | Path | Mapping[str, Any] | Preprocessing
"""A word, a file, changes by name (with a word or file under ``like``), or all values."""

#: How every warning about mean and std begins, by which it is found again.
ABOUT = "mean and std"
#: What the networks of pretrainedmodels, and some of Caffe's weights, carry.
ATTRIBUTES = ("input_space", "input_range", "mean", "std")
_NORMALISING = re.compile(r"normali[sz]|standardi[sz]|preproc|mean_?shift", re.IGNORECASE)


def resolve(base: Preprocessing, given: PreprocessingLike) -> Preprocessing:
    """Merges the model's own preprocessing with what the user states.

    Args:
        base: The model's own.
        given: See `PreprocessingLike`.

    Raises:
        InputError: An unknown word or value, a file that holds no configuration.

    Example:
        >>> resolve(Preprocessing(), "imagenet").mean
        (0.485, 0.456, 0.406)
        >>> resolve(Preprocessing(), {"like": "none", "size": 32}).size
        (32, 32)
    """
    if isinstance(given, Preprocessing):
        return given
    if isinstance(given, str | Path):
        return _like(base, given)
    changes = dict(given)
    if "like" in changes:
        base = resolve(base, changes.pop("like"))
    return base.override(changes)


def _like(base: Preprocessing, given: str | Path) -> Preprocessing:
    word = str(given).strip()
    if word not in WORDS:
        return read_configuration(word, WORDS)
    channels = base.channels
    if channels is None and len(set(WORDS[word][0])) > 1:  # any number: these are of colours
        channels = 3
    mean, std = (_per_band(values, channels or 1, word) for values in WORDS[word])
    kept = "" if base.size is None else f"; size and crop: {base.source}"
    return replace(
        base,
        channels=channels,
        mean=mean,
        std=std,
        channel_order="rgb",
        source=f"mean and std by the user: {word}{kept}",
    )


def _per_band(values: tuple[float, ...], channels: int, word: str) -> tuple[float, ...]:
    if channels == len(values):
        return values
    if channels == 1 or len(set(values)) == 1:
        return (sum(values) / len(values),) * channels
    raise InputError(
        f"preprocessing {word!r} is for red, green and blue, the model takes {channels} channels: "
        "give mean and std, one number per channel"
    )


def own_normalisation(module: nn.Module) -> str | None:
    """Finds where a module visibly normalises its pictures itself; None: nothing is seen.

    Example:
        >>> own_normalisation(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)))
        'its layer 0 (BatchNorm2d) comes before its first weights'
    """
    if _mean_and_std(_tensors(module)):
        return "it holds a mean and a std of its own"
    for name, value in vars(module).items():
        steps = getattr(value, "transforms", [value])
        if isinstance(steps, list | tuple) and any(
            type(step).__name__ == "Normalize" for step in steps
        ):
            return f"its attribute {name} holds a Normalize"
    for name, part in module.named_children():
        weights = any(value.ndim > 1 for value in part.parameters() if value.numel() > 3)
        if not weights and _mean_and_std({**vars(part), **_tensors(part)}):
            return f"its layer {name} ({type(part).__name__}) holds a mean and a std"
    for name, part in module.named_modules():
        if not name:
            continue
        if _NORMALISING.search(type(part).__name__) or _NORMALISING.search(name):
            if not isinstance(part, nn.LayerNorm | nn.GroupNorm):
                return f"its layer {name} ({type(part).__name__}) comes before its first weights"
        if isinstance(part, _BatchNorm | nn.modules.instancenorm._InstanceNorm):
            if part.num_features in (1, 3):
                return f"its layer {name} ({type(part).__name__}) comes before its first weights"
        if any(value.ndim > 1 for value in part.parameters(recurse=False)):
            return None
    return None


def _tensors(module: nn.Module) -> dict[str, Any]:
    """Buffers, parameters and attributes of the module itself that are tensors."""
    held = {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
    buffers = dict(module.named_buffers(recurse=False))
    return held | buffers | dict(module.named_parameters(recurse=False))


def _mean_and_std(values: Mapping[str, Any]) -> bool:
    """Says whether there are a mean and a std among them, of one value or one per colour."""
    names = [name.lower() for name, value in values.items() if _length(value) in (1, 3)]
    return any("mean" in name for name in names) and any("std" in name for name in names)


def _length(value: Any) -> int | None:
    if isinstance(value, Tensor):
        return value.numel()
    return len(value) if isinstance(value, list | tuple) else None


def unstated(module: nn.Module | None, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Warns in one line where nothing is known of a model's mean and std; () where it is."""
    if preprocessing.stated:
        return ()
    size = "" if preprocessing.size is not None else ", pictures keep their size"
    line = (
        f"{ABOUT} are unknown and were not applied: the model gets pixels in [0, 1]{size}"
        f"{_carried(module)}; state them: `preprocessing='imagenet'`, clip, inception, "
        "a configuration file, or none if [0, 1] is right"
    )
    return (line,)


def _carried(module: nn.Module | None) -> str:
    """Names what a module holds that could be meant; it is not taken."""
    if module is None:
        return ""
    inner = [
        (name, part)
        for name, part in module.named_modules()
        if name and getattr(part, "pretrained_cfg", None)
    ]
    if len(inner) == 1:
        name, part = inner[0]
        config: Any = part.pretrained_cfg
        known = f"timm:{config.get('architecture', '?')}"
        return (
            f" (its part {name} is {known}, whose own values `preprocessing='{known}'` would apply)"
        )
    if type(module).__module__.startswith("torchvision.models."):
        return (
            " (a module of torchvision does not carry the preset of its weights: "
            "`preprocessing='torchvision:NAME@WEIGHTS'` takes it)"
        )
    stated = [f"{name}={getattr(module, name)!r}" for name in ATTRIBUTES if _is_plain(module, name)]
    if stated:
        return (
            f" (its attributes {', '.join(stated)} were not taken: they do not say whether it "
            "normalises by itself)"
        )
    side = getattr(getattr(module, "config", None), "image_size", None)
    return f" (its configuration says image_size {side})" if side else ""


def _is_plain(module: nn.Module, name: str) -> bool:
    return isinstance(getattr(module, name, None), str | int | float | list | tuple)
