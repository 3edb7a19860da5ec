"""Any map-style data set: torch's, torchvision's, a list of images, or what looks like one.

An item is an image, or a tuple or list that starts with the image and its label, or a dictionary
that has them under one of `IMAGE_KEYS` and `LABEL_KEYS`. What counts as an image: see
`invariscope.data.pixels`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.depth import Facts, ValueRange
from invariscope.data.labels import class_indices, stored_class_names, stored_labels
from invariscope.data.pixels import image_layout, said_of_axes, to_image, to_numpy
from invariscope.data.rgb import alpha_of
from invariscope.data.source import ImageSource, NumberedIds, UnreadableImage
from invariscope.errors import InputError

IMAGE_KEYS = ("image", "img", "images", "pixel_values", "x")
"""Where a dictionary item keeps its image; the first that is there."""

LABEL_KEYS = ("label", "labels", "target", "class", "y", "fine_label")
"""Where a dictionary item keeps its label; the first that is there."""


class DatasetSource(ImageSource):
    """The images of a map-style data set; the ids are "0", "1", ….

    Labels come, in this order, from the argument; from the data set's ``targets`` or ``labels``
    (also through a Subset); from the items themselves, each known once its image is loaded (-1
    before), so that no image is decoded for its label alone. A stored list that contradicts an item
    is not used.

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
        self._dataset = dataset
        if isinstance(dataset, torch.utils.data.DataLoader):
            raise InputError(f"{self.name} makes batches; give the data set: loader.dataset")
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise InputError(f"{self.name} has no len() or no [index]; give a map-style data set")
        if not len(dataset):
            raise InputError(f"{self.name} is empty; give a data set with images")
        self.ids = NumberedIds(len(dataset))
        notes: list[str] = []
        self._labels_seen: list[int] | None = None
        position, item = self._first_item()
        self._first = {position: item}  # `load` gives it once more, so it is decoded once
        picture = split_item(item)[0]
        self._deep = _highest(picture) is not None
        said = self._said_of_axes(picture)
        if said:
            self.decisions = {**self.decisions, "axes": said}
        if labels is None:
            self._find_labels(position, item, notes)
        else:
            self._take_labels(labels)
        self.notes = notes

    def load(self, index: int) -> Image.Image | torch.Tensor:
        """The image of an item, as an RGB image or a tensor; see `invariscope.data.pixels`."""
        try:
            return to_image(self._picture(index), self.value_range, self._axes)
        # a data set may raise anything for a bad file; the reason is kept and reported
        except Exception as error:
            raise UnreadableImage(self.ids[index], _describe(error)) from error

    def alpha(self, index: int) -> np.ndarray | None:
        """The alpha channel of an item that is a Pillow image, float32 [height, width], or None."""
        try:
            image = self._picture(index)
            return alpha_of(image) if isinstance(image, Image.Image) else None
        except Exception as error:  # as in `load`
            raise UnreadableImage(self.ids[index], _describe(error)) from error

    def facts(self, index: int) -> Facts | None:
        """The largest number of an item of 16 bits; None for a data set whose items have 8."""
        if not self._deep:
            return None
        try:
            return Facts(highest=_highest(split_item(self._dataset[index])[0]))
        except Exception:  # as in `load`, which will say so
            return Facts()

    def _picture(self, index: int) -> Any:
        """The image of an item as it comes; its label is kept where labels come with the items."""
        item = self._first.pop(index) if index in self._first else self._dataset[index]
        image, label = split_item(item)
        if self._labels_seen is not None:
            known = None if label is None else _try_indices([label], 1)
            self._labels_seen[index] = -1 if known is None else known[0][0]
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
                self._image(item)
            except ValueError as error:
                raise InputError(f"{self.name}, image {position}: {error}") from error
            return position, item
        raise InputError(
            f"{self.name}: none of its first {len(failures)} items can be loaded "
            f"({_describe(failures[0])}); items that are an image or (image, label) work"
        ) from failures[0]

    def _image(self, item: Any) -> Image.Image | torch.Tensor:
        return to_image(split_item(item)[0], self.value_range, self._axes)

    def _said_of_axes(self, picture: Any) -> str:
        if not isinstance(picture, np.ndarray | torch.Tensor) or self._axes is not None:
            return ""
        pixels = to_numpy(picture)
        first = image_layout(pixels.shape, pixels.dtype, isinstance(picture, torch.Tensor))
        return said_of_axes(pixels.shape, first).replace("ArraySource(images", "DatasetSource(data")

    def _take_labels(self, labels: Any) -> None:
        try:
            self.labels, names = class_indices(labels, len(self.ids))
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from error
        self.class_names = names if names else self._names_for(self.labels)

    def _find_labels(self, position: int, item: Any, notes: list[str]) -> None:
        of_item = split_item(item)[1]
        values = stored_labels(self._dataset)
        found = None if values is None else _try_indices(values, len(self.ids))
        if found is not None and of_item is not None:
            own = _try_indices([of_item], 1)
            by_name = own is not None and own[1] is not None
            if own is None or (not by_name and own[0][0] != found[0][position]):
                found = None  # e.g. a target_transform, or several targets per image
        if found is None and of_item is not None:
            own = _try_indices([of_item], 1)
            if own is not None and own[1] is None:
                self._labels_seen = [-1] * len(self.ids)
                found = self._labels_seen, None
            else:
                notes.append(
                    "treated as unlabelled: the second part of its items is no class index; give "
                    "the data set a list `targets`, or pass (images, labels)"
                )
        if found is not None:
            self.labels, names = found
            self.class_names = names if names else self._names_for(self.labels)

    def _names_for(self, labels: Any) -> list[str] | None:
        names = stored_class_names(self._dataset)
        return names if names is not None and max(labels) < len(names) else None


def split_item(item: Any) -> tuple[Any, Any]:
    """The image and the label (or None) of one item of a data set.

    Raises:
        ValueError: A dictionary without an image, or an empty tuple.

    Example:
        >>> split_item({"img": 1, "label": 2}), split_item((3, 4, 5)), split_item(6)
        ((1, 2), (3, 4), (6, None))
    """
    if isinstance(item, Mapping):
        image = next((key for key in IMAGE_KEYS if key in item), None)
        if image is None:
            raise ValueError(
                f"its items have the keys {', '.join(map(str, item))}; "
                f"the image must be under one of {', '.join(IMAGE_KEYS)}"
            )
        label = next((key for key in LABEL_KEYS if key in item), None)
        return item[image], None if label is None else item[label]
    if isinstance(item, tuple | list):
        if not item:
            raise ValueError("its items are empty tuples; give (image, label)")
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _highest(picture: Any) -> int | None:
    """The largest number of a picture of 16 bits; None for another one."""
    if isinstance(picture, Image.Image):
        return int(np.asarray(picture).max()) if picture.mode.startswith("I;16") else None
    if isinstance(picture, np.ndarray | torch.Tensor):
        pixels = to_numpy(picture)
        return int(pixels.max()) if pixels.dtype == np.uint16 and pixels.size else None
    return None


def _try_indices(values: Any, count: int) -> tuple[list[int], list[str] | None] | None:
    try:
        return class_indices(values, count)
    except (ValueError, TypeError):  # NumPy raises TypeError for tensors that need more than a copy
        return None


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
