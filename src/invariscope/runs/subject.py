"""Opens the model and the images of a run, before its first block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from invariscope.data import ImageSource, fingerprint
from invariscope.devices import as_float, choose_device
from invariscope.models import Probe, for_bands, load_model
from invariscope.models.arithmetic import Arithmetic, arranged
from invariscope.models.steadiness import PICTURES, unsteady
from invariscope.runs.bands import matched, said
from invariscope.runs.first_pictures import FirstPictures
from invariscope.runs.loading import Load, Picture, loading
from invariscope.runs.request import ModelRequest


@dataclass(frozen=True)
class Subject:
    """A model and the images that it is shown.

    Attributes:
        probe: The model, for pictures of so many bands.
        source: The images, with the bands that the model takes.
        selected: The positions of the run's images, in its order.
        first: The first pictures.
        example: The first image that can be read.
        random: A warning where the images are not the same when they are read again, or "".
    """

    probe: Probe
    source: ImageSource
    selected: list[int]
    first: FirstPictures
    example: Picture
    random: str

    @property
    def pixels(self) -> Tensor:
        """The example image, uint8 or float [band, height, width]."""
        assert self.example.pixels is not None
        return self.example.pixels

    @property
    def shown(self) -> Tensor:
        """The example image as a batch on the model's device."""
        return as_float(self.pixels)[None].to(self.probe.device)

    @property
    def load(self) -> Load:
        """Reads the pictures; the content of random ones is not worth recording."""
        return loading(self.probe.preprocessing, digests=not self.random)

    @property
    def ready(self) -> dict[int, Picture]:
        """Pictures that are decoded already, as `load` reads them."""
        decoded = self.first.decoded
        if not self.random:
            return decoded
        return {index: replace(picture, digest="") for index, picture in decoded.items()}

    @property
    def colours(self) -> int:
        """The number of bands of the pictures that differ."""
        return self.first.colours(len(self.pixels))

    def settings(self, seed: int) -> dict[str, Any]:
        """Collects the settings that the run's numbers depend on, for the manifest."""
        stored, decided = self.source.value_range, self.probe.decisions(self.shown)
        return {
            "model": self.probe.spec,
            "weights": self.probe.weights_hash,
            "arithmetic": self.probe.arithmetic,
            "preprocessing": self.probe.preprocessing.as_dict(),
            "task": decided.get("task"),
            "embedding": decided.get("embedding"),
            "data": self.source.name,
            **({} if stored is None else {"value_range": [stored.low, stored.high]}),
            "seed": seed,
            "images": fingerprint(self.source, self.selected),
        }

    def decisions(self) -> dict[str, str]:
        """Says what was decided about the images and the model, once layers are watched."""
        return {
            **self.source.decisions,
            **said(len(self.pixels), self.probe.preprocessing),
            **self.probe.decisions(self.shown),
        }

    def doubts(self) -> list[str]:
        """Says what may be wrong with the images or the model, once layers are watched."""
        known = [*self.probe.doubts(self.shown), self.random, self.first.size_note()]
        return [line for line in [*known, *unsteady(self.probe, self.pictures)] if line]

    @property
    def pictures(self) -> Tensor:
        """The first images of one size, as a batch on the model's device, to check it."""
        pictures = self.first.alike(PICTURES) or [self.pixels]
        return torch.stack([as_float(pixels) for pixels in pictures]).to(self.probe.device)

    def computed(self, arithmetic: Arithmetic, layers: Sequence[str]) -> "Subject":
        """Returns the same with a model that is computed in this way where layers are watched.

        Raises:
            InputError: It cannot be.
        """
        return replace(self, probe=arranged(self.probe, arithmetic, layers, self.pictures))


def open_subject(request: ModelRequest, source: ImageSource, selected: list[int]) -> Subject:
    """Loads the model and decodes the first images.

    Args:
        request: What is asked.
        source: The images.
        selected: The positions of the run's images, in its order.

    Raises:
        InputError: The model cannot be loaded, none of the images can be read, or the two do not
            fit together.
    """
    probe = load_model(
        request.model,
        preprocessing=request.preprocessing,
        task=request.task,
        embedding=request.embedding,
        output_key=request.output_key,
        seed=request.seed,
    ).to(choose_device(request.device))
    source = matched(source, probe.preprocessing)
    first = FirstPictures(source, probe.preprocessing, selected)
    example, random = first.example(), first.random()
    assert example.pixels is not None
    probe = for_bands(probe, len(example.pixels))
    first.preprocessing = probe.preprocessing  # of the pictures that are still to be decoded
    return Subject(probe, source, selected, first, example, random)
