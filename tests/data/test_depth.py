"""Depth and bands of files and arrays: what is white, what is a band, what is said."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from invariscope.data import UnreadableImage, open_source
from invariscope.data.arrays import ArraySource
from invariscope.data.decode import decode, decode_alpha, decode_image
from invariscope.data.pixels import to_image
from invariscope.errors import InputError

RNG = np.random.default_rng(0)
COLOURS_8 = RNG.integers(0, 256, (6, 7, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30, 13), dtype=np.uint16)


def tiff(values: np.ndarray, **how) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **how)
    return file.getvalue()


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write in colour."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def folder(root: Path, *files: bytes, suffix: str = ".tif") -> str:
    root.mkdir(exist_ok=True)
    for number, file in enumerate(files):
        (root / f"{number:03}{suffix}").write_bytes(file)
    return str(root)


def unit(values: np.ndarray, white: float = 65535) -> np.ndarray:
    """[height, width, band] to [band, height, width] in [0, 1]."""
    return np.moveaxis(values.astype(np.float64) / white, -1, 0)


@pytest.mark.parametrize(
    "file",
    [
        tiff(DEEP, photometric="minisblack", planarconfig="contig"),
        tiff(np.moveaxis(DEEP, -1, 0), photometric="minisblack", planarconfig="separate"),
        tiff(DEEP, photometric="minisblack", planarconfig="contig", compression="zlib"),
        tiff(DEEP, photometric="minisblack", planarconfig="contig", bigtiff=True),
        tiff(DEEP, photometric="minisblack", planarconfig="contig", byteorder=">"),
        tiff(DEEP),  # each row is a page: what tifffile writes unless it is told the layout
    ],
    ids=["interleaved", "planes", "deflate", "big", "motorola", "rows"],
)
def test_thirteen_bands_of_16_bits(file):
    found = decode_image(file, "x")
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), unit(DEEP), atol=1e-7)
    assert decode(file, "x").size == (30, 20)  # seen as RGB of 8 bits: its first three bands
    assert decode_alpha(file, "x") is None


@pytest.mark.parametrize("bands", [2, 4, 13])
def test_bytes_of_other_bands_stay_bytes(bands):
    values = RNG.integers(0, 256, (6, 7, bands), dtype=np.uint8)
    found = decode_image(tiff(values, photometric="minisblack", planarconfig="contig"), "x")
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.numpy(), np.moveaxis(values, -1, 0))


@pytest.mark.parametrize("planar", [False, True])
def test_16_bit_colour_keeps_its_depth(planar):
    values = DEEP[..., :3]
    rows = np.moveaxis(values, -1, 0) if planar else values
    how = {"photometric": "rgb", "planarconfig": "separate" if planar else "contig"}
    for file in (tiff(rows, **how), png16(values)):
        found = decode_image(file, "x")
        assert isinstance(found, torch.Tensor)
        np.testing.assert_allclose(found.numpy(), unit(values), atol=1e-7)
        seen = np.asarray(decode(file, "x"))
        np.testing.assert_array_equal(seen, np.rint(values / 257).astype(np.uint8))


def test_16_bit_alpha_is_composited_over_white():
    values = DEEP[..., :4]
    alpha = values[..., 3:].astype(np.float64) / 65535
    expected = np.moveaxis(values[..., :3] / 65535 * alpha + 1 - alpha, -1, 0)
    for file in (png16(values), tiff(values, photometric="rgb", extrasamples=["unassalpha"])):
        np.testing.assert_allclose(np.asarray(decode_image(file, "x")), expected, atol=1e-6)
        found = decode_alpha(file, "x")
        assert found is not None
        np.testing.assert_allclose(found, alpha[..., 0], atol=1 / 255)


def _near_infrared(kind: str, planar: bool = False) -> bytes:
    values = np.concatenate([COLOURS_8, 255 - COLOURS_8[..., :1]], axis=2)
    values = np.moveaxis(values, -1, 0) if planar else values
    layout = "separate" if planar else "contig"
    return tiff(values, photometric="rgb", extrasamples=[kind], planarconfig=layout)


@pytest.mark.parametrize("planar", [False, True])
def test_near_infrared_is_not_alpha(tmp_path, planar):
    file = _near_infrared("unspecified", planar)
    source = open_source(folder(tmp_path, file, file))
    assert np.array_equal(np.asarray(source.load(0)), _hwc(COLOURS_8, source.load(0)))
    assert source.alpha(0) is None
    assert "more bands than red, green and blue: 4 left out" in " ".join(source.notes)
    every = decode_image(file, "x", all_bands=True)
    assert isinstance(every, torch.Tensor)
    assert every.shape == (4, 6, 7)
    np.testing.assert_array_equal(every[3].numpy(), 255 - COLOURS_8[..., 0])


def _hwc(values: np.ndarray, like) -> np.ndarray:
    return values if isinstance(like, Image.Image) else np.moveaxis(values, -1, 0)


def test_a_band_that_the_tag_calls_alpha_is_named(tmp_path):
    file = _near_infrared("unassalpha")
    source = open_source(folder(tmp_path, file, file))
    assert "declare their band 4 alpha" in " ".join(source.notes)
    assert "bands': [1, 2, 3]" in source.decisions["bands"]
    alpha = source.alpha(0)
    assert alpha is not None
    np.testing.assert_allclose(alpha, (255 - COLOURS_8[..., 0]) / 255, atol=1e-6)
    source.all_bands = True
    chosen = source.load(0)
    assert isinstance(chosen, torch.Tensor)
    np.testing.assert_array_equal(chosen[:3].numpy(), np.moveaxis(COLOURS_8, -1, 0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_at_every_depth(dtype):
    stored = np.array([[0, 51, 255]] * 3, dtype) * dtype(np.iinfo(dtype).max // 255)
    file = tiff(stored, photometric="miniswhite")
    assert np.asarray(decode(file, "x"))[0, :, 0].tolist() == [255, 204, 0]


def test_white_is_zero_of_one_bit_and_of_twelve_in_sixteen(tmp_path):
    bilevel = io.BytesIO()
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    bits.save(bilevel, "TIFF", tiffinfo={262: 0})
    assert np.asarray(decode(bilevel.getvalue(), "x"))[0, :, 0].tolist() == [0, 255]
    stored = np.array([[0, 1000, 4095]], np.uint16)
    source = open_source(folder(tmp_path, tiff(stored, photometric="miniswhite")))
    expected = [1, 1 - 1000 / 4095, 0]
    np.testing.assert_allclose(np.asarray(source.load(0))[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 900), (12, 4095), (14, 9000)])
def test_fewer_bits_in_16_are_found_and_said(tmp_path, bits, top):
    rows = [RNG.integers(0, top // 3, (5, 6), dtype=np.uint16) for _ in range(4)]
    rows[2][0, 0] = top  # one picture of the source tells; one scale for all
    for name, source in (
        ("png", open_source(folder(tmp_path, *map(_png, rows), suffix=".png"))),
        ("array", open_source(np.stack(rows))),
        ("data set", open_source([Image.fromarray(row) for row in rows])),
        ("mode I", open_source([Image.fromarray(row.astype(np.int32)) for row in rows])),
        ("int16", open_source(folder(tmp_path / "t", *(tiff(r.astype(np.int16)) for r in rows)))),
    ):
        white = 2**bits - 1
        assert f"{bits} bits in 16: white is {white}" in source.decisions["bit depth"], name
        assert "value_range=(0, 65535)" in source.notes[0]
        found = np.asarray(source.load(1))
        np.testing.assert_allclose(found[0], rows[1] / white, atol=1e-6)


def _png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def test_all_of_16_bits_and_black_are_taken_as_they_are():
    for top in (16384, 65535):
        source = open_source(np.full((2, 4, 5), top, np.uint16))
        assert not source.notes
        assert float(np.asarray(source.load(0)).max()) == pytest.approx(top / 65535)
    assert float(np.asarray(open_source(np.zeros((2, 4, 5), np.uint16)).load(0)).max()) == 0


def test_a_given_range_replaces_what_is_found(tmp_path):
    values = np.full((4, 5), 1000, np.uint16)
    root = folder(tmp_path, _png(values), suffix=".png")
    for white in (2000, 4095, 65535):
        source = open_source(root, value_range=(0, white))
        assert float(np.asarray(source.load(0)).max()) == pytest.approx(1000 / white)
        assert "as given" in source.decisions["bit depth"]
        assert not source.notes
    hounsfield = np.array([[[-1024, 0, 3071, 0]]] * 2, np.int16)
    found = np.asarray(open_source(hounsfield, value_range=(-1024, 3071)).load(0))
    np.testing.assert_allclose(found[0, 0, :3], [0, 1024 / 4095, 1], atol=1e-6)
    floats = np.array([[[[0.0, 5000, 10000]]]] * 2, np.float32)
    found = np.asarray(open_source(floats, value_range=(0, 10000)).load(0))
    np.testing.assert_allclose(found[0, 0], [0, 0.5, 1], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, np.uint32])
def test_tiffs_of_other_numbers_need_a_range(tmp_path, dtype):
    values = np.array([[0, 500, -9]] if dtype == np.int16 else [[0, 50000, 100000]])
    root = folder(tmp_path, tiff(values.astype(dtype)))
    with pytest.raises(UnreadableImage, match="value_range"):
        open_source(root).load(0)
    low, high = int(values.min()), int(values.max())
    found = np.asarray(open_source(root, value_range=(low, high)).load(0))
    np.testing.assert_allclose(found[0], (values - low) / (high - low), atol=1e-6)


def test_numbers_above_the_range_found_are_not_clipped(tmp_path):
    files = [_png(np.full((2, 2), 4000 if k != 30 else 5000, np.uint16)) for k in range(40)]
    source = open_source(folder(tmp_path, *files, suffix=".png"))
    reasons = []
    for index in range(40):
        try:
            source.load(index)
        except UnreadableImage as problem:
            reasons.append((index, problem.reason))
    if source.value_range is not None and source.value_range.high == 4095:
        assert [index for index, _ in reasons] == [30]
        assert "outside the range 0..4095 that was found in a sample" in reasons[0][1]
        assert r"value_range=(0, 5000)` holds them" in reasons[0][1]
    else:  # the sample had met it
        assert not reasons


def test_the_sample_is_the_same_each_time(tmp_path):
    files = [_png(np.full((2, 2), 100 + 37 * k, np.uint16)) for k in range(60)]
    root = folder(tmp_path, *files, suffix=".png")
    assert open_source(root).decisions == open_source(root).decisions


def test_a_range_that_is_none_is_named():
    for bad in ((5, 5), (1,), "all", (9, 0), 7):
        with pytest.raises(InputError, match=r"the stored numbers that are black and white work"):
            open_source("samples", value_range=bad)


def test_bytes_are_scaled_by_a_range_of_bytes_only():
    grey = np.full((2, 4, 5), 15, np.uint8)
    assert np.asarray(open_source(grey, value_range=(0, 15)).load(0)).max() == 1
    assert np.asarray(open_source(grey, value_range=(0, 4095)).load(0)).max() == 15


def test_axes_of_other_bands():
    values = RNG.integers(0, 256, (2, 8, 9, 4), dtype=np.uint8)
    last, first = open_source(values), open_source(np.moveaxis(values, -1, 1))
    assert "4 bands, the shortest axis" in last.decisions["axes"]
    assert torch.equal(torch.as_tensor(np.asarray(last.load(1))), torch.as_tensor(first.load(1)))
    cube = np.zeros((2, 5, 6, 5), np.uint8)
    with pytest.raises(InputError, match="does not say which axis holds the bands"):
        open_source(cube)
    assert np.asarray(ArraySource(cube, axes="NHWC").load(0)).shape == (5, 5, 6)
    assert np.asarray(ArraySource(cube, axes="CHW").load(0)).shape == (5, 6, 5)
    with pytest.raises(InputError, match="axes is 'WHC'; CHW and HWC work"):
        ArraySource(cube, axes="WHC")


def test_loading_copies_what_is_deep():
    values = np.full((2, 6, 5, 4), 7, np.uint8)
    source = open_source(values)
    loaded = source.load(0)
    assert isinstance(loaded, torch.Tensor)
    loaded.zero_()
    assert values.min() == 7
    assert source.content(0) != open_source(values + 1).content(0)


def test_eight_bits_are_what_they_were(tmp_path):
    """The same Pillow image as before for grey, colour and palette, whatever holds it."""
    picture = Image.fromarray(COLOURS_8)
    for other in (picture, picture.convert("L"), picture.convert("P"), picture.convert("CMYK")):
        file = io.BytesIO()
        other.save(file, "TIFF")
        found = decode_image(file.getvalue(), "x")
        assert isinstance(found, Image.Image)
        assert np.array_equal(np.asarray(found), np.asarray(other.convert("RGB")))
        assert isinstance(to_image(other), Image.Image)


def test_without_tifffile_the_error_names_the_extra(monkeypatch):
    file = tiff(DEEP, photometric="minisblack", planarconfig="contig")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(UnreadableImage, match=r"pip install 'invariscope\[tiff\]'"):
        decode_image(file, "x")


def test_float_files_have_one_scale_or_none(tmp_path):
    """A dark picture of a set of 0..255 lies in [0, 1] by itself."""
    dark, bright = (np.full((4, 5), white, np.float32) for white in (0.9, 254.3))
    files = [tiff(dark), *[tiff(bright)] * 3]
    root = folder(tmp_path, *files)
    with pytest.raises(InputError) as caught:
        open_source(root)
    said = str(caught.value)
    assert "float pictures on no known scale: 3 of the 4 pictures looked at lie outside" in said
    assert "`value_range=(0, 255)`" in said
    assert "\n" not in said
    read = open_source(root, value_range=(0, 255))
    assert float(np.asarray(read.load(0)).max()) == pytest.approx(0.9 / 255)
    # Pillow's own floats as well
    for number in range(4):
        Image.fromarray(dark if number else bright).save(f"{root}/{number:03}.tif")
    with pytest.raises(InputError, match="1 of the 4 pictures looked at"):
        open_source(root)


def test_float_files_in_the_unit_range_and_without_numbers_are_taken_as_they_are(tmp_path):
    unit_range = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    hole = np.where(unit_range > 0.9, np.nan, unit_range)
    files = [tiff(unit_range), tiff(hole), tiff(np.where(unit_range > 0.9, np.inf, unit_range))]
    source = open_source(folder(tmp_path, *files))
    assert float(np.asarray(source.load(0)).max()) == 1
    for index in (1, 2):
        with pytest.raises(UnreadableImage, match="not finite"):
            source.load(index)


def test_all_of_a_float_array_decides():
    values = np.full((40, 3, 4, 5), 0.5, np.float32)
    values[33] = 200
    with pytest.raises(InputError, match=r"float values from 0\.5 to 200"):
        open_source(values)
    found = open_source(values, value_range=(0, 255))
    assert float(np.asarray(found.load(0)).max()) == pytest.approx(0.5 / 255)
