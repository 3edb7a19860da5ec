"""Runs the network of a probe: on its device, in its type and memory format, errors in one line."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.devices import one_memory_error
from invariscope.errors import InputError, InvariscopeError, first_line
from invariscope.models.behind import modules_behind, unmoved
from invariscope.models.capture import ReducerFailed
from invariscope.models.failures import what_would_work


@dataclass(frozen=True)
class Faster:
    """A network of the same numbers that takes less time, while certain layers are watched.

    Args:
        network: The network.
        layers: These layers.
        is_tapped: Whether it puts out what lies at them beside its output (`models.tapped`).
    """

    network: "Network"
    layers: tuple[str, ...]
    is_tapped: bool = False

    def serves(self, layers: Sequence[str]) -> bool:
        """Says whether these layers can be watched: if tapped, none but all of them."""
        known = set(self.layers)
        return known == set(layers) if self.is_tapped else known.issuperset(layers)

    def layers_of(self, layers: Sequence[str]) -> Sequence[str]:
        """Puts layers that can be watched into the order in which they are put out."""
        return self.layers if self.is_tapped else layers


class Network:
    """A model that can be called on normalised images.

    Args:
        model: A module, which is put into eval mode, or a plain callable.
        spec: The model's name, for messages.

    Attributes:
        module: The module that runs; None for a plain callable.
        amp: The type in which matrix products are computed, or None for that of the weights.
        behind: The modules that a callable reaches.
        device: Where the model is.
    """

    def __init__(self, model: nn.Module | Callable[..., Any], spec: str):
        self._call, self._spec = model, spec
        self.behind = modules_behind(model)
        self.module: nn.Module | None = model.eval() if isinstance(model, nn.Module) else None
        self.amp: torch.dtype | None = None
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

    def running(self, module: nn.Module, call: Callable[[Tensor], Any] | None = None) -> "Network":
        """Returns the network with another module of the same type, perhaps called otherwise."""
        other = copy.copy(self)
        other._call, other.module = module if call is None else call, module
        other._lay_out()
        return other

    def with_amp(self, dtype: torch.dtype) -> "Network":
        """Returns the same network with its matrix products in another type, by autocast."""
        other = copy.copy(self)
        other.amp = dtype
        return other

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights; float32 without any."""
        return self._dtype

    def laid_out(self, batch: Tensor) -> Tensor:
        """Brings a batch into the type and the memory format of the model."""
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return batch.to(dtype=self._dtype, memory_format=layout)

    def run(self, batch: Tensor, kind: type[InvariscopeError] = InputError) -> Any:
        """Calls the model on a copy of the batch: it may work in place (``x.sub_(mean)``).

        Raises:
            InvariscopeError: Of this kind; the model fails. Out of memory is raised unchanged.
        """
        try:
            with unmoved(self.behind), self._autocast(), one_memory_error():
                return self._call(batch.clone())
        except (ReducerFailed, InvariscopeError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise kind(
                f"model {self._spec} fails on images of shape {list(batch.shape)} "
                f"({type(error).__name__}: {first_line(error)}): "
                f"{what_would_work(error, batch.shape, self._call)}"
            ) from error

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.amp is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.amp)

    def _lay_out(self) -> None:
        if self.module is not None and self._channels_last:
            # Module.to fails on five axes: a Conv3d may stand beside a Conv2d.
            for value in (*self.module.parameters(), *self.module.buffers()):
                if value.ndim == 4:
                    value.data = value.data.contiguous(memory_format=torch.channels_last)
