"""Chooses the device of the arithmetic, and turns pixels into floats."""

import torch
from torch import Tensor

from invariscope.errors import InputError


def choose_device(device: str | torch.device | None) -> torch.device:
    """Returns the device of that name; an accelerator, if there is one, for None and "auto".

    Raises:
        InputError: There is no such device.
    """
    if device is None or device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        reason = str(problem).splitlines()[0]
        raise InputError(f"device {device!s} cannot be used: {reason}; try cpu") from problem
    return chosen


def as_float(pixels: Tensor) -> Tensor:
    """Turns pixels into float32 in [0, 1]."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
