"""Reads any map-style data set: torch's, torchvision's, a list of images, or the like.

An item is an image, or a tuple or list that starts with the image and its label, or a dictionary
that has them under one of `labelled.IMAGE_KEYS` and `LABEL_KEYS`. What counts as an image: see
`invariscope.data.pixels`.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.depth import DepthFacts, ValueRange, facts_of_values
from invariscope.data.labelled import LabelledItems, split_item
from invariscope.data.opens_anew import opens_anew
from invariscope.data.pixels import image_layout, said_of_axes, to_image, to_numpy
from invariscope.data.rgb import alpha_of
from invariscope.data.source import UNLABELLED, NumberedIds, UnreadableImage
from invariscope.errors import InputError

_ROOM = 32 << 20  # bytes of looked-at images that are kept until they are loaded


class DatasetSource(LabelledItems):
    """The images of a map-style data set; the ids are "0", "1", ….

    Labels come, in this order, from the argument; from the data set's ``targets`` or ``labels``
    (also through a Subset), checked on some items of every class and put into their terms (see
    `invariscope.data.item_labels`); from the items themselves, each known once its image is loaded
    (-1 before), so that no image is decoded for its label alone. `decisions` says which.

    Args:
        dataset: Has ``len()`` and ``[index]``.
        labels: One class index or class name per image, or None.
        name: What the report calls it.
        value_range: Which stored numbers are black and white; None: found for 16 bits, else by the
            type.
        axes: "CHW" or "HWC", the order of the axes of its arrays; None: by the shape.

    Raises:
        InputError: It is no such data set, it is empty, or its images are not images in [0, 1].

    Example:
        >>> class Pictures(torch.utils.data.Dataset):
        ...     targets, classes = [1, 0], ["cat", "dog"]
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         return Image.new("L", (6, 6), 50 * index), self.targets[index]
        >>> source = DatasetSource(Pictures())
        >>> source.name, source.labels, source.class_names, source.load(1).getpixel((0, 0))
        ('dataset:Pictures', [1, 0], ['cat', 'dog'], (50, 50, 50))
    """

    def __init__(
        self,
        dataset: Any,
        labels: Any = None,
        name: str | None = None,
        *,
        value_range: ValueRange | None = None,
        axes: str | None = None,
    ):
        self.value_range, self._axes = value_range, axes
        self.name = f"dataset:{type(dataset).__name__}" if name is None else name
        self._dataset = _unformatted(dataset)
        if isinstance(dataset, torch.utils.data.DataLoader):
            raise InputError(f"{self.name} makes batches; give the data set: loader.dataset")
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise InputError(f"{self.name} has no len() or no [index]; give a map-style data set")
        if not len(dataset):
            raise InputError(f"{self.name} is empty; give a data set with images")
        self.ids = NumberedIds(len(dataset))
        self.concurrent = opens_anew(dataset)
        self._items_say, self._known = labels is None, True
        position, item = self._first_item()
        self._ready = {position: item}  # `load` gives it once more, so it is decoded once
        self._room = _ROOM
        picture = split_item(item)[0]
        self._deep = _facts(picture) is not None
        said = self._said_of_axes(picture)
        if said:
            self.say("axes", said)
        if labels is None:
            self._find_labels(position, item)
        else:
            self._take_labels(labels)
        if self.labels is not None and self._known and max(self.labels) < 0:
            self.labels = None
            self.say("labels", UNLABELLED, noted=True)

    def load(self, index: int) -> Image.Image | torch.Tensor:
        """Loads an item as an RGB image or a tensor; see `invariscope.data.pixels`."""
        try:
            return to_image(self._picture(index), self.value_range, self._axes)
        # a data set may raise anything for a bad file; the reason is kept and reported
        except Exception as error:
            raise UnreadableImage(self.ids[index], _describe(error)) from error

    def alpha(self, index: int) -> np.ndarray | None:
        """Returns the alpha channel of a Pillow image, float32 [height, width], or None."""
        try:
            image = self._picture(index)
            return alpha_of(image) if isinstance(image, Image.Image) else None
        except Exception as error:  # as in `load`
            raise UnreadableImage(self.ids[index], _describe(error)) from error

    def facts(self, index: int) -> DepthFacts | None:
        """Looks at an item of 16 bits or floats; None for a data set whose items have 8 bits."""
        if not self._deep:
            return None
        try:
            return _facts(split_item(self._look_at(index))[0]) or DepthFacts()
        except (LookupError, ValueError):  # as in `load`, which will say so
            return DepthFacts()

    def _picture(self, index: int) -> Any:
        """The image of an item as it comes; what the item says about its label counts."""
        item = self._ready.pop(index, None)
        image, label = split_item(self._dataset[index] if item is None else item)
        if self.labels is not None and self._items_say:
            self._take_label(index, label)
        return image

    def _first_item(self) -> tuple[int, Any]:
        """The first of the leading items that loads: one bad file is not a bad data set."""
        failures: list[Exception] = []
        for position in range(min(3, len(self.ids))):
            try:
                item = self._dataset[position]
            except Exception as error:
                failures.append(error)
                continue
            try:
                to_image(split_item(item)[0], self.value_range, self._axes)
            except ValueError as error:
                raise InputError(f"{self.name}, image {position}: {error}") from error
            return position, item
        raise InputError(
            f"{self.name}: none of its first {len(failures)} items can be loaded "
            f"({_describe(failures[0])}); items that are an image or (image, label) work"
        ) from failures[0]

    def _said_of_axes(self, picture: Any) -> str:
        if not isinstance(picture, np.ndarray | torch.Tensor) or self._axes is not None:
            return ""
        pixels = to_numpy(picture)
        first = image_layout(pixels.shape, pixels.dtype, isinstance(picture, torch.Tensor))
        return said_of_axes(pixels.shape, first).replace("ArraySource(images", "DatasetSource(data")

    def _look_at(self, index: int) -> Any:
        """An item, kept for `load` where it is small.

        Raises:
            LookupError: It cannot be loaded.
        """
        if index not in self._ready:
            try:
                item = self._dataset[index]
            except Exception as error:  # as in `load`: a data set may raise anything
                raise LookupError from error
            size = _size(split_item(item)[0])
            if size > self._room:
                return item
            self._room -= size
            self._ready[index] = item
        return self._ready[index]


def _size(image: Any) -> int:
    """The bytes of an image; more than may be kept where it still hangs on an open file."""
    if isinstance(image, Image.Image):
        opened = getattr(image, "fp", None) is not None
        return _ROOM + 1 if opened else image.width * image.height * len(image.getbands())
    return int(getattr(image, "nbytes", _ROOM + 1))


def _unformatted(dataset: Any) -> Any:
    """A table of the library ``datasets`` without a format that would decode its images anew."""
    features = getattr(dataset, "features", None)
    kinds = (
        [type(kind).__name__ for kind in features.values()] if isinstance(features, dict) else []
    )
    if "Image" not in kinds or getattr(dataset, "format", {}).get("type") in (None, "custom"):
        return dataset
    return dataset.with_format(None)


def _facts(picture: Any) -> DepthFacts | None:
    """The facts of a picture that is deeper than 8 bits; None for another one."""
    if isinstance(picture, Image.Image):
        deep = picture.mode in ("F", "I") or picture.mode.startswith("I;16")
        return facts_of_values(np.asarray(picture)) if deep else None
    if isinstance(picture, np.ndarray | torch.Tensor):
        pixels = to_numpy(picture)
        return None if pixels.dtype == np.uint8 else facts_of_values(pixels)
    return None


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
