"""Makes probes of objects that Python hands over: modules, programs, functions."""

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import AveragedModel

from invariscope.errors import InputError
from invariscope.models.carried import carried
from invariscope.models.hints import wrong_object
from invariscope.models.preprocessing import ANY_CHANNELS
from invariscope.models.probe import Probe
from invariscope.models.program import from_exported, from_torchscript
from invariscope.models.twin import copy_module
from invariscope.models.zoo import timm_is_imagenet


def from_object(model: Any, spec: str | None = None, copied: bool = True) -> Probe:
    """Makes the probe of a module, a program or a function.

    Args:
        model: It.
        spec: What the user wrote; a name is made where that was the object itself.
        copied: Whether a module is copied first: the original then keeps mode, device and weights.

    Raises:
        InputError: It is none of these, or a module that cannot be copied or has no weights yet.
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
    """Makes the probe of a module, with the preprocessing that it carries."""
    inner, around = _unwrapped(module)
    name = spec or f"module:{type(inner).__name__}"
    _refuse_without_numbers(inner, name)
    own = carried(inner)
    said = {"normalisation": own.normalisation} if own.normalisation else {}
    if around:
        said["wrapper"] = f"measured is the {type(inner).__name__} inside {' of '.join(around)}"
    return Probe(
        copy_module(inner, name) if copied else inner,
        own.preprocessing,
        name,
        imagenet=timm_is_imagenet(inner),
        decisions=said,
        warnings=(own.warning,) if own.warning else (),
    )


def _refuse_without_numbers(module: nn.Module, name: str) -> None:
    """Refuses a network some of whose weights have a name but no numbers yet."""
    for key, tensor in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(tensor):
            raise InputError(
                f"model {name}: {key} is lazy and has no shape yet; call the model once on a batch"
            )
        if tensor.is_meta:
            raise InputError(
                f"model {name}: {key} is on the device meta, which keeps no numbers; build the "
                "model on the cpu, or load its weights with load_state_dict(…, assign=True)"
            )


def _unwrapped(module: nn.Module) -> tuple[nn.Module, list[str]]:
    """Takes a module out of torch.compile, parallel wrappers and averaged weights; names them.

    Hooks do not fire inside a compiled module.
    """
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)
    around: list[str] = []
    while True:
        name = "module" if isinstance(module, wrappers) else "_orig_mod"
        inner: Any = getattr(module, name, module)
        if inner is module:
            return module, around
        around.append(type(module).__name__)
        module = inner
