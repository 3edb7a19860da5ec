"""Loads blocks of pixels from an image source: each image is decoded once, ahead of the network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from PIL import Image
from torch import Tensor

from invariscope.data import ImageSource, UnreadableImage
from invariscope.data.digests import digest_of_pixels
from invariscope.data.reading import in_order
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.models.bands import BandMismatch


@dataclass(frozen=True)
class Picture:
    """One image at the model's input resolution, or the reason why there is none.

    Args:
        index: Its position in the source.
        pixels: uint8 or float [band, height, width].
        reason: Why there are none.
        label: Its class index, -1 for none.
        fits: Whether the model can be shown so many bands.
        size: Height and width before the preprocessing.
        digest: What its content is known by; "": it is not recorded.
    """

    index: int
    pixels: Tensor | None
    reason: str = ""
    label: int = -1
    fits: bool = True
    size: tuple[int, int] = (0, 0)
    digest: str = ""


Load = Callable[[ImageSource, int], Picture]
"""Reads one picture of a source; with processes it must be possible to pickle it."""


@dataclass(frozen=True)
class Block:
    """The images of one block that could be read.

    Args:
        number: Which block of the run.
        pictures: Those that could be read, in the run's order.
        ids: Their ids.
        skipped: (id, reason) of those that could not.
    """

    number: int
    pictures: list[Picture]
    ids: list[str]
    skipped: list[tuple[str, str]]

    @property
    def indices(self) -> list[int]:
        """Their positions in the source."""
        return [picture.index for picture in self.pictures]

    @property
    def labels(self) -> list[int]:
        """Their class indices, -1 for none."""
        return [picture.label for picture in self.pictures]

    def pixels(self) -> Tensor:
        """uint8 or float [image, band, height, width].

        Raises:
            InputError: They have different sizes.
        """
        frames = [picture.pixels for picture in self.pictures if picture.pixels is not None]
        sizes = {tuple(frame.shape[-2:]) for frame in frames}
        if len(sizes) > 1:
            shown = ", ".join(f"{width}×{height}" for height, width in sorted(sizes)[:3])
            raise InputError(
                f"the images have different sizes ({shown}, …) and the model states no input size: "
                "give one, such as `preprocessing={'size': 224}`"
            )
        return torch.stack(alike(frames))


#: Blocks that are decoded ahead of the one that is measured.
_AHEAD = 2


def loading(preprocessing: Preprocessing, *, digests: bool = True) -> Load:
    """Reads pictures by `load_picture`."""
    return partial(load_picture, preprocessing=preprocessing, digests=digests)


def load_picture(
    source: ImageSource, index: int, preprocessing: Preprocessing, *, digests: bool = True
) -> Picture:
    """Decodes one image; one that cannot be read or shown comes back with its reason."""
    try:
        loaded = source.load(index)
        pixels = preprocessing.geometry(loaded)
    except UnreadableImage as problem:
        return Picture(index, None, problem.reason)
    except BandMismatch as problem:
        return Picture(index, None, str(problem), fits=False)
    # After loading: some data sets know a label only then.
    label = -1 if source.labels is None else int(source.labels[index])
    width, height = loaded.size if isinstance(loaded, Image.Image) else loaded.shape[:-3:-1]
    digest = (source.digest(index) or digest_of_pixels(loaded)) if digests else ""
    return Picture(index, pixels, label=label, size=(height, width), digest=digest)


def load_blocks(
    source: ImageSource,
    load: Load,
    numbered: Sequence[tuple[int, list[int]]],
    *,
    workers: int | None,
    ready: Mapping[int, Picture],
) -> Iterator[Block]:
    """Yields the blocks in order; the next ones are decoded meanwhile, where the source allows it.

    Args:
        source: Where images come from.
        load: How they are read.
        numbered: (block number, indices into the source).
        workers: Threads or processes that decode, see `invariscope.data.reading`; None chooses.
        ready: Pictures that are decoded already.
    """
    indices = [index for _, block in numbered for index in block]
    missing = [index for index in indices if index not in ready]
    longest = max((len(block) for _, block in numbered), default=0)
    decoded = in_order(
        source, load, missing, workers=workers, ahead=_AHEAD * longest, known=missing
    )
    pictures = (ready[index] if index in ready else next(decoded) for index in indices)
    with closing(decoded):
        for number, block in numbered:
            loaded = list(islice(pictures, len(block)))
            readable = [picture for picture in loaded if not picture.reason]
            skipped = [(source.ids[p.index], p.reason) for p in loaded if p.reason]
            yield Block(number, readable, [source.ids[p.index] for p in readable], skipped)


def alike(frames: list[Tensor]) -> list[Tensor]:
    """Brings pictures to one type and number of bands: sources mix depths, and grey with colour."""
    if len({frame.dtype for frame in frames}) > 1:
        frames = [f.float() / 255 if f.dtype == torch.uint8 else f for f in frames]
    most = max((len(frame) for frame in frames), default=0)
    return [frame.expand(most, -1, -1) if len(frame) == 1 else frame for frame in frames]
