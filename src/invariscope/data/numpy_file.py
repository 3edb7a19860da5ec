"""Reads images in a file of NumPy: ``images.npy``, ``data.npz?split=test&images=KEY&labels=KEY``.

The arrays of an ``.npz`` are found by their names, for a split (``test`` unless given):
``test_images`` and ``test_labels`` (MedMNIST), ``x_test`` and ``y_test`` (Keras); without splits
``images`` and ``labels``, ``x`` and ``y``, ``data`` and ``labels``, ``arr_0`` and ``arr_1``. The
labels of an ``.npy`` are those of a second file: ``images.npy?labels=labels.npy``. Numbers without
a known black and white (floats beyond [0, 1], int32) need ``?value_range=0,4095``, or that of
`open_source`. Objects (pickles) are never read.
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from invariscope.data.depth import ValueRange, given_range
from invariscope.data.source import SOURCES
from invariscope.errors import InputError
from invariscope.registry import unknown_name

if TYPE_CHECKING:
    from invariscope.data.arrays import ArraySource

NUMPY = (".npy", ".npz")
_IMAGES = ("images", "image", "x", "data", "imgs", "arr_0")
_LABELS = ("labels", "label", "y", "targets", "target", "classes", "arr_1")
_SPLITS = ("test", "val", "valid", "validation", "train")


@SOURCES.register("numpy")
def numpy_file(
    argument: str | None = None,
    *,
    split: str | None = None,
    images: str | None = None,
    labels: str | None = None,
    value_range: "ValueRange | str | None" = None,
) -> "ArraySource":
    """Arrays in a file: data.npz?images=NAME&labels=NAME.

    Args:
        argument: The file, ``.npz`` or ``.npy``.
        split: Which part of an ``.npz`` with several; None: ``test``, else ``val``.
        images: The name of the array of images.
        labels: The name of the array of labels; of an ``.npy``, a second file; "none": unlabelled.
        value_range: The stored numbers that are black and white, "0,4095"; None: by the type.

    Raises:
        InputError: The file cannot be read, the arrays are not there or are no images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     file = os.path.join(root, "small.npz")
        ...     np.savez(file, test_images=np.zeros((2, 4, 5), np.uint8), test_labels=[[1], [0]])
        ...     numpy_file(file).load(0).size
        (5, 4)
    """
    from invariscope.data.arrays import ArraySource  # imports torch

    if not argument:
        raise InputError("numpy: which file? numpy:data.npz?split=test works")
    file, limits = Path(argument).expanduser(), given_range(value_range)
    arrays = _read(argument, file)
    if isinstance(arrays, np.ndarray):
        if split is not None or images is not None:
            raise InputError(f"{argument}: it holds one array; only labels=FILE.npy can be said")
        beside = None if labels in (None, "none") else _read(argument, file.parent / labels)
        source = ArraySource(arrays, beside, name=argument, value_range=limits)
        source.say("arrays", f"images {list(arrays.shape)}")
        return source
    splits, chosen, note = _split(argument, arrays, split, images)
    which = _name(argument, arrays, images, _IMAGES, chosen, "images")
    if which is None:
        raise InputError(
            f"{argument}: none of its arrays ({_listed(arrays)}) is called images or x; name it "
            "with images=NAME"
        )
    about = None
    if labels != "none":
        about = _name(argument, arrays, labels, _LABELS, chosen, "labels")
    values = None if about is None else arrays[about]
    notes = [note] if note else []
    if values is not None and labels is None and _several(values):
        notes.append(
            f"{argument}: unlabelled: {about!r} has shape {list(values.shape)}, several labels an "
            "image"
        )
        values = None
    source = ArraySource(arrays[which], values, name=argument, value_range=limits)
    source.notes, source.splits = [*source.notes, *notes], splits
    said = f"images {which!r}" + (f", labels {about!r}" if values is not None else ", no labels")
    source.say("arrays", said)
    return source


def _read(name: str, file: Path) -> "np.ndarray | dict[str, np.ndarray]":
    try:
        if file.suffix == ".npy":
            return np.lib.format.open_memmap(file, mode="r")
        # Opened here: where the file is no whole archive, NumPy leaves it open.
        with file.open("rb") as opened:
            held = np.load(opened, allow_pickle=False)
            return held if isinstance(held, np.ndarray) else {key: held[key] for key in held.files}
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file: {os.fspath(file)!r}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        objects = any(word in str(error) for word in ("pickle", "Object arrays", "Python objects"))
        reason = "it holds Python objects, not arrays" if objects else "it is no file of NumPy"
        raise InputError(
            f"{name}: cannot be read: {reason}; write the images with np.savez(FILE, images=uint8 "
            "array, labels=labels)"
        ) from error


def _several(labels: np.ndarray) -> bool:
    """Says whether rows of labels are several for an image, not one-hot."""
    if labels.ndim != 2 or labels.shape[1] < 2:
        return False
    return not (np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all())


def _split(
    name: str, arrays: Mapping[str, np.ndarray], wanted: str | None, images: str | None
) -> tuple[list[str], str | None, str]:
    """The splits, the one that is taken (None: there are none), a note if it was not asked for."""
    there = [part for part in _SPLITS if _find(arrays, _IMAGES, part)]
    if wanted is not None:
        if wanted not in there:
            raise unknown_name(f"split of {name}", wanted, there)
        return there, wanted, ""
    if images is not None or not there or _find(arrays, _IMAGES, None):
        return [], None, ""
    others = f" of {', '.join(there)}" if len(there) > 1 else ""
    note = f"{name}: split={there[0]} was chosen{others}; say otherwise in the spec"
    return there, there[0], note


def _name(
    file: str,
    arrays: Mapping[str, np.ndarray],
    wanted: str | None,
    known: tuple[str, ...],
    split: str | None,
    what: str,
) -> str | None:
    if wanted is not None:
        if wanted not in arrays:
            raise unknown_name(f"array of {what} in {file}", wanted, list(arrays))
        return wanted
    return _find(arrays, known, split)


def _find(
    arrays: Mapping[str, np.ndarray], known: tuple[str, ...], split: str | None
) -> str | None:
    by_name = {key.lower(): key for key in arrays}
    for key in known:
        forms = (key,) if split is None else (f"{split}_{key}", f"{key}_{split}")
        for form in forms:
            if form in by_name:
                return by_name[form]
    return None


def _listed(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items()) or "none"
