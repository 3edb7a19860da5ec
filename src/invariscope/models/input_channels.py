"""Reads from its first layer how many channels a network takes.

The layer is the first convolution or linear map that is called: a pass over one black picture of
three bands is stopped right there. Where the network fails before (it normalises four channels
itself, or checks their number), the first convolution that it has registered tells.
"""

from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.models.bands import counted
from invariscope.models.leaves import tensor_of
from invariscope.models.preprocessing import Preprocessing

_SIDE = 224


class _Reached(Exception):
    """The first layer is called."""


def input_channels(module: nn.Module, size: tuple[int, int] | None) -> tuple[str, int] | None:
    """Finds the first layer and the channels of the pictures that it implies.

    Args:
        module: The network, in eval mode.
        size: Height and width of its input; None tries 224.

    Returns:
        None where the network has no such layer, or one that fits no number of channels.

    Example:
        >>> input_channels(nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU()), None)
        ('0', 4)
    """
    seen: list[tuple[str, int]] = []

    def look(name: str, layer: nn.Module, args: tuple[Any, ...]) -> None:
        given = tensor_of(list(args))
        flat = isinstance(layer, nn.Linear) and given is not None and given.ndim == 2
        channels = None if flat and size is None else _channels(layer, given, picture)
        if channels is not None:
            seen.append((name, channels))
        raise _Reached

    layers = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    if not layers:
        return None
    first = next((m for m in module.parameters()), None)
    device = None if first is None else first.device
    picture = torch.zeros(1, 3, *(size or (_SIDE, _SIDE)), device=device)
    with ExitStack() as hooks, torch.no_grad(), torch.random.fork_rng(devices=[]):
        for name, layer in layers:
            hooks.enter_context(layer.register_forward_pre_hook(partial(look, name)))
        with suppress(Exception):  # a network may raise anything for a picture of three channels
            module(picture)
    if seen:
        return seen[0]
    convolution = next(((n, m) for n, m in layers if isinstance(m, nn.Conv2d)), None)
    return None if convolution is None else (convolution[0], convolution[1].in_channels)


def with_input_channels(
    module: nn.Module, preprocessing: Preprocessing
) -> tuple[Preprocessing, dict[str, str], list[str]]:
    """Fits the preprocessing to the channels that the network takes; with decisions, warnings."""
    first = input_channels(module, preprocessing.size)
    if first is None or first[1] == preprocessing.channels:
        return preprocessing, {}, []
    name, channels = first
    averaged = len(set(preprocessing.mean)) > 1 or len(set(preprocessing.std)) > 1
    fitted = preprocessing.override({"channels": channels}, by="")
    if channels == 3:
        return fitted, {}, []
    shown = f"pictures of {channels} bands as they are"
    shown = "the luminance of colour pictures" if channels == 1 else shown
    taken = counted(channels, "channel")
    line = f"the first layer of the network ({name}) takes {taken}: it is shown {shown}"
    if averaged:
        line += ", and mean and std are the averages of those of its configuration"
    line += "; preprocessing with channels, mean and std says otherwise"
    return fitted, {"channels": line}, [line] if averaged or channels == 1 else []


def _channels(layer: nn.Module, given: Tensor | None, picture: Tensor) -> int | None:
    """Channels of pictures, from what the first layer wants and what three channels give it."""
    if given is None:
        return None
    if isinstance(layer, nn.Conv2d):
        wanted, came = layer.in_channels, given.shape[-3]
    elif isinstance(layer, nn.Linear):
        wanted, came = layer.in_features, given.shape[-1]
    else:
        return None
    channels, rest = divmod(wanted * picture.shape[1], came)
    return channels if rest == 0 and channels > 0 else None
