"""Remembers what passes gave: looks them up before they are made, and keeps them afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariscope.cache.folder import CacheFolder
from invariscope.cache.identity import (
    NetworkIdentity,
    NoIdentity,
    Shown,
    digest_of_json,
    drawn_for,
    identify_network,
    identify_operation,
)
from invariscope.cache.shelf import Shelf
from invariscope.models import Probe
from invariscope.transformations import Operation


@dataclass(frozen=True)
class Pass:
    """What a pass is known by.

    Args:
        shelf: The network and the images.
        keys: By the layer's name: operations, images at a time, and the layer.
    """

    shelf: str
    keys: dict[str, str]


class VectorCache:
    """The vectors that networks gave, in a folder that outlives the run.

    Args:
        folder: The folder.
        note: Called with one line where something cannot be remembered.

    Attributes:
        path: The folder's.
    """

    def __init__(self, folder: CacheFolder, note: Callable[[str], None]):
        self._folder, self._note = folder, note
        self.path = folder.path
        self._shelves: dict[str, Shelf] = {}
        self._networks: dict[object, NetworkIdentity | None] = {}
        self._operations: dict[object, str | None] = {}

    def find(
        self,
        probe: Probe,
        layers: Sequence[str],
        shown: Shown,
        operations: Sequence[Operation],
        at_a_time: int,
    ) -> Pass | None:
        """Finds what a pass is known by; None where it has no identity.

        Args:
            probe: The network.
            layers: The layers that are watched.
            shown: The images that are moved.
            operations: How: all images once for each, in this order.
            at_a_time: How many go through the network together.
        """
        network = self._network(probe, layers, shown.frame)
        moves = [self._operation(operation, shown.frame) for operation in operations]
        if network is None or None in moves:
            return None
        drawn = [drawn_for(operation, shown) for operation in operations]
        size = min(at_a_time, len(shown.pixels) * len(operations))
        made = digest_of_json([moves, drawn, size])
        keys = {layer: digest_of_json([made, network.layers[layer]]) for layer in layers}
        return Pass(digest_of_json([network.name, shown.digest]), keys)

    def take(self, known: Pass, device: torch.device) -> dict[str, Tensor] | None:
        """Takes the vectors [image, element] of each layer; None where one of them is missing."""
        entries = self._shelf(known).take(known.keys.values())
        if entries is None:
            return None
        # A copy: what is read from a file cannot be written to, which torch refuses to wrap.
        return {
            layer: torch.from_numpy(np.array(entries[key])).to(device)
            for layer, key in known.keys.items()
        }

    def keep(self, known: Pass, vectors: Mapping[str, Tensor]) -> None:
        """Keeps the vectors of a pass that was made."""
        entries = {key: vectors[layer].cpu().numpy() for layer, key in known.keys.items()}
        if all(values.dtype == np.float32 and values.ndim == 2 for values in entries.values()):
            self._shelf(known).put(entries)

    def end_block(self) -> None:
        """Writes what waits; the next images are others."""
        for shelf in self._shelves.values():
            shelf.flush()
        self._shelves.clear()

    def _shelf(self, known: Pass) -> Shelf:
        if known.shelf not in self._shelves:
            self._shelves[known.shelf] = Shelf(self._folder, known.shelf)
        return self._shelves[known.shelf]

    def _network(
        self, probe: Probe, layers: Sequence[str], frame: tuple[int, ...]
    ) -> NetworkIdentity | None:
        key = (probe, tuple(layers), frame)
        if key not in self._networks:
            try:
                self._networks[key] = identify_network(probe, layers, frame)
            except NoIdentity as reason:
                self._networks[key] = None
                self._note(f"nothing of {probe.spec} is cached ({reason}); all passes are made")
        return self._networks[key]

    def _operation(self, operation: Operation, frame: tuple[int, ...]) -> str | None:
        key = (operation.key, operation.there_and_back, frame)
        if key not in self._operations:
            try:
                self._operations[key] = identify_operation(operation, frame)
            except NoIdentity as reason:
                self._operations[key] = None
                self._note(f"passes with {operation.name} are not cached ({reason}); they are made")
        return self._operations[key]
