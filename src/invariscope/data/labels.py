"""Labels as class indices, and where a data set keeps them without decoding an image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# In this order; `_labels` and `_samples` are where torchvision's newer data sets keep them.
_ATTRIBUTES = ("targets", "labels", "_labels", "y", "samples", "_samples")


def class_indices(values: Any, count: int) -> tuple[list[int], list[str] | None]:
    """Labels as whole numbers, and the names if the labels were words.

    Args:
        values: `count` whole numbers from -1 (none), or words; list, array or tensor.
        count: The number of images.

    Returns:
        The class index of each image; the sorted words, or None if the labels were numbers.

    Raises:
        ValueError: Not one label per image, or not labels at all.

    Example:
        >>> class_indices(["dog", "cat", "dog"], 3)
        ([1, 0, 1], ['cat', 'dog'])
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    elif isinstance(values, list):  # items hand out their labels as tensors without an axis
        values = [value.item() if getattr(value, "ndim", 1) == 0 else value for value in values]
    array = np.asarray(values)
    if array.shape != (count,):
        raise ValueError(f"labels of shape {list(array.shape)} for {count} images; give one each")
    if array.dtype.kind in "OUT":
        words = array.tolist()
        if not all(isinstance(word, str) for word in words):
            raise ValueError("labels are neither whole numbers nor words")
        names = sorted(set(words))
        index = {name: position for position, name in enumerate(names)}
        return [index[word] for word in words], names
    if array.dtype.kind not in "iuf" or not np.array_equal(array, np.rint(array)):
        raise ValueError(f"labels of type {array.dtype} are neither whole numbers nor words")
    if count and array.min() < -1:
        raise ValueError(f"label {array.min():g}; labels are 0, 1, … or -1 for none")
    return array.astype(np.int64).tolist(), None


def stored_labels(dataset: Any) -> Any | None:
    """The labels that a data set keeps as an attribute, one per item, or None.

    Looks through `torch.utils.data.Subset`, `ConcatDataset` and `TensorDataset`.

    Example:
        >>> class Pictures:
        ...     targets = [4, 5]
        >>> stored_labels(Pictures())
        [4, 5]
    """
    # by shape, not by class: wrappers that imitate torch's are read too
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        inner = stored_labels(dataset.dataset)
        if inner is None:
            return None
        inner = inner.tolist() if hasattr(inner, "tolist") else inner
        return [inner[index] for index in dataset.indices]
    if hasattr(dataset, "datasets"):
        labels: list[Any] = []
        for part in dataset.datasets:
            inner = stored_labels(part)
            if inner is None:
                return None
            labels += inner.tolist() if hasattr(inner, "tolist") else inner
        return labels
    if hasattr(dataset, "tensors"):
        return dataset.tensors[1] if len(dataset.tensors) > 1 else None
    for name in _ATTRIBUTES:
        values = getattr(dataset, name, None)
        if values is None or not hasattr(values, "__len__") or not len(values):
            continue
        if name.endswith("samples"):  # (path, label) pairs
            if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in values):
                continue
            values = [label for _, label in values]
        return values
    return None


def stored_class_names(dataset: Any) -> list[str] | None:
    """The class names a data set keeps as ``classes``, or None.

    A class with several names, as in torchvision's ImageNet, goes by its first.

    Example:
        >>> class Pictures:
        ...     classes = [("tench", "Tinca tinca"), "goldfish"]
        >>> stored_class_names(Pictures())
        ['tench', 'goldfish']
    """
    for inner in (dataset, getattr(dataset, "dataset", None)):
        classes = getattr(inner, "classes", None)
        if isinstance(classes, Sequence) and not isinstance(classes, str):
            names = [name[0] if isinstance(name, tuple) and name else name for name in classes]
            return [str(name) for name in names]
    for part in getattr(dataset, "datasets", [])[:1]:
        return stored_class_names(part)
    inner = getattr(dataset, "dataset", None)
    return None if inner is None else stored_class_names(inner)
