"""Takes foreground masks from an alpha channel, a folder of masks, or a saliency network.

All three give numbers from 0 (background) to 1 (foreground) on a grid over the whole image; the
grid need not be that of the pixels, since boxes are measured relative to the frame.

A mask in a folder is an image file with the path of its picture, whatever the suffix: the mask of
``cats/3.jpg`` is ``cats/3.*``, or ``3.*`` where no other picture of the data set is called 3. What
its values mean, grey or labels, is decided once over several masks of the data set
(`invariscope.foregrounds.mask_values`). Its shape must be that of the picture, within 2 %, at any
resolution.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageOps

from invariscope.data import ImageSource, UnreadableImage
from invariscope.data.digests import digest_of_file
from invariscope.data.folder import SUFFIXES
from invariscope.errors import InputError
from invariscope.foregrounds.mask_values import SAMPLE, Raw, decide, raw_of
from invariscope.foregrounds.saliency import SaliencyNetwork

ALPHA, SALIENCY = "alpha", "saliency"
_SAME_SHAPE = 0.02


@dataclass(frozen=True)
class Mask:
    """The foreground of one image.

    Attributes:
        values: float32 [height, width] in [0, 1].
        peak: How sure its maker was, in [0, 1]: of saliency the largest value before scaling, else
            the largest value.
    """

    values: np.ndarray
    peak: float


@dataclass(frozen=True)
class Masks:
    """The masks of a data set.

    Attributes:
        read: The mask of the image at a position; raises `UnreadableImage` where there is none.
        digest: What the image and its mask are known by; "" where only the mask's values can tell.
        decision: How they are read, in words.
        notes: What may surprise about that, one line each.
    """

    read: Callable[[int], Mask]
    digest: Callable[[int], str]
    decision: str
    notes: tuple[str, ...] = ()

    def __call__(self, index: int) -> Mask:
        """The mask of the image at a position."""
        return self.read(index)


def open_masks(
    source: ImageSource, masks: str | os.PathLike[str], values: Sequence[int] | None = None
) -> Masks:
    """Makes a function that gives the mask of any image of a source.

    Args:
        source: The images.
        masks: ``"alpha"``, ``"saliency"``, or a folder of masks.
        values: The values of mask files that are foreground; None: as several of them show.

    Raises:
        InputError: No such folder, no mask in it, no saliency network on this machine, or values
            without a folder.

    Example:
        >>> from invariscope.data import open_source
        >>> glass = Image.new("RGBA", (4, 3), (9, 9, 9, 51))
        >>> mask = open_masks(open_source([glass]), "alpha")(0)
        >>> mask.values.shape, round(mask.peak, 3)
        ((3, 4), 0.2)
    """
    if masks in (ALPHA, SALIENCY) and values is not None:
        raise InputError(f"`values={list(values)}` are of mask files, not of `masks={masks!r}`")
    if masks == ALPHA:
        read = partial(_alpha, source)
        return Masks(read, source.digest, "the images' own alpha channel")
    if masks == SALIENCY:
        network = SaliencyNetwork()
        read = partial(_salient, source, network)
        return Masks(read, source.digest, "the saliency that U²-Netp finds, scaled to its peak")
    folder = _MaskFolder(source, os.fspath(masks), values)
    return Masks(folder, folder.digest, folder.reading.decision, folder.reading.notes)


def _alpha(source: ImageSource, index: int) -> Mask:
    values = source.alpha(index)
    if values is None:
        raise UnreadableImage(source.ids[index], "it has no alpha channel")
    return Mask(values, float(values.max()))


def _salient(source: ImageSource, network: SaliencyNetwork, index: int) -> Mask:
    saliency = network(source.load(index))
    return Mask(saliency.mask, saliency.peak)


class _MaskFolder:
    """The files of a folder by their path without suffix."""

    def __init__(self, source: ImageSource, folder: str, values: Sequence[int] | None):
        self._source = source
        self._folder = os.path.expanduser(folder)
        if not os.path.isdir(self._folder):
            raise InputError(
                f"`masks={folder!r}`: no such folder; give alpha, saliency or a folder of masks"
            )
        self._by_path: dict[str, str] = {}
        for parent, folders, names in os.walk(self._folder):
            folders.sort()
            for name in sorted(names):
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in SUFFIXES and not name.startswith("."):
                    file = os.path.join(parent, name)
                    relative = os.path.relpath(os.path.join(parent, stem), self._folder)
                    self._by_path.setdefault(relative.replace(os.sep, "/"), file)
        if not self._by_path:
            raise InputError(f"`masks={folder!r}`: no image in that folder")
        self._pictures = Counter(map(_stem, source.ids))
        self.reading = decide(self._some(), values)

    def _some(self) -> list[Raw]:
        """Reads masks of images spread over the data set, whether these are measured or not."""
        masks: list[Raw] = []
        files = [file for name in self._source.ids if (file := self._file_of(name)) is not None]
        positions = np.linspace(0, len(files) - 1, min(SAMPLE, len(files))).round().astype(int)
        for position in dict.fromkeys(positions.tolist()):
            try:
                masks.append(read_mask(files[position], files[position]))
            except UnreadableImage:
                continue
        return masks

    def __call__(self, index: int) -> Mask:
        name = self._source.ids[index]
        file = self._file_of(name)
        if file is None:
            raise UnreadableImage(name, f"no mask of that name in {self._folder}")
        values = self.reading(read_mask(file, name))
        width, height = _size(self._source.load(index))
        own = values.shape[1] / values.shape[0]
        if abs(own * height / width - 1) > _SAME_SHAPE:
            raise UnreadableImage(
                name,
                f"its mask is {values.shape[1]} × {values.shape[0]}, the image {width} × {height}",
            )
        return Mask(values, float(values.max()))

    def digest(self, index: int) -> str:
        """Digests the files of the image and of its mask together."""
        file = self._file_of(self._source.ids[index])
        with suppress(OSError):
            mask = "" if file is None else digest_of_file(file)
            return digest_of_file(f"{self._source.digest(index)} {mask}".encode())
        return ""

    def _file_of(self, name: str) -> str | None:
        for path in (name, os.path.splitext(name)[0]):
            if path in self._by_path:
                return self._by_path[path]
        # a mask beside no folder is that of the one picture of its name, not of cat/1 and dog/1
        return self._by_path.get(_stem(name)) if self._pictures[_stem(name)] == 1 else None


def read_mask(file: str, image: str) -> Raw:
    """Reads the numbers of a mask file, upright.

    Args:
        file: An image file.
        image: The id of the picture, for the error.

    Raises:
        UnreadableImage: It cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a corrupt EXIF block
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                lossy = picture.format == "JPEG"
                return raw_of(ImageOps.exif_transpose(picture), lossy=lossy)
    except Exception as error:  # Pillow's plug-ins raise whatever they trip over
        raise UnreadableImage(image, f"its mask {file} is not readable ({error})") from error


def _stem(name: str) -> str:
    return os.path.splitext(name.rpartition("/")[2])[0]


def _size(image: Image.Image | torch.Tensor) -> tuple[int, int]:
    if isinstance(image, torch.Tensor):
        return int(image.shape[-1]), int(image.shape[-2])
    return image.size
