"""From an object that Python hands over to a probe: modules, programs, functions."""

from typing import Any

import torch
from torch import nn

from invariscope.models.hf_folder import module_preprocessing
from invariscope.models.hints import wrong_object
from invariscope.models.normalisation import own_normalisation, unknown_normalisation
from invariscope.models.preprocessing import ANY_CHANNELS, from_timm
from invariscope.models.probe import Probe
from invariscope.models.program import from_exported, from_torchscript
from invariscope.models.twin import copy_module
from invariscope.models.zoo import timm_is_imagenet


def from_object(model: Any, spec: str | None = None, copied: bool = True) -> Probe:
    """The probe of a module, a program or a function.

    Args:
        model: It.
        spec: What the user wrote; a name is made where that was the object itself.
        copied: Whether a module is copied first: the original then keeps mode, device and weights.

    Raises:
        InputError: It is none of these, or a module that cannot be copied.
    """
    name = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        return from_torchscript(model, spec or f"torchscript:{name}")
    if isinstance(model, torch.export.ExportedProgram):
        return from_exported(model, spec or f"export:{name}")
    if isinstance(model, nn.Module):
        return from_module(model, spec, copied)
    if isinstance(model, type) or not callable(model):
        raise wrong_object(model)
    name = getattr(model, "__name__", name)
    said = {"normalisation": "pixels in [0, 1] go into the function; the rest is up to it"}
    return Probe(model, ANY_CHANNELS, spec or f"callable:{name}", decisions=said)


def from_module(module: nn.Module, spec: str | None = None, copied: bool = True) -> Probe:
    """The probe of a module, with the preprocessing that it carries."""
    # What torch.compile and the parallel wrappers hold inside; hooks do not fire in the former.
    inner = getattr(module, "_orig_mod", module)
    if isinstance(inner, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner = inner.module
    name = spec or f"module:{type(inner).__name__}"
    carried = bool(getattr(inner, "pretrained_cfg", None))
    preprocessing = from_timm(inner) if carried else module_preprocessing(inner) or ANY_CHANNELS
    said, warnings = {}, ()
    if not preprocessing.stated:
        own = own_normalisation(inner)
        if own:
            said["normalisation"] = f"the module normalises its pixels by itself: {own}"
        else:
            warnings = (unknown_normalisation(inner, preprocessing.size is not None),)
    return Probe(
        copy_module(inner, name) if copied else inner,
        preprocessing,
        name,
        imagenet=carried and timm_is_imagenet(inner),
        decisions=said,
        warnings=warnings,
    )
