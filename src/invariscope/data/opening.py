"""From whatever the user calls images to an image source."""

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invariscope.data.depth import ValueRange, given_range, settle
from invariscope.data.folder import FolderSource
from invariscope.data.source import SOURCES, ImageSource, SourceFactory, split_spec
from invariscope.errors import InputError
from invariscope.registry import unknown_name


def open_source(images: Any, value_range: Any = None) -> ImageSource:
    """Opens images of any accepted kind.

    Args:
        images: One of
            a spec ``name:ARGUMENT?key=value&…`` with a name of `SOURCES`;
            the path of a folder or of one image file (a name of `SOURCES` wins over a folder of
            that name: write ``./samples`` for the folder);
            an array or tensor, uint8 or uint16 [N, H, W, 3] or float [N, 3, H, W] in [0, 1], with
            any number of bands instead of 3;
            a map-style data set, or a list of images;
            a tuple ``(images, labels)`` of an array or data set and one label per image;
            an `ImageSource`, which is returned as it is but for a value range that is given.
        value_range: The stored numbers that are black and white, (0, 4095) for 12 bits in 16-bit
            files; None: what files state or a look at some of them finds, else by the type
            (`invariscope.data.depth`).

    Raises:
        InputError: Nothing of the kind; the message says what would work.

    Example:
        >>> len(open_source(np.zeros((5, 8, 8, 3), dtype=np.uint8)))
        5
        >>> open_source("sampels")
        Traceback (most recent call last):
        invariscope.errors.InputError: unknown image source 'sampels': did you mean samples...
    """
    if isinstance(images, ImageSource):
        return images if value_range is None else settle(images, value_range)
    if isinstance(images, str):
        return settle(_open_spec(images), value_range)
    if isinstance(images, os.PathLike):
        return settle(FolderSource(os.fspath(images)), value_range)
    return settle(_open_object(images, given_range(value_range)), value_range)


def _open_spec(spec: str) -> ImageSource:
    name, argument, query = split_spec(spec)
    if name in SOURCES:
        source = _make(name, SOURCES.get(name), argument, query)
        source.name = spec
        if spec == name and os.path.isdir(spec):
            source.notes = [
                *source.notes,
                f"{spec!r} is the built-in source; write ./{spec} for the folder of that name",
            ]
        return source
    if Path(spec).expanduser().exists():
        return FolderSource(spec)
    if _looks_like_path(spec):
        raise InputError(
            f"no such file or folder: {spec!r}; give an existing folder of images, or one of "
            + ", ".join(sorted(SOURCES))
        )
    raise InputError(f"{unknown_name('image source', name, SOURCES)}; nor is it a folder")


def _looks_like_path(spec: str) -> bool:
    if "/" in spec or os.sep in spec or spec.startswith((".", "~")):
        return True
    return bool(os.path.splitext(spec)[1]) and ":" not in spec


def _make(
    name: str, factory: SourceFactory, argument: str | None, query: Mapping[str, str]
) -> ImageSource:
    parameters = list(inspect.signature(factory).parameters.values())[1:]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known = [parameter.name for parameter in parameters]
        for key in query:
            if key not in known:
                raise unknown_name(f"option of {name}", key, known)
    return factory(argument, **query)


def _open_object(images: Any, value_range: ValueRange | None) -> ImageSource:
    # torch is imported with these two; specs and folders do without
    from invariscope.data.arrays import ArraySource
    from invariscope.data.datasets import DatasetSource
    from invariscope.data.hf import open_hugging_face

    labels = None
    if isinstance(images, tuple):
        if len(images) != 2:
            raise InputError(
                f"a tuple of {len(images)}; give (images, labels), or a list of images"
            )
        images, labels = images
    if isinstance(images, str | os.PathLike | ImageSource):
        raise InputError("labels can be given with an array or a data set, not with a path")
    if hasattr(images, "shape") and hasattr(images, "dtype"):
        is_tensor = type(images).__module__.partition(".")[0] == "torch"
        array = images if is_tensor else np.asarray(images)
        return ArraySource(array, labels, value_range=value_range)
    table = open_hugging_face(images, labels)
    if table is not None:
        return table
    if isinstance(images, Mapping) or not hasattr(images, "__len__"):
        raise InputError(
            f"images of type {type(images).__name__}; give a folder, a spec such as 'samples', "
            "an array uint8 [N, H, W, 3] or a map-style data set"
        )
    return DatasetSource(images, labels, value_range=value_range)
