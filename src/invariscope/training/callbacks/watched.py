"""Measures a network in the middle of somebody's training, and leaves the training as it was.

A copy is measured: the modes of the modules, gradients, buffers and hooks of the network stay as
they are. The random generators of torch, NumPy and Python are put back, so that a training that is
measured ends with the weights of one that is not.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import nn

from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.outside import tracker_names
from invariscope.randomness import watched_generators
from invariscope.sweep import measure
from invariscope.training.during import averages_of_levels

#: Which network of a module is measured: an attribute such as "net", a function, None: the module.
Network = str | Callable[[Any], nn.Module] | None
_NOT_HERE = ("output", "device", "resume", "progress")
IMAGES = 64


class Watched:
    """The measurements of one training.

    Args:
        images: What `measure` takes.
        every: Steps of the optimiser between measurements.
        network: Which network of the module is measured.
        settings: What `measure` takes besides.

    Attributes:
        every: As given.
        history: Rows (step, name, value), of all measurements.

    Raises:
        InputError: `every` is no number from 1 on, or a setting that has no place here.
    """

    def __init__(self, images: Any, every: Any, network: Network, settings: Mapping[str, Any]):
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise InputError(
                f"`every` is {every!r}: give the steps between measurements, from 1 on"
            )
        for name in _NOT_HERE:
            if name in settings:
                raise InputError(
                    f"`{name}` has no place in a callback: leave it out; results go to the "
                    "trainer's loggers and to `history`"
                )
        self.every = every
        self.history: list[tuple[int, str, float]] = []
        self._images, self._network = images, network
        self._settings: dict[str, Any] = {"num_images": IMAGES, **settings}
        self._source: Any = None

    def due(self, step: int, before: int) -> bool:
        """Says whether a multiple of `every` lies after one step and up to another."""
        return step // self.every > before // self.every

    def values(self, module: nn.Module, step: int) -> dict[str, float]:
        """Measures the network of a module as it is now.

        Returns:
            Averages over the levels above 0 by "metric/transformation/layer", in names that
            trackers take.

        Raises:
            InputError: The module has no such network, or it cannot be measured so.
        """
        network = self._of(module)
        place = next((p.device for p in network.parameters()), torch.device("cpu"))
        if self._source is None:
            self._source = open_source(self._images)
        with watched_generators(place), torch.inference_mode(False):
            result = measure(network, self._source, device=place, **self._settings)
        found = averages_of_levels(result)
        names = tracker_names(found)
        values = {names[name]: value for name, value in found.items()}
        self.history += [(step, name, value) for name, value in values.items()]
        return values

    def frame(self) -> pd.DataFrame:
        """All that was measured: step, name, value."""
        return pd.DataFrame(self.history, columns=["step", "name", "value"])

    def _of(self, module: nn.Module) -> nn.Module:
        if callable(self._network):
            return self._network(module)
        if self._network is None:
            return module
        found: Any = module
        for part in self._network.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, nn.Module):
            known = ", ".join(name for name, _ in module.named_children()) or "none"
            raise InputError(
                f"`network` is {self._network!r}, which is no module of {type(module).__name__}: "
                f"it has {known}"
            )
        return found
