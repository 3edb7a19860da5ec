"""Finds the labels and class names that a data set keeps, without decoding an image.

Wrappers are looked through by their shape, not by their class: what has ``indices`` and ``dataset``
is a subset, what has ``datasets`` a concatenation, what has ``tensors`` a tensor data set.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from invariscope.data.labels import filled

LABEL_KEYS = ("label", "labels", "target", "class", "y", "fine_label")
"""The keys under which a dictionary or table may keep its label; the first present one counts."""

# In this order; `_labels` and `_samples` are where torchvision's newer data sets keep them.
_ATTRIBUTES = ("targets", "labels", "_labels", "y", "samples", "_samples", "imgs")
_NAMES = ("classes", "class_names", "label_names", "idx_to_class", "id2label")


def stored_labels(dataset: Any) -> Any | None:
    """Finds the labels that a data set keeps as an attribute, one per item, or None.

    Example:
        >>> class Pictures:
        ...     targets = [4, 5]
        >>> stored_labels(Pictures())
        [4, 5]
    """
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        inner = _as_list(stored_labels(dataset.dataset))
        return None if inner is None else [inner[index] for index in dataset.indices]
    if hasattr(dataset, "datasets"):
        labels: list[Any] = []
        for part in dataset.datasets:
            inner = _as_list(stored_labels(part))
            if inner is None:
                return None
            labels += inner
        return labels
    if hasattr(dataset, "tensors"):
        return dataset.tensors[1] if len(dataset.tensors) > 1 else None
    if hasattr(dataset, "features") and hasattr(dataset, "select_columns"):
        return _column(dataset)
    count = len(dataset) if hasattr(dataset, "__len__") else None
    for name in _ATTRIBUTES:
        values = getattr(dataset, name, None)
        if values is None or not hasattr(values, "__len__") or not len(values):
            continue
        if count is not None and len(values) != count:
            continue  # the names of the classes, say
        if name.endswith(("samples", "imgs")):  # (path, label) pairs
            if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in values):
                continue
            values = [label for _, label in values]
        return values
    return None


def stored_class_names(dataset: Any) -> list[str] | None:
    """Finds the name of each class index that a data set keeps, or None.

    ``class_to_idx`` says which index a name has, whatever the order of ``classes``. A class with
    several names, as in torchvision's ImageNet, goes by its first. The parts of a concatenation
    must agree (see `parts_disagree`).

    Example:
        >>> class Pictures:
        ...     classes = [("tench", "Tinca tinca"), "goldfish"]
        >>> stored_class_names(Pictures())
        ['tench', 'goldfish']
        >>> class Pictures:
        ...     classes, class_to_idx = ["cat", "dog"], {"dog": 0, "cat": 1}
        >>> stored_class_names(Pictures())
        ['dog', 'cat']
    """
    kept = [_names(getattr(dataset, name, None)) for name in _NAMES]
    listed = next((names for names in kept if names is not None), None)
    index = getattr(dataset, "class_to_idx", None)
    if isinstance(index, Mapping) and index:
        return _by_index(index, listed or [])
    if listed is not None:
        return listed
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        kinds = [features[key] for key in LABEL_KEYS if key in features]
        return _names(getattr(kinds[0], "names", None)) if kinds else None
    info = getattr(dataset, "info", None)  # of MedMNIST: {"label": {"0": "adipose", …}}
    if isinstance(info, Mapping) and isinstance(info.get("label"), Mapping):
        return _names(info["label"])
    for part in getattr(dataset, "datasets", [])[:1]:
        return stored_class_names(part)
    inner = getattr(dataset, "dataset", None)
    return None if inner is None else stored_class_names(inner)


def stored_class_ids(dataset: Any) -> list[str] | None:
    """Finds the WordNet ids that torchvision's ImageNet keeps as ``wnids``, or None."""
    ids = getattr(dataset, "wnids", None)
    if isinstance(ids, Sequence) and not isinstance(ids, str):
        return [str(name) for name in ids]
    inner = getattr(dataset, "dataset", None)
    return None if inner is None else stored_class_ids(inner)


def parts_disagree(dataset: Any) -> bool:
    """Tells whether the parts of a concatenation name their classes differently.

    Example:
        >>> class Part:
        ...     def __init__(self, classes):
        ...         self.classes = classes
        >>> class Both:
        ...     datasets = [Part(["cat", "dog"]), Part(["dog", "cat"])]
        >>> parts_disagree(Both())
        True
    """
    parts = getattr(dataset, "datasets", None)
    if parts is None:
        inner = getattr(dataset, "dataset", None)
        return inner is not None and parts_disagree(inner)
    names = [name for name in map(stored_class_names, parts) if name is not None]
    return any(name != names[0] for name in names) or any(map(parts_disagree, parts))


def _column(table: Any) -> list[Any] | None:
    """The label column of a table of the library ``datasets``."""
    name = next((key for key in LABEL_KEYS if key in table.features), None)
    return None if name is None else table.with_format(None).select_columns([name])[:][name]


def _as_list(values: Any) -> list[Any] | None:
    if values is None:
        return None
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _names(values: Any) -> list[str] | None:
    if isinstance(values, Mapping):
        indexed = {_whole(key): name for key, name in values.items() if isinstance(name, str)}
        if values and len(indexed) == len(values) and None not in indexed:
            return filled({key: name for key, name in indexed.items() if key is not None})
        return _by_index(values, []) if values else None
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
        return None
    return [str(name[0] if isinstance(name, tuple) and name else name) for name in values]


def _by_index(index: Mapping[Any, Any], listed: list[str]) -> list[str] | None:
    """The names of a mapping from name to index; of several the one that ``classes`` has."""
    names_of: dict[int, list[str]] = {}
    for name, position in index.items():
        number = _whole(position)
        if number is None:
            return listed or None
        names_of.setdefault(number, []).append(str(name))
    chosen = {
        number: listed[number] if number < len(listed) and listed[number] in names else names[0]
        for number, names in names_of.items()
    }
    return filled(chosen)


def _whole(value: Any) -> int | None:
    """A whole number from 0 on, or one written as text; else None."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() else None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    return int(value) if int(value) >= 0 else None
