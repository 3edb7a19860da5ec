"""Decodes the images of a split in order, several at once where the source allows it.

`invariscope.data.reading` says which sources do: those that open what they read for each image.
"""

from collections.abc import Callable, Iterator
from functools import partial

from PIL import Image
from torch import Tensor

from invariscope.data import ImageSource, UnreadableImage
from invariscope.data.reading import in_order
from invariscope.training.splits import Split

_AHEAD = 64
_MADE_AT_ONCE = 1024

Prepared = Callable[..., Tensor]


def decoded(
    split: Split, prepare: Prepared, workers: int | None
) -> Iterator[Tensor | UnreadableImage]:
    """Decodes the images of a split in its order, as `prepare` makes them; errors stay errors.

    Args:
        split: The images.
        prepare: From what a source loads to a tensor; a function that can be pickled.
        workers: As for `invariscope.data.reading.in_order`.
    """
    if split.source.pixels(split.indices[:1]) is not None:
        yield from _made(split, prepare)
        return
    yield from in_order(
        split.source,
        partial(_one, prepare),
        split.indices,
        workers=workers,
        ahead=_AHEAD,
        known=split.indices,
    )


def _made(split: Split, prepare: Prepared) -> Iterator[Tensor]:
    """The images of a source that makes many at once."""
    for start in range(0, len(split), _MADE_AT_ONCE):
        pixels = split.source.pixels(split.indices[start : start + _MADE_AT_ONCE])
        assert pixels is not None
        for picture in pixels.permute(0, 2, 3, 1).contiguous().numpy():
            yield prepare(Image.fromarray(picture))


def one_image(split: Split, position: int, prepare: Prepared) -> Tensor | UnreadableImage:
    """Decodes one image of a split, by its position."""
    return _one(prepare, split.source, split.indices[position])


def _one(prepare: Prepared, source: ImageSource, index: int) -> Tensor | UnreadableImage:
    try:
        return prepare(source.load(index))
    except UnreadableImage as problem:
        return problem
