"""Decodes the first pictures of a run before its first block, to see their size and bands."""

from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.data import ImageSource
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.runs.bands import COLOURS
from invariscope.runs.loading import Picture, alike, load_picture

#: Images that are read twice to see whether they are random.
_READ_TWICE = 8
#: Pictures that are asked whether they are grey.
_LOOKED_AT = 4


class FirstPictures:
    """The pictures of a selection, decoded one after the other as they are asked for, and kept.

    Args:
        source: Where images come from.
        preprocessing: Resize and crop.
        selected: Indices into the source, in the run's order.

    Attributes:
        decoded: The pictures so far, by index.
    """

    def __init__(self, source: ImageSource, preprocessing: Preprocessing, selected: Sequence[int]):
        self.source, self.preprocessing, self.selected = source, preprocessing, selected
        self.decoded: dict[int, Picture] = {}

    def example(self) -> Picture:
        """The first image that can be read.

        Raises:
            InputError: None of the images can be read, or the model cannot be shown its bands.
        """
        for index in self.selected:
            picture = self._picture(index)
            if picture.pixels is not None:
                return picture
            if not picture.fits:
                name = f"{self.source.name}, image {self.source.ids[index]}"
                raise InputError(f"{name}: {picture.reason}")
        first = self.decoded[self.selected[0]]
        raise InputError(
            f"none of the {len(self.selected)} images of {self.source.name} can be read; the "
            f"first: {self.source.ids[first.index]}: {first.reason}"
        )

    def alike(self, count: int) -> list[Tensor]:
        """The pixels of the first images of one size, as many as ``count``.

        At most twice as many are looked at.
        """
        frames: list[Tensor] = []  # of one size; grey and colour may mix
        for index in self.selected[: 2 * count]:
            pixels = self._picture(index).pixels
            if pixels is not None and (not frames or pixels.shape[-2:] == frames[0].shape[-2:]):
                frames.append(pixels)
            if len(frames) == count:
                break
        return alike(frames)

    def colours(self, bands: int) -> int:
        """Counts bands that differ: 1 for grey pictures that a network of one channel gets."""
        if self.preprocessing.channels != 1 or bands != COLOURS:
            return bands
        pictures = self.alike(_LOOKED_AT)
        return 1 if all(torch.equal(own, own[:1].expand_as(own)) for own in pictures) else bands

    def random(self) -> str:
        """Warns if the images of a user's data set are not the same when they are read again.

        Sources that decode files themselves are not asked.
        """
        if self.source.concurrent:
            return ""
        for index in self.selected[:_READ_TWICE]:
            first = self._picture(index).pixels
            again = load_picture(self.source, index, self.preprocessing).pixels
            if first is None or again is None:
                continue
            if first.shape != again.shape or not torch.equal(first, again):
                return (
                    f"images are random: {self.source.name} gave other pixels when it was asked "
                    f"for image {self.source.ids[index]} again, so numbers change from run to "
                    "run; give the data without random augmentation"
                )
        return ""

    def size_note(self) -> str:
        """Warns where pictures of the model's size are nevertheless resized and cropped.

        Data sets such as ImageNet-C are stored as they were evaluated, at 224 × 224.
        """
        (height, width), how = self.example().size, self.preprocessing
        if how.size != (height, width) or how.resize in (None, how.size):
            return ""
        least = min(height, width)
        if how.resize == least and (how.crop_mode == "center" or height == width):
            return ""
        shown = "×".join(map(str, how.resize)) if isinstance(how.resize, tuple) else how.resize
        return (
            f"the pictures have the model's size, {height}×{width}, already, and are resized to "
            f"{shown} and cropped all the same ({how.source}); `preprocessing={{'resize': "
            f"{least}}}` takes them as they are"
        )

    def _picture(self, index: int) -> Picture:
        if index not in self.decoded:
            self.decoded[index] = load_picture(self.source, index, self.preprocessing)
        return self.decoded[index]
