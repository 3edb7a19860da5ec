"""Labels the items of a data set: from the list that it keeps, or from the items themselves."""

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from invariscope.data.item_labels import SECONDS, compare, item_label
from invariscope.data.labels import class_indices, label_form
from invariscope.data.source import ImageSource
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
"""The keys under which a dictionary item may keep its image; the first present one counts."""

Say = Callable[[int], int | str | None]

_KEYS = 10  # that are named
_LISTENED = 30  # items of a data set that keeps no list of labels


class LabelledItems(ImageSource):
    """A source whose labels come from a data set; see `invariscope.data.datasets`.

    A subclass sets `_dataset`, `ids` and `_known`, calls `_take_labels` or `_find_labels`, and
    hands the label of an item that was loaded to `_take_label`.
    """

    _dataset: Any
    _known: bool

    @abstractmethod
    def _look_at(self, index: int) -> Any:
        """Returns an item; raises `LookupError` where it cannot be loaded."""

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
            if names and 0 <= labels[index] < len(names) and said == names[labels[index]]:
                return
            class_index = names.index(said) if names and said in names else -1
        else:
            class_index = said if names is None or said < len(names) else -1
        if class_index < 0:
            raise ValueError(f"its label {said!r} is none of the {len(names or ())} classes")
        labels[index] = class_index

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
        self.say("labels", said)

    def _find_labels(self, position: int, item: Any) -> None:
        if parts_disagree(self._dataset):
            self.say(
                "labels",
                "treated as unlabelled: the joined data sets name their classes differently; pass "
                "(images, labels)",
                noted=True,
            )
            return

        def say(index: int) -> int | str | None:
            return item_label(split_item(self._look_at(index))[1])

        stored = stored_labels(self._dataset)
        known = None if stored is None else _try_indices(stored, len(self.ids))
        try:
            if known is None and split_item(item)[1] is not None:
                self._hear_items(say, position)
            elif known is None:
                self._say_keys(item)
            else:
                self._agree(*known, label_form(stored), say)
        except ValueError as error:
            self.say(
                "labels",
                f"treated as unlabelled: the second part of its items is no class index ({error}); "
                "give the data set a list `targets`, or pass (images, labels)",
                noted=True,
            )

    def _say_keys(self, item: Any) -> None:
        """Names the keys of a dictionary of which none is understood as its label."""
        if not isinstance(item, Mapping) or len(item) < 2:
            return
        keys = list(map(str, item))
        shown = ", ".join(keys[:_KEYS]) + ", …" * (len(keys) > _KEYS)
        if any(key in LABEL_KEYS for key in keys):  # it is there, and None
            return
        self.say(
            "labels",
            f"treated as unlabelled: its items have the keys {shown}; a label is understood under "
            f"{', '.join(LABEL_KEYS)}: rename it, or pass (images, labels)",
            noted=True,
        )

    def _agree(self, labels: list[int], words: list[str] | None, form: str, say: Say) -> None:
        """Puts the labels of a list that the data set keeps into the terms of its items."""
        names, said = (words, "") if words else self._names_for(labels)
        agreement = compare(labels, words, names, say)
        self._known = agreement.labels is not None
        self.labels = [-1] * len(self.ids) if agreement.labels is None else agreement.labels
        self.class_names = agreement.names
        moved = agreement.moved and agreement.names is not None
        self.label_meaning = "outputs" if moved else "names" if words else "numbers"
        text = "; ".join([agreement.said, *([form] if form else [])]) + said
        self.say("labels", text)
        if agreement.moved or said:
            self.notes = [*self.notes, f"labels: {text}"]
        if not agreement.moved:
            self.class_ids = self._ids_for(agreement.names)

    def _hear_items(self, say: Say, position: int) -> None:
        """Takes labels that only the items know: a few of them are asked which kind they are."""
        order = generator(0, "labels of items").permutation(len(self.ids))[:_LISTENED].tolist()
        said, end = [], time.monotonic() + SECONDS
        for index in [position, *order]:
            if time.monotonic() > end:
                break
            try:
                value = say(index)
            except LookupError:
                continue
            said += [] if value is None else [value]
        names, meant = self._names_for([value for value in said if isinstance(value, int)])
        if any(isinstance(value, str) for value in said):
            if names is None or not set(said) <= set(names):
                raise ValueError("words without a list of names")
        self.labels, self._known = [-1] * len(self.ids), False
        self.class_names, self.label_meaning = names, "numbers"
        self.say("labels", f"what each item says as it is loaded{meant}")
        if said and not names and set(said) == set(range(1, max(said) + 1)) and len(said) > 1:
            self.notes = [
                *self.notes,
                f"{len(said)} of its labels were looked at: they run from 1 to {max(said)}; if "
                "they count from 1, subtract 1, as outputs count from 0",
            ]

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


def _try_indices(values: Any, count: int) -> tuple[list[int], list[str] | None] | None:
    try:
        return class_indices(values, count)
    except (ValueError, TypeError):  # NumPy raises TypeError for tensors that need more than a copy
        return None
