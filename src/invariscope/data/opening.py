"""Opens an image source for whatever the user calls images."""

import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invariscope.data.containers import is_container
from invariscope.data.depth import ValueRange, given_range, settle
from invariscope.data.folder import FolderSource
from invariscope.data.numpy_file import NUMPY
from invariscope.data.paths import LISTS, PathsSource, matching
from invariscope.data.refusals import refuse_object, refuse_path
from invariscope.data.source import SOURCES, ImageSource, SourceFactory, split_spec
from invariscope.data.table import TABLES, TableSource
from invariscope.errors import InputError
from invariscope.registry import unknown_name

#: Sources of a path: bare names are no specs but folders that happen to be called so.
PATH_SOURCES = ("archive", "folder", "numpy", "paths", "table")


def open_source(
    images: Any, value_range: Any = None, *, num_images: int | None = None
) -> ImageSource:
    """Opens images of any accepted kind.

    Args:
        images: One of
            a spec ``name:ARGUMENT?key=value&…`` with a name of `SOURCES`;
            the path of a folder or of one image file (a name of `SOURCES` wins over a folder of
            that name: write ``./samples`` for the folder);
            the path of a table (``.csv``, ``.tsv``, ``.parquet``), of a ``.txt`` with a path a
            line, of an ``.npz`` or ``.npy``, of a zip or tar, with options:
            ``labels.csv?label=COLUMN``;
            a pattern, ``photos/*.jpg``;
            an array or tensor, uint8 or uint16 [N, H, W, 3] or float [N, 3, H, W] in [0, 1], with
            any number of bands instead of 3;
            a map-style data set, or a list of images or of paths;
            a data frame with a column of paths;
            a tuple ``(images, labels)`` of an array, data set or list and one label per image;
            a generator, stream or iterable data set, of which `num_images` are taken;
            an `ImageSource`, which is returned as it is but for a value range that is given.
        value_range: The stored numbers that are black and white, (0, 4095) for 12 bits in 16-bit
            files; None: what files state or a look at some of them finds, else by the type
            (`invariscope.data.depth`).
        num_images: How many images the caller wants at most; only streams need to know.

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
        return settle(_open_spec(images, given_range(value_range)), value_range)
    if isinstance(images, os.PathLike):
        path = os.fspath(images)
        return settle(_open_path(path, path, {}, given_range(value_range)), value_range)
    source = _open_object(images, num_images, given_range(value_range))
    return settle(source, value_range)


def _open_spec(spec: str, given: ValueRange | None) -> ImageSource:
    name = re.split("[:?]", spec, maxsplit=1)[0]
    if name in SOURCES and not (spec in PATH_SOURCES and os.path.exists(spec)):
        return _open_named(spec, given)
    if Path(spec).expanduser().exists():
        return _open_path(spec, spec, {}, given)
    path = spec.partition("?")[0]
    if Path(path).expanduser().exists():
        return _open_path(spec, path, split_spec(f"_?{spec.partition('?')[2]}")[2], given)
    if "://" not in spec and is_container(path) and re.search(r"[{*]|::", path):
        return _renamed(_open_named(f"webdataset:{spec}", given), spec)
    if "://" not in spec and re.search(r"[*\[]", spec):
        return matching(spec)
    if refusal := refuse_path(spec):
        raise InputError(refusal)
    if _looks_like_path(spec):
        raise InputError(
            f"no such file or folder: {spec!r}; give an existing folder of images, or one of "
            + ", ".join(sorted(SOURCES))
        )
    raise InputError(f"{unknown_name('image source', name, SOURCES)}; nor is it a folder")


def _open_named(spec: str, given: ValueRange | None) -> ImageSource:
    name, argument, query = split_spec(spec)
    source = _renamed(_make(name, SOURCES.get(name), argument, query, given), spec)
    if spec == name and os.path.isdir(spec):
        source.notes = [
            *source.notes,
            f"{spec!r} is the built-in source; write ./{spec} for the folder of that name",
        ]
    return source


def _renamed(source: ImageSource, name: str) -> ImageSource:
    source.name = name
    return source


def _open_path(
    spec: str, path: str, query: Mapping[str, str], given: ValueRange | None
) -> ImageSource:
    """A file or folder that exists, with the options of its kind of source."""
    kind = _kind_of(path)
    if kind is None:
        if refusal := refuse_path(path):
            raise InputError(refusal)
        if query:
            raise InputError(f"{spec!r}: an image file has no options; leave out what follows ?")
        return FolderSource(path)
    return _renamed(_make(kind, SOURCES.get(kind), path, query, given), spec)


def _kind_of(path: str) -> str | None:
    """The name of the source that reads such a path; None for an image file and what is unknown."""
    name = path.lower()
    if os.path.isdir(os.path.expanduser(path)):
        return None if name.endswith(".zarr") else "folder"
    if is_container(name):
        return "archive"
    for suffixes, kind in ((TABLES, "table"), (NUMPY, "numpy"), (LISTS, "paths")):
        if name.endswith(suffixes):
            return kind
    return None


def _looks_like_path(spec: str) -> bool:
    if "/" in spec or os.sep in spec or spec.startswith((".", "~")):
        return True
    return bool(os.path.splitext(spec)[1]) and ":" not in spec


def _make(
    name: str,
    factory: SourceFactory,
    argument: str | None,
    query: Mapping[str, str],
    given: ValueRange | None,
) -> ImageSource:
    """Calls the maker of a source; one that refuses numbers by itself is told the range."""
    parameters = list(inspect.signature(factory).parameters.values())[1:]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known = [parameter.name for parameter in parameters]
        for key in query:
            if key not in known:
                raise unknown_name(f"option of {name}", key, known)
    if given is not None and any(parameter.name == "value_range" for parameter in parameters):
        return factory(argument, **{**query, "value_range": given})
    return factory(argument, **query)


def _open_object(
    images: Any, num_images: int | None, value_range: ValueRange | None
) -> ImageSource:
    # torch is imported with these; specs and folders do without
    from invariscope.data.arrays import ArraySource
    from invariscope.data.datasets import DatasetSource
    from invariscope.data.hf import open_hugging_face
    from invariscope.data.streams import is_stream, open_stream

    labels = None
    if isinstance(images, tuple):
        if len(images) != 2:
            raise InputError(
                f"a tuple of {len(images)}; give (images, labels), or a list of images"
            )
        images, labels = images
    if isinstance(images, str | os.PathLike | ImageSource):
        raise InputError(
            "labels can be given with an array, a data set or a list of paths, not with a path; a "
            "table (labels.csv) has both"
        )
    if hasattr(images, "iloc") or (hasattr(images, "to_pandas") and hasattr(images, "columns")):
        return _open_frame(images, labels)
    if (paths := _as_paths(images, labels)) is not None:
        return paths
    if hasattr(images, "shape") and hasattr(images, "dtype"):
        is_tensor = type(images).__module__.partition(".")[0] == "torch"
        array = images if is_tensor else np.asarray(images)
        return ArraySource(array, labels, value_range=value_range)
    stream = is_stream(images)
    if not stream and (table := open_hugging_face(images, labels)) is not None:
        return table
    if refusal := refuse_object(images):
        raise InputError(refusal)
    if stream:
        if labels is not None:
            raise InputError("labels beside a stream: let its items be (image, label)")
        return open_stream(images, num_images, value_range)
    if not hasattr(images, "__len__"):
        raise InputError(
            f"images of type {type(images).__name__}; give a folder, a spec such as 'samples', "
            "an array uint8 [N, H, W, 3] or a map-style data set"
        )
    return DatasetSource(images, labels, value_range=value_range)


def _open_frame(images: Any, labels: Any) -> ImageSource:
    frame = images if hasattr(images, "iloc") else images.to_pandas()
    if not hasattr(frame, "columns"):  # a series of paths
        return PathsSource(list(frame), labels, name="list of paths")
    if labels is not None:
        frame = frame.assign(label=labels)
        return TableSource(frame, label="label", name="data frame")
    return TableSource(frame, name="data frame")


def _as_paths(images: Any, labels: Any) -> ImageSource | None:
    """A source for a list or array of paths, or of (path, label); None for anything else."""
    if getattr(getattr(images, "dtype", None), "kind", "") in ("U", "S", "T"):
        images = [str(path) for path in np.asarray(images).ravel().tolist()]
    if not isinstance(images, list) or not images:
        return None
    kinds = str | os.PathLike
    if all(isinstance(item, kinds) for item in images):
        return PathsSource(images, labels, name="list of paths")
    pairs = all(isinstance(item, tuple | list) and len(item) == 2 for item in images)
    if pairs and all(isinstance(item[0], kinds) for item in images):
        if labels is None:
            labels = [label for _, label in images]
        return PathsSource([path for path, _ in images], labels, name="list of paths")
    return None
