"""Chooses the device of the arithmetic, turns pixels into floats, tells when memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

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
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).splitlines()[0]
        raise InputError(f"device {device!s} cannot be used: {reason}; try cpu") from problem
    return chosen


def as_float(pixels: Tensor) -> Tensor:
    """Turns pixels into float32 in [0, 1]."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


#: What says that memory ran out where torch raises no `OutOfMemoryError`: its allocator on the CPU,
#: the driver, and libraries that want room of their own beside torch's.
_NO_ROOM = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "Unable to find a valid cuDNN algorithm",
    "could not create a memory object",
)
#: What oneDNN says where it finds no room for a kernel; of one that it lacks it says more.
_NO_ROOM_FOR_A_KERNEL = "could not create a primitive"


def is_out_of_memory(error: BaseException | None) -> bool:
    """Says whether an error means that memory ran out, whoever raised it.

    Example:
        >>> is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
        True
        >>> is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        False
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error).strip()
    return text == _NO_ROOM_FOR_A_KERNEL or any(sign in text for sign in _NO_ROOM)


@contextmanager
def one_memory_error() -> Iterator[None]:
    """Raises `torch.OutOfMemoryError` for every error inside that means it.

    Example:
        >>> with one_memory_error():
        ...     raise MemoryError("Unable to allocate 3 TiB")
        Traceback (most recent call last):
        torch.OutOfMemoryError: Unable to allocate 3 TiB
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, torch.OutOfMemoryError) or not is_out_of_memory(error):
            raise
        raise torch.OutOfMemoryError(str(error)) from error
