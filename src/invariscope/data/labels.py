"""Turns labels of any form into class indices.

| given, for N images | becomes |
|---|---|
| N whole numbers: list, array, tensor, series; int, float, bool; [N, 1, …] | themselves |
| N words: list, NumPy strings, bytes | their place among the words, in `class_order` |
| a categorical of words | its codes; the categories are the names |
| members of an `enum.Enum` with whole numbers | their values, named by the members |
| one-hot rows [N, K]: exactly one 1, else 0 | the place of the 1 |
| whole numbers, some of them above 2³¹ | as words: ids of something, no indices |
| None, NaN, empty text | -1: no label |

Anything else, several classes for an image among them, is refused.
"""

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

_NUMBERS = frozenset({int, bool, float, np.int64, np.int32, np.uint8, np.float32, np.float64})
_MOST = 2**31 - 1  # what rows hold; larger numbers are ids, and their names
_WHOLE = re.compile(r"(-?[0-9]+)(?:\.0*)?")
_WORDNET_ID = re.compile(r"n\d{8}")


def class_indices(values: Any, count: int) -> tuple[list[int], list[str] | None]:
    """Returns labels as whole numbers, and the names if the labels were words.

    Args:
        values: `count` labels of any form of the table above.
        count: The number of images.

    Returns:
        The class index of each image, -1 for none; the name of each index, or None if the labels
        were numbers.

    Raises:
        ValueError: Not one label per image, or not labels at all.

    Example:
        >>> class_indices(["dog", "cat", None], 3)
        ([1, 0, -1], ['cat', 'dog'])
        >>> class_indices([[0, 0, 1], [1, 0, 0]], 2)
        ([2, 0], None)
    """
    kept = getattr(values, "cat", values)  # a series of pandas keeps its categorical there
    if hasattr(kept, "categories") and hasattr(kept, "codes"):
        names = list(kept.categories)
        if names and all(isinstance(name, str) and name.strip() for name in names):
            return _numbers(np.asarray(kept.codes), count), names
    listed = _listed(values)
    if isinstance(listed, list):
        indices, names = _of_objects(listed, count)
    else:
        indices, names = _numbers(listed, count), None
    if names is None and max(indices, default=0) > _MOST:
        return _of_objects([None if k < 0 else str(k) for k in indices], count)
    return indices, names


def label_form(values: Any) -> str:
    """Describes the form of labels where it is worth saying; "" for plain numbers and words.

    Example:
        >>> label_form([[0, 1], [1, 0]]), label_form([0, 1])
        ('one-hot rows: the class is the place of the 1', '')
    """
    listed = _listed(values)
    if not isinstance(listed, np.ndarray) or listed.ndim != 2:
        return ""
    one_hot = "one-hot rows: the class is the place of the 1"
    return one_hot if listed.shape[1] > 1 else "a column of one label an image"


def class_order(names: Iterable[str]) -> list[str]:
    """Orders the names, once each: numbers by their values, anything else as text.

    Example:
        >>> class_order(["10", "9", "10"]), class_order(["10", "9", "a"])
        (['9', '10'], ['10', '9', 'a'])
    """
    listed = sorted(set(names))
    numbers = numbers_of(listed)
    if numbers is None:
        return listed
    return [name for _, name in sorted(zip(numbers, listed, strict=True))]


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """Reads names as numbers, "7", "007" or "7.0"; None where one is none or two are the same.

    Example:
        >>> numbers_of(["001", "12.0"]), numbers_of(["1", "01"]), numbers_of(["1", "a"])
        ([1, 12], None, None)
    """
    numbers = [number for name in names if (number := whole_number(name)) is not None]
    if not numbers or len(numbers) < len(names) or min(numbers) < 0:
        return None
    return numbers if len(set(numbers)) == len(numbers) else None


def whole_number(text: str) -> int | None:
    """Reads text as a whole number, as pandas writes those of a column with gaps, too.

    Example:
        >>> [whole_number(text) for text in ("007", "-1", "3.0", "3.5", "1e5", "cat")]
        [7, -1, 3, None, None, None]
    """
    match = _WHOLE.fullmatch(text)
    return None if match is None else int(match[1])


def distinct_names(names: Iterable[str]) -> list[str]:
    """Names of classes by which each can be told: one that came before is followed by its index.

    Two classes of ImageNet are called "crane".

    Example:
        >>> distinct_names(["crane", "dog", "crane"])
        ['crane', 'dog', 'crane (2)']
    """
    seen: dict[str, None] = {}
    for index, name in enumerate(names):
        while name in seen:
            name = f"{name} ({index})"
        seen[name] = None
    return list(seen)


def are_wordnet_ids(names: Sequence[str]) -> bool:
    """Tells whether all names are WordNet ids.

    Example:
        >>> are_wordnet_ids(["n02123045"]), are_wordnet_ids(["n02123045", "cat"])
        (True, False)
    """
    return bool(names) and all(_WORDNET_ID.fullmatch(name) for name in names)


def filled(names: Mapping[int, str], count: int = 0) -> list[str]:
    """Lists names by index; an index without a name goes by its number.

    Example:
        >>> filled({2: "cat", 0: "dog"})
        ['dog', '1', 'cat']
    """
    return [names.get(index, str(index)) for index in range(max(count, 1 + max(names, default=-1)))]


def _listed(values: Any) -> np.ndarray | list[Any]:
    """An array of numbers, or a list where there are words, enumerations or missing labels."""
    if hasattr(values, "detach"):
        values = _to_numpy(values)
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return values
    if isinstance(values, np.ndarray) and values.ndim > 1 and values[0].size == 1:
        values = values.reshape(len(values))
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise ValueError(f"labels of type {type(values).__name__}; give a list or an array")
    values = list(values)
    if {type(value) for value in values} <= _NUMBERS:
        return np.asarray(values)
    scalars = [_scalar(value) for value in values]
    if any(isinstance(value, np.ndarray) for value in scalars):
        if len({getattr(value, "shape", None) for value in scalars}) > 1:
            raise ValueError("labels of several lengths; give one class an image")
        return np.stack(scalars)
    # whole numbers of any library, all there: an array again
    plain = all(isinstance(v, int | float) and not isinstance(v, enum.Enum) for v in scalars)
    return np.asarray(scalars) if plain else scalars


def _scalar(value: Any) -> Any:
    """One label as a Python value, or as an array where it holds several numbers."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "detach"):
        value = _to_numpy(value)
    elif isinstance(value, list | tuple):
        value = np.asarray(value) if value else None
    if isinstance(value, np.ndarray | np.generic):
        if value.size != 1:
            return value
        item = value.item()
        return item.decode("utf-8", "replace") if isinstance(item, bytes) else item
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _to_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # NumPy has no bfloat16
        return tensor.float().numpy()


def _of_objects(values: list[Any], count: int) -> tuple[list[int], list[str] | None]:
    if len(values) != count:
        raise ValueError(f"labels of shape {[len(values)]} for {count} images; give one each")
    there = [value for value in values if not _is_missing(value)]
    if there and all(isinstance(value, enum.Enum) for value in there):
        return _of_enum(values, there, count)
    if there and all(isinstance(value, str) for value in there):
        names = class_order(there)
        index = {name: position for position, name in enumerate(names)}
        return [-1 if _is_missing(value) else index[value] for value in values], names
    if all(isinstance(value, int | float) for value in there):
        numbers = [-1 if _is_missing(value) else value for value in values]
        return _numbers(np.asarray(numbers), count), None
    raise ValueError("labels are neither whole numbers nor words")


def _of_enum(values: list[Any], there: list[Any], count: int) -> tuple[list[int], list[str] | None]:
    if not all(isinstance(value.value, int) for value in there):
        return _of_objects([getattr(value, "name", None) for value in values], count)
    numbers = [-1 if _is_missing(value) else value.value for value in values]
    members = {member.value: name for name, member in type(there[0]).__members__.items()}
    return _numbers(np.asarray(numbers), count), filled(members)


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):  # "" is also how tables of results call all classes together
        return not value.strip()
    return value is None or (isinstance(value, float) and value != value)


def _numbers(array: np.ndarray, count: int) -> list[int]:
    """Class indices of an array of numbers [N], [N, 1, …] or, one-hot, [N, K]."""
    if array.ndim > 1 and array.shape[0] == array.size == count:
        array = array.reshape(count)
    elif array.ndim == 2 and len(array) == count and array.shape[1] > 1:
        one_hot = np.isin(array, (0, 1)).all() and (np.sum(array == 1, axis=1) == 1).all()
        if not one_hot:
            raise ValueError(
                f"labels of shape {list(array.shape)} are not one class an image (one-hot rows "
                "hold exactly one 1); give one class index each"
            )
        array = array.argmax(axis=1)
    if array.shape != (count,):
        raise ValueError(f"labels of shape {list(array.shape)} for {count} images; give one each")
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), -1, array)
    if not np.array_equal(array, np.rint(array)):
        raise ValueError(f"labels of type {array.dtype} are neither whole numbers nor words")
    if count and array.min() < -1:
        raise ValueError(f"label {array.min():g}; labels are 0, 1, … or -1 for none")
    return array.astype(np.int64).tolist()
