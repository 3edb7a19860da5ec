"""From an image source to blocks of pixels: each image is decoded once, ahead of the network."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import torch
from PIL import Image
from torch import Tensor

from invariscope.data import ImageSource, UnreadableImage
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
    """

    index: int
    pixels: Tensor | None
    reason: str = ""
    label: int = -1
    fits: bool = True
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Block:
    """The images of one block that could be read.

    Args:
        number: Which block of the run.
        indices: Indices into the source, in the run's order.
        pixels: uint8 or float [image, band, height, width].
        labels: Class index of each image, -1 for none.
        skipped: (index, reason) of the images that could not be read.
    """

    number: int
    indices: list[int]
    pixels: Tensor
    labels: list[int] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)


#: Blocks that are decoded ahead of the one that is measured.
_AHEAD = 2
#: Images that are read twice to see whether they are random.
_READ_TWICE = 8


def load_picture(source: ImageSource, preprocessing: Preprocessing, index: int) -> Picture:
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
    return Picture(index, pixels, label=label, size=(height, width))


def first_picture(
    source: ImageSource, preprocessing: Preprocessing, selected: Sequence[int]
) -> tuple[Picture, dict[int, Picture]]:
    """The first image that can be read, and all that was decoded to find it.

    Raises:
        InputError: None of the images can be read, or the model cannot be shown its bands.
    """
    seen: dict[int, Picture] = {}
    for index in selected:
        picture = seen[index] = load_picture(source, preprocessing, index)
        if picture.pixels is not None:
            return picture, seen
        if not picture.fits:
            raise InputError(f"{source.name}, image {source.ids[index]}: {picture.reason}")
    example = seen[selected[0]]
    raise InputError(
        f"none of the {len(selected)} images of {source.name} can be read; the first: "
        f"{source.ids[example.index]}: {example.reason}"
    )


def size_note(preprocessing: Preprocessing, size: tuple[int, int]) -> str:
    """A line where a picture has the model's size already and is resized and cropped all the same.

    Data sets such as ImageNet-C are stored as they were evaluated, at 224 × 224.
    """
    (height, width), resize = size, preprocessing.resize
    if preprocessing.size != size or resize in (None, size):
        return ""
    if resize == min(size) and (preprocessing.crop_mode == "center" or height == width):
        return ""
    shown = "×".join(map(str, resize)) if isinstance(resize, tuple) else resize
    return (
        f"the pictures have the model's size, {height}×{width}, already, and are resized to "
        f"{shown} and cropped all the same ({preprocessing.source}); "
        f"`preprocessing={{'resize': {min(size)}}}` takes them as they are"
    )


def random_images(
    source: ImageSource,
    preprocessing: Preprocessing,
    selected: Sequence[int],
    seen: dict[int, Picture],
) -> str:
    """Says so if the images of a user's data set are not the same when they are read again.

    Args:
        source: Where images come from; sources that decode files themselves are not asked.
        preprocessing: Resize and crop.
        selected: The images of the run; the first few are read.
        seen: Pictures that are decoded already; takes those that are decoded here.

    Returns:
        A line for the warnings of the run, or "".
    """
    if source.concurrent:
        return ""
    for index in selected[:_READ_TWICE]:
        again = load_picture(source, preprocessing, index)
        first = seen.setdefault(index, again)
        if first is again:
            again = load_picture(source, preprocessing, index)
        if first.pixels is None or again.pixels is None:
            continue
        if first.pixels.shape != again.pixels.shape or not torch.equal(first.pixels, again.pixels):
            return (
                f"images are random: {source.name} gave other pixels when it was asked for image "
                f"{source.ids[index]} again, so numbers change from run to run; give the data "
                "without random augmentation"
            )
    return ""


def first_pictures(
    source: ImageSource,
    preprocessing: Preprocessing,
    selected: Sequence[int],
    decoded: dict[int, Picture],
    count: int,
) -> list[Tensor]:
    """The pixels of the first images of one size, as many as ``count``; decodes what is missing.

    Args:
        source: Where images come from.
        preprocessing: Resize and crop.
        selected: Indices into the source; at most twice as many as are wanted are looked at.
        decoded: What is decoded already, an image that can be read among it; the others are added.
        count: How many are wanted.
    """
    found: list[Tensor] = []  # of one size; grey and colour may mix
    for index in list(dict.fromkeys(selected))[: 2 * count]:
        if index not in decoded:
            decoded[index] = load_picture(source, preprocessing, index)
        pixels = decoded[index].pixels
        if pixels is not None and (not found or pixels.shape[-2:] == found[0].shape[-2:]):
            found.append(pixels)
        if len(found) == count:
            break
    return alike(found)


def load_blocks(
    source: ImageSource,
    preprocessing: Preprocessing,
    numbered: Sequence[tuple[int, list[int]]],
    *,
    workers: int | None,
    ready: Mapping[int, Picture],
) -> Iterator[Block]:
    """Yields the blocks in order; the next ones are decoded meanwhile, where the source allows it.

    Args:
        source: Where images come from.
        preprocessing: Resize and crop.
        numbered: (block number, indices into the source).
        workers: Threads or processes that decode, see `invariscope.data.reading`; None chooses.
        ready: Pictures that are decoded already.
    """
    indices = [index for _, block in numbered for index in block]
    missing = [index for index in indices if index not in ready]
    longest = max((len(block) for _, block in numbered), default=0)
    decoded = in_order(
        source,
        partial(_load, preprocessing),
        missing,
        workers=workers,
        ahead=_AHEAD * longest,
        known=missing,
    )
    pictures = (ready[index] if index in ready else next(decoded) for index in indices)
    with closing(decoded):
        for number, block in numbered:
            yield _block(number, list(islice(pictures, len(block))))


def _load(preprocessing: Preprocessing, source: ImageSource, index: int) -> Picture:
    return load_picture(source, preprocessing, index)


def _block(number: int, pictures: list[Picture]) -> Block:
    readable = [picture for picture in pictures if picture.pixels is not None]
    skipped = [(picture.index, picture.reason) for picture in pictures if picture.pixels is None]
    frames = [picture.pixels for picture in readable if picture.pixels is not None]
    sizes = {tuple(pixels.shape[-2:]) for pixels in frames}
    if len(sizes) > 1:
        shown = ", ".join(f"{width}×{height}" for height, width in sorted(sizes)[:3])
        raise InputError(
            f"the images have different sizes ({shown}, …) and the model states no input size: "
            "give one, such as `preprocessing={'size': 224}`"
        )
    if not readable:
        return Block(number, [], torch.empty(0), skipped=skipped)
    indices, labels = [p.index for p in readable], [p.label for p in readable]
    return Block(number, indices, torch.stack(alike(frames)), labels, skipped)


def alike(frames: list[Tensor]) -> list[Tensor]:
    """Pictures of one type and number of bands: a source may mix depths, and grey with colour."""
    if len({frame.dtype for frame in frames}) > 1:
        frames = [f.float() / 255 if f.dtype == torch.uint8 else f for f in frames]
    most = max((len(frame) for frame in frames), default=0)
    return [frame.expand(most, -1, -1) if len(frame) == 1 else frame for frame in frames]
