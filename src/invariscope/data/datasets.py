"""Reads any map-style data set: torch's, torchvision's, a list of images, or the like.

An item is an image, or a tuple or list that starts with the image and its label, or a dictionary
that has them under one of `IMAGE_KEYS` and `LABEL_KEYS`. What counts as an image: see
`invariscope.data.pixels`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.depth import Facts, ValueRange, facts_of_values
from invariscope.data.item_labels import SECONDS, compare, item_label
from invariscope.data.labels import class_indices, label_form
from invariscope.data.opens_anew import opens_anew
from invariscope.data.pixels import image_layout, said_of_axes, to_image, to_numpy
from invariscope.data.rgb import alpha_of
from invariscope.data.source import ImageSource, NumberedIds, UnreadableImage
from invariscope.data.stored_labels import (
    LABEL_KEYS,
    parts_disagree,
    stored_class_ids,
    stored_class_names,
    stored_labels,
)
from invariscope.errors import InputError
from invariscope.seeding import generator

IMAGE_KEYS = ("image", "img", "images", "pixel_values", "x")
"""Where a dictionary item keeps its image; the first that is there."""

Say = Callable[[int], int | str | None]

_ROOM = 32 << 20  # bytes of looked-at images that are kept until they are loaded
_KEYS = 10  # that are named
_LISTENED = 30  # items of a data set that keeps no list of labels


class DatasetSource(ImageSource):
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
            self.decisions = {**self.decisions, "axes": said}
        if labels is None:
            self._find_labels(position, item)
        else:
            self._take_labels(labels)
        if self.labels is not None and self._known and max(self.labels) < 0:
            self.labels = None
            self._unlabelled("treated as unlabelled: every label is -1, which stands for none")

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

    def facts(self, index: int) -> Facts | None:
        """Looks at an item of 16 bits or floats; None for a data set whose items have 8 bits."""
        if not self._deep:
            return None
        try:
            return _facts(split_item(self._look_at(index))[0]) or Facts()
        except (LookupError, ValueError):  # as in `load`, which will say so
            return Facts()

    def _picture(self, index: int) -> Any:
        """The image of an item as it comes; what the item says about its label counts."""
        item = self._ready.pop(index, None)
        image, label = split_item(self._dataset[index] if item is None else item)
        if self.labels is not None and self._items_say:
            self._take_label(index, label)
        return image

    def _take_label(self, index: int, label: Any) -> None:
        labels, names = self.labels, self.class_names
        assert isinstance(labels, list)
        try:
            said = item_label(label)
        except ValueError:
            said = None
        if said is None or said == labels[index]:
            return
        if isinstance(said, str):
            if (
                names is not None
                and 0 <= labels[index] < len(names)
                and said == names[labels[index]]
            ):
                return
            place = names.index(said) if names is not None and said in names else -1
        else:
            place = said if names is None or said < len(names) else -1
        if place < 0:
            raise ValueError(f"its label {said!r} is none of the {len(names or ())} classes")
        labels[index] = place

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
        form = label_form(labels)
        said = "given beside the data set" + (f"; {form}" if form else "")
        if names is None:
            names, meant = self._names_for(self.labels)
            kept = _try_indices(stored_labels(self._dataset), len(self.ids))
            if kept is not None and kept[0] != self.labels:
                names, meant = None, "; its class names belong to its own labels"
            said += meant
            self.label_meaning = "numbers"
        self.class_names = names
        self.decisions = {**self.decisions, "labels": said}

    def _find_labels(self, position: int, item: Any) -> None:
        if parts_disagree(self._dataset):
            self._unlabelled(
                "treated as unlabelled: the joined data sets name their classes differently; pass "
                "(images, labels)"
            )
            return

        def say(place: int) -> int | str | None:
            return item_label(split_item(self._look_at(place))[1])

        stored = stored_labels(self._dataset)
        found = None if stored is None else _try_indices(stored, len(self.ids))
        try:
            if found is None and split_item(item)[1] is not None:
                self._hear_items(say, position)
            elif found is None:
                self._say_keys(item)
            else:
                self._agree(*found, label_form(stored), say)
        except ValueError as error:
            self._unlabelled(
                f"treated as unlabelled: the second part of its items is no class index ({error}); "
                "give the data set a list `targets`, or pass (images, labels)"
            )

    def _say_keys(self, item: Any) -> None:
        """Names the keys of a dictionary of which none is understood as its label."""
        if not isinstance(item, Mapping) or len(item) < 2:
            return
        keys = list(map(str, item))
        shown = ", ".join(keys[:_KEYS]) + ", …" * (len(keys) > _KEYS)
        if any(key in LABEL_KEYS for key in keys):  # it is there, and None
            return
        self._unlabelled(
            f"treated as unlabelled: its items have the keys {shown}; a label is understood under "
            f"{', '.join(LABEL_KEYS)}: rename it, or pass (images, labels)"
        )

    def _look_at(self, place: int) -> Any:
        """An item, kept for `load` where it is small.

        Raises:
            LookupError: It cannot be loaded.
        """
        if place not in self._ready:
            try:
                item = self._dataset[place]
            except Exception as error:  # as in `load`: a data set may raise anything
                raise LookupError from error
            size = _size(split_item(item)[0])
            if size > self._room:
                return item
            self._room -= size
            self._ready[place] = item
        return self._ready[place]

    def _agree(self, labels: list[int], words: list[str] | None, form: str, say: Say) -> None:
        """Puts the labels of a list that the data set keeps into the terms of its items."""
        names, said = (words, "") if words else self._names_for(labels)
        found = compare(labels, words, names, say)
        self._known = found.labels is not None
        self.labels = [-1] * len(self.ids) if found.labels is None else found.labels
        self.class_names = found.names
        moved = found.moved and found.names is not None
        self.label_meaning = "outputs" if moved else "names" if words else "numbers"
        text = "; ".join([found.said, *([form] if form else [])]) + said
        self.decisions = {**self.decisions, "labels": text}
        if found.moved or said:
            self.notes = [*self.notes, f"labels: {text}"]
        if not found.moved:
            self.class_ids = self._ids_for(found.names)

    def _hear_items(self, say: Say, position: int) -> None:
        """Takes labels that only the items know: a few of them are asked which kind they are."""
        order = generator(0, "labels of items").permutation(len(self.ids))[:_LISTENED].tolist()
        said, end = [], time.monotonic() + SECONDS
        for place in [position, *order]:
            if time.monotonic() > end:
                break
            try:
                value = say(place)
            except LookupError:
                continue
            said += [] if value is None else [value]
        names, meant = self._names_for([value for value in said if isinstance(value, int)])
        if any(isinstance(value, str) for value in said):
            if names is None or not set(said) <= set(names):
                raise ValueError("words without a list of names")
        self._labels_of_items(names, meant)
        if said and not names and set(said) == set(range(1, max(said) + 1)) and len(said) > 1:
            self.notes = [
                *self.notes,
                f"{len(said)} of its labels were looked at: they run from 1 to {max(said)}; if "
                "they count from 1, subtract 1, as outputs count from 0",
            ]

    def _labels_of_items(self, names: list[str] | None, meant: str) -> None:
        self.labels, self._known = [-1] * len(self.ids), False
        self.class_names, self.label_meaning = names, "numbers"
        self.decisions = {**self.decisions, "labels": f"what each item says as it is loaded{meant}"}

    def _unlabelled(self, why: str) -> None:
        self.notes = [*self.notes, why]
        self.decisions = {**self.decisions, "labels": why}

    def _names_for(self, labels: Sequence[int]) -> tuple[list[str] | None, str]:
        """The data set's class names, where its labels fit them; what is to be said otherwise."""
        names = stored_class_names(self._dataset)
        if names is None:
            return None, ""
        low, high = min(labels, default=0), max(labels, default=0)
        if high < len(names):
            return names, ""
        return None, (
            f"; its {len(names)} class names are left aside: the labels run from {low} to {high}"
        )

    def _ids_for(self, names: Sequence[str] | None) -> list[str] | None:
        ids = stored_class_ids(self._dataset)
        return ids if ids is not None and names is not None and len(ids) == len(names) else None


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


def split_item(item: Any) -> tuple[Any, Any]:
    """Splits one item of a data set into its image and its label (or None).

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


def _facts(picture: Any) -> Facts | None:
    """The facts of a picture that is deeper than 8 bits; None for another one."""
    if isinstance(picture, Image.Image):
        deep = picture.mode == "F" or picture.mode.startswith("I;16")
        return facts_of_values(np.asarray(picture)) if deep else None
    if isinstance(picture, np.ndarray | torch.Tensor):
        pixels = to_numpy(picture)
        return None if pixels.dtype == np.uint8 else facts_of_values(pixels)
    return None


def _try_indices(values: Any, count: int) -> tuple[list[int], list[str] | None] | None:
    try:
        return class_indices(values, count)
    except (ValueError, TypeError):  # NumPy raises TypeError for tensors that need more than a copy
        return None


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
