"""Compares the labels that the items of a data set say with the list that it keeps.

The items count: a ``target_transform`` changes items, not the list. So some items of every class
are looked at, first one of each class, then a second and a third, `CHECKED` of them at most. Where
they agree with the list, the list is used. Where all items of a class agree on something else, the
list is translated. Otherwise the labels are left to the items, as they are loaded.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from invariscope.data.labels import class_indices, class_order, filled
from invariscope.seeding import generator

CHECKED = 100
"""Items that are looked at, at most."""

PER_CLASS = 3
"""Items of one class that are looked at, at most."""

SECONDS = 2.0
"""The time for which items are examined while all of them agree with the list."""


@dataclass(frozen=True)
class LabelMatch:
    """The labels that the list and the items agree on.

    Args:
        labels: Class index of each image; None: the items have to say it as they are loaded.
        names: Name of each class index, or None.
        moved: Whether the numbers are not those of the list.
        said: How the labels were found, in a sentence.
    """

    labels: list[int] | None
    names: list[str] | None
    moved: bool
    said: str


def item_label(value: Any) -> int | str | None:
    """Reads the label of one item: a class index, a word, or None for none.

    Raises:
        ValueError: It is no label of one class.

    Example:
        >>> item_label(np.array([3])), item_label("cat"), item_label(-1)
        (3, 'cat', None)
    """
    if value is None:
        return None
    try:
        indices, names = class_indices([value], 1)
    except TypeError as error:  # NumPy raises it for what it cannot hold
        raise ValueError(f"{type(value).__name__} is no label") from error
    if indices[0] < 0:
        return None
    return indices[0] if names is None else names[indices[0]]


def some_of_each(labels: Sequence[int]) -> list[int]:
    """Picks positions to look at: one of each class in a seeded order, then a second, a third.

    Example:
        >>> sorted(some_of_each([0, 0, 0, 0, 1]))[-1], len(some_of_each([0] * 1000))
        (4, 3)
    """
    order = generator(0, "checked labels").permutation(len(labels))
    _, member = np.unique(np.asarray(labels)[order], return_inverse=True)
    grouped = np.argsort(member, kind="stable")
    sizes = np.bincount(member)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = np.empty(len(order), dtype=np.int64)
    rank[grouped] = np.arange(len(order)) - starts
    first = np.argsort(rank, kind="stable")[:CHECKED]
    return order[first[rank[first] < PER_CLASS]].tolist()


def compare(
    labels: list[int],
    words: list[str] | None,
    names: list[str] | None,
    say: Callable[[int], int | str | None],
) -> LabelMatch:
    """Compares the list that a data set keeps with what some of its items say.

    Args:
        labels: Class indices of the list.
        words: What the indices stand for where the list holds words.
        names: The data set's own names of class indices.
        say: The label of the item at a position, as `item_label` gives it; raises `LookupError`
            where the item cannot be loaded.

    Raises:
        ValueError: An item's label is no label of one class.
    """
    positions = some_of_each(labels)
    said = _listen(positions, labels, words, say)
    if not said:
        return LabelMatch(labels, words or names, False, "its list; the items come without labels")
    count = f"{len(said)} checked item{'s' * (len(said) != 1)}"
    if all(_same(labels[position], words, value) for position, value in said.items()):
        share = f", of {len({labels[p] for p in said})} of {len(set(labels))} classes"
        return LabelMatch(labels, words or names, False, f"its list, as {count}{share}, say")
    meaning = _meaning(labels, said)
    if meaning is None:
        spoken = {value for value in said.values() if isinstance(value, str)}
        known = words or names or []
        if spoken and not spoken <= set(known):
            raise ValueError("words that are no names of classes")
        text = f"what each item says as it is loaded: of {count} some contradict its list"
        return LabelMatch(None, known if spoken else None, True, text)
    if all(isinstance(value, str) for value in meaning.values()):
        return _in_words(labels, words or names, {k: str(v) for k, v in meaning.items()}, count)
    return _in_numbers(labels, words, names, {k: int(v) for k, v in meaning.items()}, count)


def _listen(
    positions: Sequence[int],
    labels: Sequence[int],
    words: list[str] | None,
    say: Callable[[int], int | str | None],
) -> dict[int, int | str]:
    """Asks the items at these positions; time counts only while they agree with the list."""
    said: dict[int, int | str] = {}
    end, agree = time.monotonic() + SECONDS, True
    for position in positions:
        try:
            value = say(position)
        except LookupError:
            continue
        if value is not None:
            said[position] = value
            agree = agree and _same(labels[position], words, value)
        if agree and time.monotonic() > end:
            break
    return said


def _same(label: int, words: list[str] | None, value: int | str) -> bool:
    if words is None:
        return value == label
    return label >= 0 and value == words[label]


def _meaning(labels: Sequence[int], said: dict[int, int | str]) -> dict[int, int | str] | None:
    """Maps each class of the list to what the items say; None where that is not settled."""
    meaning: dict[int, int | str] = {}
    for position, value in said.items():
        if meaning.setdefault(labels[position], value) != value:
            return None
    kinds = {type(value) for value in meaning.values()}
    return meaning if len(kinds) == 1 and set(meaning) >= set(labels) - {-1} else None


def _in_words(
    labels: list[int], names: list[str] | None, meaning: dict[int, str], count: str
) -> LabelMatch:
    """The list in the words of the items."""
    words = class_order(meaning.values())
    if len(words) == len(meaning) and -1 not in meaning:  # a word for each index of the list
        own = filled(meaning, len(names or ()))
        return LabelMatch(labels, own, False, f"its list, named by the words that {count} say")
    index_of = {word: index for index, word in enumerate(words)}
    moved = [index_of[meaning[label]] if label in meaning else -1 for label in labels]
    return LabelMatch(moved, words, False, f"the words that {count} say, in place of its list")


def _in_numbers(
    labels: list[int],
    words: list[str] | None,
    names: list[str] | None,
    meaning: dict[int, int],
    count: str,
) -> LabelMatch:
    """The list in the numbers of the items; a name goes where its class goes."""
    own = words or names or []
    merged: dict[int, list[str]] = {}
    changed = []
    for label, value in sorted(meaning.items()):
        name = own[label] if 0 <= label < len(own) else str(label)
        if own:
            merged.setdefault(value, []).append(name)
        if words or label != value:
            changed.append(f"{name} is {value}")
    shown = {value: " + ".join(two[:2]) + " + …" * (len(two) > 2) for value, two in merged.items()}
    moved = [meaning.get(label, -1) for label in labels]
    # words have no numbers of their own: those of the items may be no more than their places
    places = words is not None and set(meaning.values()) == set(range(len(meaning)))
    more = ", …" if len(changed) > 3 else ""
    text = f"its list as {count} say it: {', '.join(changed[:3])}{more}"
    return LabelMatch(moved, filled(shown) if shown else None, not places, text)
