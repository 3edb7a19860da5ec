"""Reads an open image file: RGB pixels of 8 bits, or its numbers with all their bands."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from invariscope.data.depth import DepthFacts, Stored, ValueRange, facts_of_values
from invariscope.data.rgb import alpha_of, check_size, stored_picture, to_rgb
from invariscope.data.tiff import FLOAT, Samples, layout_of, layout_of_file, read_samples, upright

File = str | os.PathLike[str] | bytes


def read_stored(picture: Image.Image | None, file: File, all_bands: bool) -> Image.Image | Stored:
    """Reads the picture of a file; None for the picture: a TIFF that Pillow does not open."""
    layout = _layout(picture, file)
    if layout is not None and (picture is None or not layout.for_pillow(all_bands)):
        return _from_tiff(file, layout, all_bands)
    assert picture is not None
    if picture.format == "PNG" and _has_deep_colour(picture):
        return _from_deep_png(picture, file)
    if layout is not None and layout.samples == 1 and _rows_are_pages(picture):
        return _from_tiff(file, layout, all_bands)
    if all_bands and picture.mode == "RGBA":
        check_size(*picture.size)
        return Stored(np.asarray(ImageOps.exif_transpose(picture)))
    if layout is not None and layout.photometric == 2 and layout.alpha is None:
        check_size(*picture.size)  # what Pillow calls alpha is a band: no compositing
        return to_rgb(_opaque(ImageOps.exif_transpose(picture)))
    stored = stored_picture(picture)
    if isinstance(stored, Stored) and layout is not None:
        bits = layout.bits
        stated = ValueRange(0, 2**bits - 1) if 8 < bits < 16 and layout.kind == 1 else None
        return Stored(stored.values, stated, layout.photometric == 0)
    return stored


def _layout(picture: Image.Image | None, file: File) -> Samples | None:
    if picture is None:
        return layout_of_file(file)
    return layout_of(picture.tag_v2) if isinstance(picture, TiffImageFile) else None


def _from_tiff(file: File, layout: Samples, all_bands: bool) -> Stored:
    check_size(layout.width, layout.height)
    values = read_samples(file, layout)
    alpha = None
    if layout.alpha is not None and not all_bands and layout.alpha < values.shape[-1]:
        top = 1 if np.issubdtype(values.dtype, np.floating) else np.iinfo(values.dtype).max
        alpha = (values[..., layout.alpha] / top).astype(np.float32)
        values = np.delete(values, layout.alpha, axis=-1)
    if layout.photometric == 2 and not all_bands:
        values = values[..., :3]
    bits = layout.bits
    stated = ValueRange(0, 2**bits - 1) if 8 < bits < 16 and layout.kind == 1 else None
    return Stored(values, stated, layout.photometric == 0, alpha)


def _has_deep_colour(picture: Image.Image) -> bool:
    """Says whether Pillow gives only the upper bytes of a PNG's colours."""
    tiles = getattr(picture, "tile", ())
    return picture.mode != "I;16" and any(str(tile[3]).endswith(";16B") for tile in tiles)


def _from_deep_png(picture: Image.Image, file: File) -> Stored:
    import torch
    from torchvision.io import decode_png

    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    pixels = decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    values = pixels.permute(1, 2, 0).numpy()
    values = upright(values, picture.getexif().get(274, 1))
    if values.shape[-1] in (1, 3):
        return Stored(values)
    return Stored(values[..., :-1], alpha=(values[..., -1] / 65535).astype(np.float32))


def _rows_are_pages(picture: Image.Image) -> bool:
    """Says whether tifffile wrote the rows of an interleaved picture as pages of this file."""
    if not isinstance(picture, TiffImageFile):
        return False
    described = str(picture.tag_v2.get(270, ""))
    return described.startswith('{"shape": [') and getattr(picture, "n_frames", 1) > 1


def _opaque(picture: Image.Image) -> Image.Image:
    """The colours alone, as they are stored."""
    plain = picture.convert("RGB")
    plain.info = {}
    return plain


def alpha_of_file(picture: Image.Image | None, file: File) -> np.ndarray | None:
    """Reads the upright alpha channel [height, width], or None; an opaque band is none."""
    layout = _layout(picture, file)
    if layout is not None and layout.plain:
        if layout.alpha is None:
            return None
        if picture is None:
            return _from_tiff(file, layout, False).alpha
    return None if picture is None else alpha_of(picture)


def facts_of(picture: Image.Image | None, file: File) -> DepthFacts:
    """Looks at the depth and bands of a file; its pixels are decoded only if they are deep."""
    layout = _layout(picture, file)
    alpha, left_out, numbers = None, 0, DepthFacts()
    if layout is not None and layout.plain and layout.samples > 1:
        alpha = None if layout.alpha is None else layout.alpha + 1
        left_out = layout.bands - 3 if layout.photometric == 2 else 0
    pages = getattr(picture, "n_frames", 1)
    deep = layout is not None and layout.plain and layout.bits in (16, 32)
    deep = deep or (layout is not None and layout.kind == FLOAT)
    if picture is not None and picture.format == "PNG":
        deep = picture.mode in ("I;16", "I") or _has_deep_colour(picture)
    if deep:
        stored = read_stored(picture, file, False)
        if isinstance(stored, Stored):
            numbers = facts_of_values(stored.values)
            pages = 1 if stored.values.shape[-1] > 1 else pages
    return replace(numbers, alpha_band=alpha, left_out=left_out, pages=pages)
