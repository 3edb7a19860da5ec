"""Brings the images of a training: kept as bytes where they fit, else read as they come.

Images of one size are one uint8 tensor on the device, and a batch of them is an index. Images of
several sizes are kept one by one. What would exceed `MEMORY_BYTES` is decoded anew in each epoch,
ahead of the network, a batch at a time. A source that makes its images (`ImageSource.pixels`) makes
them on the device, all at once or, if they are too many, batch by batch.

What an augmentation draws for an image is a hash of (seed, epoch, image), so neither the batch, the
worker nor the device changes it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from invariscope.data import ImageSource
from invariscope.data.reading import in_order
from invariscope.devices import as_float
from invariscope.errors import InputError
from invariscope.models.preprocessing import ANY_CHANNELS
from invariscope.seeding import draws
from invariscope.training.augmentations import Augmentation
from invariscope.training.decoding import decoded, one_image
from invariscope.training.splits import Split

MEMORY_BYTES = 4 << 30
_AHEAD = 4


class Batch(NamedTuple):
    """Images as the network sees them, before they are normalised.

    Args:
        pixels: In [0, 1].
        labels: Class index of each.
    """

    pixels: Float[Tensor, "image channel height width"]
    labels: Int64[Tensor, " image"]


class Step(NamedTuple):
    """The images that one step of a training takes.

    Args:
        epoch: Counted from 0; another epoch draws anew.
        places: Their places in the split.
    """

    epoch: int
    places: np.ndarray


class TrainingImages:
    """Labelled images with their augmentation.

    Args:
        split: The images.
        augmentation: What is done to each.
        seed: Of what is drawn.
        device: Where batches are wanted.
        memory: Bytes that may be kept; images that take more are decoded in every epoch.
        workers: Decoding, as for `invariscope.measure`; it changes no number.

    Attributes:
        notes: Images that could not be read, in one line.

    Raises:
        InputError: None of the images can be read.
    """

    def __init__(
        self,
        split: Split,
        augmentation: Augmentation,
        *,
        seed: int,
        device: torch.device,
        memory: int = MEMORY_BYTES,
        workers: int | None = None,
    ):
        self.notes: list[str] = [split.note] if split.note else []
        self._augmentation = augmentation
        self._seed = seed
        self._device = device
        self._workers = workers
        self._split = split
        self._kept: Tensor | list[Tensor] | None = None
        first = _first(split)
        self._made = split.source.pixels(split.indices[:1], device) is not None
        if first.nbytes * len(split) <= memory:
            self._keep()
        self._labels = torch.from_numpy(self._split.labels)

    def __len__(self) -> int:
        return len(self._split)

    @property
    def kept(self) -> bool:
        """Says whether the images are in memory."""
        return self._kept is not None

    def batches(self, steps: Sequence[Step]) -> Iterator[Batch]:
        """Yields the batches of some steps, in their order, on the device."""
        if self._kept is not None or self._made:
            for step in steps:
                yield self._batch(step)
            return
        read = in_order(
            self._split.source,
            self._read,
            steps,
            workers=self._workers,
            ahead=_AHEAD,
            known=self._split.indices,
        )
        for pixels, labels in read:
            if self._device.type == "cuda":
                pixels, labels = pixels.pin_memory(), labels.pin_memory()
            yield Batch(
                pixels.to(self._device, non_blocking=True),
                labels.to(self._device, non_blocking=True),
            )

    def _keep(self) -> None:
        self._kept = self._split.source.pixels(self._split.indices, self._device)
        if self._kept is not None:
            return
        pixels, readable, reasons = [], [], []
        images = decoded(self._split, ANY_CHANNELS.geometry, self._workers)
        for index, image in zip(self._split.indices, images, strict=True):
            if isinstance(image, Tensor):
                pixels.append(image)
                readable.append(index)
            else:
                reasons.append(str(image))
        if reasons:
            self.notes.append(f"{len(reasons)} images cannot be read, such as {reasons[0]}")
            self._split = Split(self._split.source, readable, self._split.note)
        equal = len({(image.shape, image.dtype) for image in pixels}) == 1
        self._kept = torch.stack(pixels).to(self._device) if equal else pixels

    def _read(self, source: ImageSource, step: Step) -> Batch:
        """A batch of images that are not kept; in a process of its own, of that process's copy."""
        return self._batch(step)

    def _batch(self, step: Step) -> Batch:
        numbers = draws(
            self._seed, f"augmentation {step.epoch}", step.places, self._augmentation.num_draws
        )
        drawn = torch.from_numpy(numbers)
        labels = self._labels[torch.from_numpy(step.places)]
        chosen = self._chosen(step.places)
        if chosen is not None:
            pixels = as_float(chosen)
            drawn, labels = drawn.to(self._device), labels.to(self._device)
            return Batch(self._augmentation.augment(pixels, drawn, labels), labels)
        images, rows = [], []
        for row, position in enumerate(step.places):
            image = (
                self._kept[position]
                if self._kept
                else one_image(self._split, int(position), ANY_CHANNELS.geometry)
            )
            if isinstance(image, Tensor):
                own = slice(row, row + 1)
                images.append(
                    self._augmentation.augment(as_float(image[None]), drawn[own], labels[own])
                )
                rows.append(row)
        pixels = torch.cat(images) if images else torch.empty(0)
        labels = labels[rows]
        if self._kept is not None:
            return Batch(pixels.to(self._device), labels.to(self._device))
        return Batch(pixels, labels)

    def _chosen(self, places: np.ndarray) -> Tensor | None:
        """Images of one size as bytes on the device, where they are kept or can be made there."""
        if isinstance(self._kept, Tensor):
            return self._kept[torch.from_numpy(places).to(self._device)]
        if not self._made:
            return None
        indices = [self._split.indices[position] for position in places]
        return self._split.source.pixels(indices, self._device)


def _first(split: Split) -> Tensor:
    problem: object = "there is none"
    for position in range(len(split)):
        image = one_image(split, position, ANY_CHANNELS.geometry)
        if isinstance(image, Tensor):
            return image
        problem = image
    raise InputError(f"{split.source.name}: no image can be read, such as {problem}")
