"""Tests which images a network is right about."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from invariscope.data.labels import distinct_names
from invariscope.devices import as_float
from invariscope.errors import InputError
from invariscope.metrics.accuracy import first_answers
from invariscope.models import Preprocessing
from invariscope.runs.first_pictures import FirstPictures
from invariscope.training.decoding import decoded
from invariscope.training.images import MEMORY_BYTES
from invariscope.training.splits import Split

_BATCH = 256


class TestImages:
    """Labelled images, resized and cropped as `measure` does it: kept as bytes where they fit.

    Args:
        split: The images; those that cannot be read are left out, with a note.
        preprocessing: The network's, with a size.
        memory: Bytes that may be kept; images that take more are decoded at every evaluation.
        workers: Decoding, as for `invariscope.measure`.

    Attributes:
        notes: What was left out, and that the images are random where they are.
        unanswered: How many images the network that was tested last gave NaN for; they count as
            wrong.
    """

    __test__ = False  # the name says what it is, not that it is a test

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        *,
        memory: int = MEMORY_BYTES,
        workers: int | None = None,
    ):
        random = FirstPictures(split.source, preprocessing, split.indices).random()
        self.notes: list[str] = [random] if random else []
        self.unanswered = 0
        self._workers = workers
        self._split = split
        self._preprocessing = preprocessing
        self._kept: list[tuple[list[int], Tensor]] | None = None
        size = preprocessing.size
        assert size is not None
        if 3 * size[0] * size[1] * len(split) <= memory:
            self._kept = list(self._decoded())
            count = sum(len(places) for places, _ in self._kept)
            if not count:
                raise InputError(f"{split.source.name}: none of the test images can be read")
            if count < len(split):
                self.notes.append(f"{len(split) - count} test images cannot be read: left out")

    def batches(self) -> Iterator[tuple[list[int], Tensor]]:
        """Yields positions in the split, and the images as the preprocessing crops them."""
        return iter(self._kept) if self._kept is not None else self._decoded()

    def correct(self, module: nn.Module, device: torch.device) -> pd.DataFrame:
        """Tests a network: a row per image, in split order: ``image``, ``class``, ``correct``.

        Args:
            module: From normalised images to logits; it is put into eval mode and back.
            device: Where it is.
        """
        labels, ids = self._split.labels, self._split.ids
        places: list[int] = []
        right: list[Tensor] = []
        unanswered = 0
        training = module.training
        module.eval()
        layout = torch.channels_last if device.type != "mps" else torch.contiguous_format
        with torch.inference_mode():
            for chosen, pixels in self.batches():
                batch = self._preprocessing.normalise(as_float(pixels.to(device)))
                answers = first_answers(module(batch.contiguous(memory_format=layout))).cpu()
                unanswered += int((answers < 0).sum())
                right.append(answers == torch.from_numpy(labels[chosen]))
                places += chosen
        module.train(training)
        self.unanswered = unanswered
        names = self._split.source.class_names
        names = None if names is None else distinct_names(names)
        shown = [str(label) if names is None else names[label] for label in labels[places]]
        return pd.DataFrame(
            {
                "image": [ids[position] for position in places],
                "class": shown,
                "correct": torch.cat(right).numpy().astype(np.int8),
            }
        )

    def _decoded(self) -> Iterator[tuple[list[int], Tensor]]:
        images = enumerate(decoded(self._split, self._preprocessing.geometry, self._workers))
        while chunk := list(islice(images, _BATCH)):
            pairs = [(index, image) for index, image in chunk if isinstance(image, Tensor)]
            if pairs:
                yield [index for index, _ in pairs], torch.stack([image for _, image in pairs])
