"""Images of a split, decoded: in this process where that is quick, else in several.

Threads would be quicker than either, but data sets may keep a state between two images (an open
file, torch's generator), and then threads mix them up.
"""

import os
import time
from collections.abc import Callable, Iterator
from itertools import islice

from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from invariscope.data import UnreadableImage
from invariscope.training.splits import Split

_TRIED = 8
_QUICK_SECONDS = 4.0
_CHUNK = 32
_MADE_AT_ONCE = 1024
_MOST_WORKERS = 8

Prepared = Callable[..., Tensor]


def default_workers() -> int:
    """One process per core, 8 at most."""
    return min(os.cpu_count() or 1, _MOST_WORKERS)


def decoded(split: Split, prepare: Prepared, workers: int) -> Iterator[Tensor | UnreadableImage]:
    """The images of a split in its order, each as `prepare` makes it, or why it cannot be read.

    Args:
        split: The images.
        prepare: From what a source loads to a tensor; a function that can be pickled.
        workers: Processes, where decoding here would take longer than a few seconds; 0 for none.
    """
    if split.source.pixels(split.indices[:1]) is not None:
        yield from _made(split, prepare)
        return
    started = time.monotonic()
    here = (one_image(split, place, prepare) for place in range(len(split)))
    yield from islice(here, _TRIED)
    estimate = (time.monotonic() - started) / _TRIED * len(split)
    if estimate < _QUICK_SECONDS or workers == 0:
        yield from here
        return
    loader = DataLoader(
        _Images(split, prepare, range(_TRIED, len(split))),
        batch_size=_CHUNK,
        num_workers=workers,
        collate_fn=list,
    )
    for chunk in loader:
        yield from chunk


def _made(split: Split, prepare: Prepared) -> Iterator[Tensor]:
    """The images of a source that makes many at once."""
    for start in range(0, len(split), _MADE_AT_ONCE):
        pixels = split.source.pixels(split.indices[start : start + _MADE_AT_ONCE])
        assert pixels is not None
        for each in pixels.permute(0, 2, 3, 1).contiguous().numpy():
            yield prepare(Image.fromarray(each))


def one_image(split: Split, place: int, prepare: Prepared) -> Tensor | UnreadableImage:
    """One image of a split, by its place."""
    try:
        return prepare(split.source.load(split.indices[place]))
    except UnreadableImage as problem:
        return problem


class _Images(Dataset[Tensor | UnreadableImage]):
    """What a loader worker does: one image."""

    def __init__(self, split: Split, prepare: Prepared, places: range):
        self._split, self._prepare, self._places = split, prepare, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Tensor | UnreadableImage:
        return one_image(self._split, self._places[index], self._prepare)
