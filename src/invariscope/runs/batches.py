"""Runs forward passes in batches that fit into memory, whatever their size with equal numbers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from invariscope.cache import Shown, VectorCache
from invariscope.devices import one_memory_error
from invariscope.errors import RunError
from invariscope.models import Activation, Probe, average_pool
from invariscope.models.capture import Reducer
from invariscope.transformations import Operation


class Watcher(Protocol):
    """Looks at the activations of one forward batch while they are there."""

    def __call__(self, layer: str, activation: Activation) -> Tensor:
        """Called inside the hooks; returns the layer's vectors, pooled over positions."""
        ...

    def keep(self) -> None:
        """Called once the whole batch went through; until then nothing counts."""
        ...


class Batches:
    """The number of images that go through a network at once.

    Args:
        size: Images per forward pass; halved whenever the device runs out of memory.
        note: Called with one line when that happens.
        cache: What earlier passes gave, or None.

    Attributes:
        recalled: How many passes the cache has saved; one for each image and operation.
    """

    def __init__(self, size: int, note: Callable[[str], None], cache: VectorCache | None = None):
        self.size, self.recalled = size, 0
        self._note, self._cache = note, cache
        self._shapes: dict[tuple[str, str], tuple[int, ...]] = {}

    def vectors(
        self,
        probe: Probe,
        layers: Sequence[str],
        shown: Shown,
        operations: Sequence[Operation],
        moved: Callable[[], Tensor],
    ) -> dict[str, Tensor]:
        """The vectors of every layer for images under operations, from the cache if it has them.

        Args:
            probe: The network.
            layers: Names of layers.
            shown: The images.
            operations: What is done to them.
            moved: Makes the images under each operation, one after the other [N, 3, H, W].
        """
        if self._cache is None:
            return self.forward(probe, moved(), layers)
        size = self.size
        known = self._cache.find(probe, layers, shown, operations, size)
        recalled = None if known is None else self._cache.take(known, probe.device)
        if recalled is not None:
            self.recalled += len(shown.pixels) * len(operations)
            return recalled
        vectors = self.forward(probe, moved(), layers)
        if known is not None and self.size == size:  # what did not fit was another pass
            self._cache.keep(known, vectors)
        return vectors

    def end_block(self) -> None:
        """Called after each block: what the cache keeps of it is written."""
        if self._cache is not None:
            self._cache.end_block()

    def forward(
        self,
        probe: Probe,
        images: Tensor,
        layers: Sequence[str],
        watcher: Callable[[int, int], Watcher] | None = None,
    ) -> dict[str, Tensor]:
        """The vectors of every layer for all images [N, D].

        Args:
            probe: The network.
            images: [N, 3, H, W].
            layers: Names of layers.
            watcher: Makes the watcher of the batch that holds the images from start to stop.

        Raises:
            RunError: Not even one image fits into the device's memory, or a layer's activations
                have another shape than in an earlier batch.
        """
        parts: list[dict[str, Tensor]] = []
        start = 0
        while start < len(images):
            batch = images[start : start + self._next(len(images) - start)]
            watching = None if watcher is None else watcher(start, start + len(batch))
            look = partial(self._look, probe, watching or average_pool, watching is not None)
            fits = True
            try:
                parts.append(probe.forward(batch, layers, look).vectors)
            except torch.OutOfMemoryError as problem:
                if self.size == 1:
                    size = f"{images.shape[-1]}×{images.shape[-2]}"
                    raise RunError(
                        f"{probe.spec} runs out of memory with a single image of {size}: "
                        "use a larger device or smaller images"
                    ) from problem
                fits = False
            if not fits:  # out here: the error holds all that was there when it was raised
                watching = look = None
                self.shrink(len(batch), images.device)
                continue
            if watching is not None:
                _keep(watching.keep, probe)
            start += len(batch)
        if len(parts) == 1:
            return parts[0]
        return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}

    def _next(self, left: int) -> int:
        """How many of the images that are left go first: none stays alone, if that can be helped.

        Many a model drops the axis of a single image (``squeeze()``).
        """
        return self.size - 1 if left == self.size + 1 > 3 else self.size

    def shrink(self, images: int, device: torch.device) -> None:
        """Halves the batches, after so many images at a time did not fit."""
        self.size = max(1, min(self.size, images) // 2)
        self._note(f"out of memory: forward batches of {self.size} from here on")
        if device.type == "cuda":
            torch.cuda.empty_cache()

    def _look(
        self, probe: Probe, look: Reducer, whole: bool, layer: str, activation: Activation
    ) -> Tensor:
        """Passes activations on if they have the shape of the first ones; pooled maps, any grid."""
        shape = tuple(activation.values.shape[1:])
        shape = shape if whole else shape[:1]
        first = self._shapes.setdefault((probe.spec, layer), shape)
        if shape[: len(first)] != first[: len(shape)]:
            raise shape_changed(probe, layer, first, shape)
        return look(layer, activation)


def shape_changed(
    probe: Probe, layer: str, first: tuple[int, ...], now: tuple[int, ...]
) -> RunError:
    """Makes the error of a layer whose activations have another shape than at first."""
    before, after = ("×".join(map(str, shape)) for shape in (first, now))
    return RunError(
        f"{probe.spec} gave {before} numbers for each image at {layer} at first and {after} for a "
        "later batch, so images cannot be compared; every block written so far is kept: make the "
        "shape the same for all images, then run the same command again to resume"
    )


def _keep(keep: Callable[[], None], probe: Probe) -> None:
    try:
        with one_memory_error():
            keep()
    except torch.OutOfMemoryError as problem:  # smaller batches would not help
        raise RunError(
            f"{probe.spec} runs out of memory where its feature maps are compared: use a larger "
            "device, smaller images or fewer layers"
        ) from problem
