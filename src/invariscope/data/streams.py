"""Reads data that have no length: generators, streams, iterable data sets.

They have no length and no place to go back to, so the first `num_images` items are taken, in their
order, and kept in memory. Items are those of `invariscope.data.datasets`.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from invariscope.data.datasets import DatasetSource
from invariscope.data.depth import ValueRange
from invariscope.data.labelled import split_item
from invariscope.data.selection import check_count
from invariscope.errors import InputError, RunError

MOST_BYTES = 8 << 30
"""Bytes of decoded images that are kept."""


def is_stream(images: Any) -> bool:
    """Tells whether an object can only be read from the first item on."""
    # torch's iterable data sets have a [index] that raises, and some a length
    if any(base.__name__ == "IterableDataset" for base in type(images).__mro__):
        return True
    if not hasattr(images, "__iter__"):
        return False
    return not (hasattr(images, "__len__") and hasattr(images, "__getitem__"))


class _Kept(list[Any]):
    """The items, with what the stream said about its classes; a bad one raises when it is asked."""

    targets: list[Any] | None = None
    classes: list[str] | None = None

    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        if isinstance(item, Exception):
            raise item
        return item


def open_stream(
    stream: Iterable[Any], num_images: int | None, value_range: ValueRange | None = None
) -> DatasetSource:
    """Reads the first items of a stream.

    Args:
        stream: Anything that can be iterated: items are images, (image, label) or dictionaries.
        num_images: How many are taken.
        value_range: The stored numbers that are black and white, as for `open_source`.

    Raises:
        InputError: No number is stated, there is no item, items are batches or no images, or they
            take more than `MOST_BYTES`.
        RunError: The stream itself fails, such as a loader whose process is killed.

    Example:
        >>> squares = (np.full((2, 2, 3), 40 * k, np.uint8) for k in range(9))
        >>> source = open_stream(squares, 3)
        >>> len(source), source.notes
        (3, ['the first 3 items of generator were taken, in its order'])
    """
    kind = type(stream).__name__
    if num_images is None:
        raise InputError(
            f"images of type {kind} have no length: say how many to take with `num_images=500`, or "
            "give list(itertools.islice(data, 500))"
        )
    check_count(num_images)
    names = _class_names(stream)
    kept, size = _Kept(), 0
    for item in islice(_read(kind, _undecoded(stream)), num_images):
        item = _settled(kind, len(kept), item)
        size += _bytes(split_item(item)[0])
        if size > MOST_BYTES:
            raise InputError(
                f"the first {len(kept):,} images of {kind} take {MOST_BYTES >> 30} GiB of memory; "
                f"take fewer: `num_images={len(kept)}`"
            )
        kept.append(item)
    if not kept:
        raise InputError(f"{kind} gave no item; a generator can be read once, so make it anew")
    kept.classes = names
    source = DatasetSource(kept, name=f"stream:{kind}", value_range=value_range)
    short = f" (it has no more; {num_images} were asked for)" if len(kept) < num_images else ""
    line = f"the first {len(kept):,} items of {kind} were taken, in its order{short}"
    source.say("stream", line, noted=True)
    return source


def _read(kind: str, stream: Iterable[Any]) -> Iterator[Any]:
    """The items of a stream; whatever it raises ends the run in one line."""
    count = 0
    try:
        for item in stream:
            yield item
            count += 1
    except Exception as error:
        reason = " ".join(str(error).split())
        raise RunError(
            f"{kind} failed after {count} items ({type(error).__name__}: {reason}); "
            "nothing is measured yet: mend it, or take fewer with "
            f"num_images={max(count, 1)}, and run the same again"
        ) from error


def _settled(kind: str, position: int, item: Any) -> Any:
    """An item that no longer depends on the stream: its picture read, its buffer its own."""
    try:
        image, label = split_item(item)
        if len(getattr(image, "shape", ())) == 4:
            raise InputError(
                f"{kind} makes batches of {len(image)} images; give single images: the data set "
                "itself, or the stream before it is batched"
            )
        if isinstance(image, bytes):
            image = Image.open(io.BytesIO(image))
        if isinstance(image, Image.Image):
            image.load()
        elif hasattr(image, "clone"):
            image = image.clone()  # some streams fill one buffer again and again
        elif isinstance(image, np.ndarray):
            image = image.copy()
    except (ValueError, OSError, SyntaxError) as error:
        if position == 0:
            raise InputError(
                f"{kind}: its image 0 cannot be used ({error}); pictures, uint8 arrays or floats "
                "in [0, 1] work"
            ) from error
        return error
    return image if label is None else (image, label)


def _undecoded(stream: Any) -> Iterable[Any]:
    """A stream of Hugging Face with its image column as bytes, so that it is decoded here."""
    features = getattr(stream, "features", None)
    if not type(stream).__module__.startswith("datasets.") or not features:
        return stream
    import datasets  # an extra; the stream comes from it

    columns = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    if not columns:
        return stream
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    plain = stream.cast_column(columns[0], datasets.Image(decode=False))
    return (_row(item, columns[0], labels[0] if labels else None) for item in plain)


def _row(item: dict[str, Any], image: str, label: str | None) -> dict[str, Any]:
    file = item[image]
    if isinstance(file, dict):
        data = file.get("bytes")
        if data is None and file.get("path"):
            with open(file["path"], "rb") as opened:
                data = opened.read()
        file = data
    known = item if label is None else {"label": item[label]}
    return {**known, "image": file}


def _class_names(stream: Any) -> list[str] | None:
    classes = getattr(stream, "classes", None)
    if classes is not None:
        return list(classes)
    for kind in (getattr(stream, "features", None) or {}).values():
        if hasattr(kind, "names") and hasattr(kind, "str2int"):
            return list(kind.names)
    return None


def _bytes(image: Any) -> int:
    if isinstance(image, Image.Image):
        return image.width * image.height * len(image.getbands())
    return int(np.asarray(image).nbytes) if hasattr(image, "shape") else 0
