"""Makes the untrained twin: the same architecture with weights drawn anew.

A model from a spec is built again without its weights, with the initialisation of its library.
For any other module a copy is reset, by this rule: every submodule with ``reset_parameters``
resets itself (all of PyTorch's layers have it); parameters of the remaining submodules are drawn
from a normal distribution with standard deviation 0.02 if they have two or more axes, set to 0 if
their name ends in "bias" or "beta", and to 1 otherwise (scales). Steerable convolutions (`e2cnn`)
draw the coefficients of their filters by their library's own initialisation.

Libraries start some residual branches at zero: timm the last normalisation of a block of its
ResNets, LayerScale near zero. Such a branch adds nothing, and the network is one of fewer layers:
pictures differ more in its embedding than in torchvision's ResNet of the same name, whose branches
are on. The twin is the network as its library starts it; ``+untrained:active``, or
``twin="active"``, is the same with these scales at 1. Which it is, is said.
"""

import copy
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from invariscope.errors import InputError, first_line
from invariscope.models.fields import is_steerable

_STANDARD_DEVIATION = 0.02
# A scale of a residual branch that starts below this is off: LayerScale starts at 1e-2 at most.
_OFF = 0.0101
_NO_SCALE = ("bias", "beta", "token", "embed", "table", "mask", "query", "temperature")


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Seeds torch's CPU generator inside the context and restores it afterwards.

    Example:
        >>> with drawing(0):
        ...     first = torch.rand(1)
        >>> with drawing(0):
        ...     bool(torch.rand(1) == first)
        True
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed the accelerators, which fork_rng does not restore here.
        torch.default_generator.manual_seed(seed)
        yield


def untrained_twin(
    module: nn.Module | None,
    fresh: Callable[[int], nn.Module] | None,
    seed: int,
    what: str,
) -> nn.Module:
    """Makes a module of the same architecture with random weights, on the CPU.

    Args:
        module: The model; None for a plain callable.
        fresh: Builds the architecture anew, where its library can.
        seed: Of the weights.
        what: The model's name, for messages.

    Raises:
        InputError: A plain callable has no weights to draw anew.
    """
    if fresh is not None:
        return fresh(seed)
    if module is None:
        raise InputError(
            f"model {what}: a plain callable has no untrained twin; give an nn.Module, or run "
            "without the twin"
        )
    return reset_copy(module, seed, what)


def dormant_scales(module: nn.Module) -> dict[str, nn.Parameter]:
    """Finds the scales of residual branches that are off: constants near zero, by name.

    Example:
        >>> import timm
        >>> list(dormant_scales(timm.create_model("resnet10t")))[0]
        'layer1.0.bn2.weight'
    """
    scales = {}
    for prefix, part in module.named_modules():
        # A response normalisation adds to what it normalises: at zero it hands that on.
        if "ResponseNorm" in type(part).__name__ or "GRN" in type(part).__name__:
            continue
        for leaf, value in part.named_parameters(recurse=False):
            name = f"{prefix}.{leaf}" if prefix else leaf
            if any(word in leaf.lower() for word in _NO_SCALE) or value.numel() == 0:
                continue
            lengths = [length for length in value.shape if length > 1]
            if (
                len(lengths) <= 1
                and bool((value.abs() < _OFF).all())
                and value.min() == value.max()
            ):
                scales[name] = value
    return scales


def start(module: nn.Module, active: bool) -> str:
    """Switches the residual branches of an untrained model on, if wanted, and says how it starts.

    Args:
        module: An untrained model.
        active: Whether scales near zero are set to 1.

    Returns:
        A sentence for the record of decisions.
    """
    scales = dormant_scales(module)
    if not scales:
        return "weights as they are drawn; no residual branch is off"
    first = next(iter(scales))
    named = f"{len(scales)} scales of residual branches ({first}{', …' * (len(scales) > 1)})"
    if not active:
        return f"as its library starts it: {named} are near 0, +untrained:active sets them to 1"
    with torch.no_grad():
        for value in scales.values():
            value.fill_(1.0)
    return f"as its library starts it, but {named} set from near 0 to 1"


def copy_module(module: nn.Module, what: str) -> nn.Module:
    """Copies a module deeply, so that the user's keeps its mode, device and weights.

    Raises:
        InputError: The module cannot be copied.
    """
    # What a module has computed from its parameters (the filters of e2cnn in eval mode) is part of
    # their graph, and torch copies no such tensor: it is handed over without the graph.
    computed = {id(b): b.detach().clone() for b in module.buffers() if b.grad_fn is not None}
    try:
        with torch.no_grad():  # with it, the weights of a copied TorchScript part are no leaves
            return copy.deepcopy(module, computed)
    except Exception as error:
        raise InputError(
            f"model {what} cannot be copied ({type(error).__name__}: {first_line(error)}); give "
            "python:package.module:factory, or a plain callable: lambda images: model(images)"
        ) from error


def reset_copy(module: nn.Module, seed: int, what: str) -> nn.Module:
    """Copies a module and draws its weights anew, by the rule at the top of this file."""
    # In training mode e2cnn drops the filters computed from the old weights; a probe is put back
    # into eval mode, where they are computed from the new ones.
    twin = copy_module(module, what).cpu().train()
    with drawing(seed), torch.no_grad():
        for part in twin.modules():
            reset = getattr(part, "reset_parameters", None) or getattr(
                part, "_reset_parameters", None
            )
            if callable(reset):
                reset()
                continue
            drawn = _draw_steerable(part)
            for name, parameter in part.named_parameters(recurse=False):
                # A mask is a parameter only so that it moves with the module (e2cnn's disc).
                if name in drawn or (name == "mask" and not parameter.requires_grad):
                    continue
                if parameter.ndim >= 2:
                    parameter.normal_(0.0, _STANDARD_DEVIATION)
                else:
                    parameter.fill_(0.0 if name.endswith(("bias", "beta")) else 1.0)
    return twin


def _draw_steerable(part: nn.Module) -> tuple[str, ...]:
    """Draws the filters of a steerable convolution anew, by its library's own initialisation.

    Their coefficients are one row, which the rule would take for scales.
    """
    if not is_steerable(part):
        return ()
    steerable: Any = part
    library = type(part).__module__.partition(".")[0]
    draw = importlib.import_module(f"{library}.nn.init").generalized_he_init
    draw(steerable.weights.data, steerable.basisexpansion)
    return ("weights",)
