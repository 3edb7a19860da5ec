"""Runs the network of a probe: on its device, in its type and memory format, errors in one line."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError, InvariscopeError
from invariscope.models.behind import modules_behind, unmoved
from invariscope.models.capture import ReducerFailed
from invariscope.models.failures import first_line, what_would_work


class Network:
    """A model that can be called on normalised images.

    Args:
        model: A module, which is put into eval mode, or a plain callable.
        spec: The model's name, for messages.

    Attributes:
        module: The module; None for a plain callable.
        behind: The modules that a callable reaches.
        device: Where the model is.
    """

    def __init__(self, model: nn.Module | Callable[..., Any], spec: str):
        self._call, self._spec = model, spec
        self.behind = modules_behind(model)
        self.module: nn.Module | None = model.eval() if isinstance(model, nn.Module) else None
        first = None if self.module is None else next(self.module.parameters(), None)
        self.device = torch.device("cpu") if first is None else first.device
        floating = first is not None and first.is_floating_point()
        self._dtype = first.dtype if first is not None and floating else torch.float32
        # Channels-last is the fast memory format of convolutions, on CPUs and on GPUs.
        self._channels_last = self.module is not None and any(
            isinstance(part, nn.Conv2d) for part in self.module.modules()
        )
        self._lay_out()

    def to(self, device: str | torch.device) -> None:
        """Moves the model.

        Raises:
            InputError: The device does not work.
        """
        self.device = torch.device(device)
        if self.module is not None:
            try:
                self.module.to(self.device)
            except (RuntimeError, AssertionError) as error:
                raise InputError(
                    f"device {str(device)!r} does not work ({first_line(error)}); cpu works"
                ) from error
        self._lay_out()

    def laid_out(self, batch: Tensor) -> Tensor:
        """Brings a batch into the type and the memory format of the model."""
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return batch.to(dtype=self._dtype, memory_format=layout)

    def run(self, batch: Tensor, kind: type[InvariscopeError] = InputError) -> Any:
        """Calls the model.

        Raises:
            InvariscopeError: Of this kind; the model fails. Out of memory is raised unchanged.
        """
        try:
            with unmoved(self.behind):
                return self._call(batch)
        except (ReducerFailed, InvariscopeError, torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            raise kind(
                f"model {self._spec} fails on images of shape {list(batch.shape)} "
                f"({type(error).__name__}: {first_line(error)}): "
                f"{what_would_work(error, batch.shape, self._call)}"
            ) from error

    def _lay_out(self) -> None:
        if self.module is not None and self._channels_last:
            # Module.to fails on five axes: a Conv3d may stand beside a Conv2d.
            for value in (*self.module.parameters(), *self.module.buffers()):
                if value.ndim == 4:
                    value.data = value.data.contiguous(memory_format=torch.channels_last)
