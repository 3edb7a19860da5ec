"""The untrained twin: the same architecture with weights drawn anew.

A model from a spec is built again without its weights, with the initialisation of its library.
For any other module a copy is reset, by this rule: every submodule with ``reset_parameters``
resets itself (all of PyTorch's layers have it); parameters of the remaining submodules are drawn
from a normal distribution with standard deviation 0.02 if they have two or more axes, set to 0 if
their name ends in "bias" or "beta", and to 1 otherwise (scales).
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models.failures import first_line

_STANDARD_DEVIATION = 0.02


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
    """A module of the same architecture with random weights, on the CPU.

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


def copy_module(module: nn.Module, what: str) -> nn.Module:
    """A deep copy, so that a user's model keeps its mode, device and weights.

    Raises:
        InputError: The module cannot be copied.
    """
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise InputError(
            f"model {what} cannot be copied ({type(error).__name__}: {first_line(error)}); give "
            "python:package.module:factory, or a plain callable: lambda images: model(images)"
        ) from error


def reset_copy(module: nn.Module, seed: int, what: str) -> nn.Module:
    """A copy of a module with its weights drawn anew, by the rule at the top of this file."""
    twin = copy_module(module, what).cpu()
    with drawing(seed), torch.no_grad():
        for part in twin.modules():
            reset = getattr(part, "reset_parameters", None) or getattr(
                part, "_reset_parameters", None
            )
            if callable(reset):
                reset()
                continue
            for name, parameter in part.named_parameters(recurse=False):
                if parameter.ndim >= 2:
                    parameter.normal_(0.0, _STANDARD_DEVIATION)
                else:
                    parameter.fill_(0.0 if name.endswith(("bias", "beta")) else 1.0)
    return twin
