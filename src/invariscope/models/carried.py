"""Reads the preprocessing that a module carries, and judges whether it can be meant.

| what is carried | by | taken | said |
|---|---|---|---|
| ``pretrained_cfg`` | a class of timm | all of it | – |
| ``pretrained_cfg`` with mean and std | another class | all of it | a warning |
| the same | another class that visibly normalises by itself | sizes alone | a warning |
| an image processor beside the weights | a class of transformers | all of it | – |
| the same | another class | as for ``pretrained_cfg`` | a warning |
| ``input_space`` …, see `from_caffe` | a class of pretrainedmodels | all of it | – |
| the same | another class | as for ``pretrained_cfg`` | a warning |

A class is timm's where timm wrote its ``forward``: a subclass that does not write its own is timm's
as well. An adapter of peft counts as what it adapts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from invariscope.models.configuration import from_caffe
from invariscope.models.hf_folder import module_preprocessing
from invariscope.models.normalisation import ABOUT, ATTRIBUTES, own_normalisation, unstated
from invariscope.models.preprocessing import ANY_CHANNELS, Preprocessing, from_timm


@dataclass(frozen=True)
class Carried:
    """The preprocessing that a module carries.

    Args:
        preprocessing: What was taken.
        warning: What may surprise, one line, or "".
        normalisation: Where the module normalises by itself, a sentence, or "".
    """

    preprocessing: Preprocessing
    warning: str = ""
    normalisation: str = ""


def carried(module: nn.Module) -> Carried:
    """Reads the preprocessing from the configuration that a module carries.

    Example:
        >>> carried(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3))).normalisation
        'the module normalises its pixels by itself: its layer 0 (BatchNorm2d) comes before its ...
    """
    owner = _adapted(module)
    for what, library, held in (
        ("pretrained_cfg", "timm", _of_timm(owner)),
        ("image processor", "transformers", module_preprocessing(owner)),
        ("attributes input_space, input_range, mean and std", "pretrainedmodels", _of_caffe(owner)),
    ):
        if held is not None and held.stated:
            return Carried(held) if _wrote(library, owner) else _doubted(owner, what, held)
    own = own_normalisation(owner)
    if own:
        return Carried(ANY_CHANNELS, "", f"the module normalises its pixels by itself: {own}")
    return Carried(ANY_CHANNELS, *unstated(owner, ANY_CHANNELS))


def _doubted(owner: nn.Module, what: str, given: Preprocessing) -> Carried:
    """A configuration on a class of whose forward the configuration's library knows nothing."""
    name = type(owner).__name__
    own = own_normalisation(owner)
    if not own:
        return Carried(
            given,
            f"{ABOUT} were taken from the {what} of {name}, a class that may normalise by itself: "
            "if it does, they are applied twice, and --preprocessing none is right (in Python "
            "preprocessing='none'); another --preprocessing, such as imagenet, confirms or changes "
            "them",
        )
    unit = dict(mean=(0.0,) * len(given.mean), std=(1.0,) * len(given.std))
    return Carried(
        replace(given, **unit, source=f"{given.source}, without its mean and std"),
        f"{ABOUT} of the {what} of {name} were not applied, as {name} normalises by itself: {own}; "
        f"if it does not, state them: --preprocessing mean={_listed(given.mean)} --preprocessing "
        f"std={_listed(given.std)}",
        f"the module normalises its pixels by itself: {own}",
    )


def _of_timm(owner: nn.Module) -> Preprocessing | None:
    config = getattr(owner, "pretrained_cfg", None)
    if not isinstance(config, Mapping) or not config:
        return None
    if not _wrote("timm", owner) and not (config.get("mean") and config.get("std")):
        return None  # timm would put ImageNet's in their place
    return from_timm(owner)


def _of_caffe(owner: nn.Module) -> Preprocessing | None:
    """The attributes that pretrainedmodels gives its networks, also those with Caffe's weights."""
    values = {name: getattr(owner, name, None) for name in (*ATTRIBUTES, "input_size")}
    return from_caffe(values, f"attributes of {type(owner).__name__}")


def _adapted(module: nn.Module) -> nn.Module:
    """Returns the module that an adapter of peft adapts; any other module itself."""
    if type(module).__module__.partition(".")[0] == "peft":
        base: Any = getattr(module, "get_base_model", None)
        return base() if base is not None else module
    return module


def _wrote(library: str, module: nn.Module) -> bool:
    forward = getattr(type(module), "forward", None)
    root = getattr(forward, "__module__", "").partition(".")[0]
    return root in (library, f"{library}_modules")  # transformers_modules: code of the hub


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)
