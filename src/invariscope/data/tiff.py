"""Reads TIFF files that Pillow cannot open, or opens with other numbers than they hold.

The tags decide. A file of 8 bits with one sample (grey, palette) or three (RGB, YCbCr) is Pillow's;
so is a single sample of 16 or 32 bits. Everything else is read by tifffile (extra ``tiff``): other
numbers of samples, 16-bit colour, signed bytes, separate planes of 16 bits.

- Samples beyond the colours that the tag PhotometricInterpretation states are bands where
  ExtraSamples says 0 or nothing (near infrared), and alpha where it says 1 or 2.
- WhiteIsZero (PhotometricInterpretation 0) turns the values round at every depth.
- Interleaved and separate planes give the same picture. The tag Orientation is applied.
- A file of several pages gives its first; one that tifffile wrote with the rows of an interleaved
  picture as its pages, as it does unless told the layout, is read as that picture.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import TiffImagePlugin

_COLOURS = {0: 1, 1: 1, 2: 3}  # by PhotometricInterpretation: WhiteIsZero, BlackIsZero, RGB
_ALPHA = (1, 2)
_SIGNED, FLOAT = 2, 3
MOST_BANDS = 512


@dataclass(frozen=True)
class Samples:
    """The layout of the samples that the tags of the first page state.

    Args:
        width: In pixels.
        height: In pixels.
        samples: Per pixel.
        bits: Per sample.
        kind: SampleFormat: 1 unsigned, 2 signed, 3 float.
        photometric: What the colours are: 0 WhiteIsZero, 1 BlackIsZero, 2 RGB, 3 palette, …
        extra: What each sample beyond the colours is; 0 a band, 1 and 2 alpha.
        planar: Whether each band is a plane of its own.
        orientation: As in EXIF; 1 is upright.
    """

    width: int
    height: int
    samples: int
    bits: int
    kind: int
    photometric: int
    extra: tuple[int, ...]
    planar: bool
    orientation: int

    @property
    def plain(self) -> bool:
        """Says whether the samples are grey or RGB and more, so that each further one is a band."""
        return self.photometric in _COLOURS

    @property
    def alpha(self) -> int | None:
        """The index of the alpha sample, from 0; None where none is."""
        first = self.samples - len(self.extra)
        return next((first + k for k, kind in enumerate(self.extra) if kind in _ALPHA), None)

    @property
    def bands(self) -> int:
        """Samples that are not alpha."""
        return self.samples - (self.alpha is not None)

    def for_pillow(self, all_bands: bool) -> bool:
        """Tells whether Pillow, if it opens the file, gives the numbers that it holds."""
        if not self.plain:
            return True
        if self.samples == 1:
            return not (self.bits == 8 and self.kind == _SIGNED)
        if self.bits != 8 or self.kind != 1 or self.photometric == 0:
            return False
        if self.photometric == 1:
            return self.samples == 2 and self.alpha is not None and not all_bands
        return not (all_bands and self.samples > 3) and not (self.planar and self.samples > 3)


def layout_of(tags: Mapping[int, Any]) -> Samples:
    """Reads the layout that the tags of a page state."""

    def first(tag: int, default: int) -> int:
        value = tags.get(tag, default)
        return int(value[0] if isinstance(value, tuple) else value)

    samples, photometric = first(277, 1), first(262, 1)
    stated = tags.get(338) or ()
    stated = tuple(stated) if isinstance(stated, tuple) else (stated,)
    beyond = max(0, samples - _COLOURS.get(photometric, samples))
    extra = tuple(int(kind) for kind in (stated + (0,) * beyond)[:beyond])
    return Samples(
        width=first(256, 0),
        height=first(257, 0),
        samples=samples,
        bits=first(258, 1),
        kind=first(339, 1),
        photometric=photometric,
        extra=extra,
        planar=first(284, 1) == 2,
        orientation=first(274, 1),
    )


def layout_of_file(file: str | os.PathLike[str] | bytes) -> Samples | None:
    """Reads the layout of a file that Pillow does not open; None: it is no TIFF."""
    with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as stream:
        head = stream.read(16)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        big = head[2:4] in (b"+\0", b"\0+")
        tags = TiffImagePlugin.ImageFileDirectory_v2(head if big else head[:8])
        stream.seek(tags.next)
        tags.load(stream)
        return layout_of(tags)


def read_samples(file: str | os.PathLike[str] | bytes, layout: Samples) -> np.ndarray:
    """Reads the upright samples of the first page, as they are stored.

    Returns:
        [height, width, sample].

    Raises:
        ValueError: tifffile is missing, or a codec, or the page is no picture.
    """
    try:
        import tifffile
    except ImportError as error:
        raise ValueError(
            f"a TIFF of {layout.samples} samples of {layout.bits} bits needs the package tifffile: "
            "pip install 'invariscope[tiff]'"
        ) from error
    try:
        with tifffile.TiffFile(io.BytesIO(file) if isinstance(file, bytes) else file) as pages:
            page = pages.pages.first
            values, axes = page.asarray(), page.axes
            rows = pages.series[0].shape
            if axes == "YX" and len(rows) == 3 and rows[1:] == values.shape and rows[2] < 32:
                if rows[0] > rows[2] and rows[1] > rows[2]:
                    return pages.series[0].asarray()  # each row was written as a page
    except ValueError as error:
        if "imagecodecs" in str(error):
            way = "pip install 'invariscope[tiff]'"
            raise ValueError(f"its compression needs the package imagecodecs: {way}") from error
        raise
    if axes not in ("YX", "YXS", "SYX") or layout.samples > MOST_BANDS:
        raise ValueError(f"a TIFF page of shape {list(values.shape)} is no picture")
    values = values[..., None] if axes == "YX" else values
    return upright(np.moveaxis(values, 0, -1) if axes == "SYX" else values, layout.orientation)


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turns [height, width, …] as the tag Orientation says; what is unknown stays as it is.

    Example:
        >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()
        [[3, 1], [4, 2]]
    """
    if orientation in (5, 6, 7, 8):
        values = np.swapaxes(values, 0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values
