"""Every kind of image file, good and bad, with exact pixels where they are defined."""

import io
import os
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from invariscope.data.decode import decode
from invariscope.data.rgb import MAX_PIXELS, to_rgb
from invariscope.data.source import UnreadableImage

GENERATOR = np.random.default_rng(0)


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(file) -> np.ndarray:
    picture = decode(file, "x")
    assert picture.mode == "RGB"
    return np.asarray(picture)


def png_header(width: int, height: int) -> bytes:
    """A 1-bit PNG that promises that many pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture
def rgb() -> np.ndarray:
    return GENERATOR.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_rgb_from_bytes_and_from_a_path(tmp_path, rgb):
    file = tmp_path / "a.png"
    file.write_bytes(encoded(Image.fromarray(rgb)))
    assert np.array_equal(pixels(file), rgb)
    assert np.array_equal(pixels(file.read_bytes()), rgb)


def test_grey_fills_three_channels():
    grey = GENERATOR.integers(0, 256, (4, 6), dtype=np.uint8)
    assert np.array_equal(pixels(encoded(Image.fromarray(grey))), np.stack([grey] * 3, axis=-1))


def test_one_bit_becomes_black_and_white():
    picture = Image.new("1", (2, 1))
    picture.putpixel((1, 0), 1)
    assert pixels(encoded(picture))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(values / 65535 * 255).astype(np.uint8)
    assert np.array_equal(pixels(encoded(Image.fromarray(values), kind))[..., 1], expected)


def test_32_bit_integers_count_as_16_bit_where_they_fit():
    values = np.array([[0, 65535]], dtype=np.int32)
    assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 255]
    with pytest.raises(UnreadableImage, match=r"from 0 to 70000; only 0\.\.65535"):
        decode(encoded(Image.fromarray(np.array([[0, 70000]], dtype=np.int32)), "TIFF"), "x")


def test_floats_must_lie_between_0_and_1():
    values = np.array([[0, 0.5, 1]], dtype=np.float32)
    assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]
    for bad in (-0.5, 2.0, np.nan):
        values = np.array([[0, bad]], dtype=np.float32)
        with pytest.raises(UnreadableImage, match="float values"):
            decode(encoded(Image.fromarray(values), "TIFF"), "x")


def test_palette(rgb):
    picture = Image.fromarray(rgb).quantize(16)
    assert np.array_equal(pixels(encoded(picture)), np.asarray(picture.convert("RGB")))


def test_transparent_palette_entry_is_white():
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    assert pixels(encoded(picture, transparency=0))[0].tolist() == [[255] * 3, [40, 50, 60]]


def test_alpha_is_composited_over_white():
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 128]]], dtype=np.uint8)
    opaque, clear, half = pixels(encoded(Image.fromarray(rgba)))[0].astype(int)
    assert opaque.tolist() == [200, 100, 0]
    assert clear.tolist() == [255, 255, 255]
    expected = np.array([200, 100, 0]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(half - expected).max() <= 1


def test_cmyk():
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    found = pixels(encoded(picture, "JPEG", quality=95))[8, 8]
    assert found[0] > 245
    assert found[1] < 10
    assert np.array_equal(pixels(encoded(picture, "TIFF")), np.asarray(picture.convert("RGB")))


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert getattr(Image.open(io.BytesIO(file)), "n_frames", 1) == 2
    assert np.unique(pixels(file).reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda image: image),
        (2, np.fliplr),
        (3, lambda image: np.rot90(image, 2)),
        (6, lambda image: np.rot90(image, -1)),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_applied(rgb, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(pixels(encoded(Image.fromarray(rgb), exif=exif.tobytes())), upright(rgb))


def test_one_pixel():
    assert pixels(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def test_jpeg_equals_the_full_decode():
    # draft mode would decode at a fraction of the size
    picture = Image.fromarray(GENERATOR.integers(0, 256, (64, 80, 3), dtype=np.uint8))
    file = encoded(picture, "JPEG")
    assert np.array_equal(pixels(file), np.asarray(Image.open(io.BytesIO(file))))


def test_20000_by_20000_is_refused_unopened():
    with pytest.raises(UnreadableImage, match=r"huge\.png: more than 89,478,485 pixels.*scale it"):
        decode(png_header(20_000, 20_000), "huge.png")


def test_the_limit_lies_between_two_sizes():
    side = int(MAX_PIXELS**0.5)
    with pytest.raises(UnreadableImage, match="more than"):
        decode(png_header(side + 1, side + 1), "x")
    with pytest.raises(UnreadableImage, match="cannot be decoded"):  # accepted, then truncated
        decode(png_header(side, side), "x")


def test_the_limit_is_ours_even_if_pillow_has_none(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UnreadableImage, match="more than 89,478,485 pixels"):
        decode(png_header(20_000, 20_000), "x")


def test_a_strip_is_refused():
    with pytest.raises(UnreadableImage, match="5 × 5000 pixels is longer than 1 : 200"):
        decode(png_header(5, 5000), "x")


def test_a_strip_in_memory_is_refused():
    with pytest.raises(ValueError, match="longer than"):
        to_rgb(Image.new("L", (1, 400)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_truncated(kind):
    noise = Image.fromarray(GENERATOR.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    file = encoded(noise, kind)
    with pytest.raises(UnreadableImage, match=r"^half: (cannot be decoded|not an image)") as info:
        decode(file[: len(file) // 2], "half")
    assert "\n" not in str(info.value)


def test_empty_file_and_text(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    with pytest.raises(UnreadableImage, match=r"empty\.jpg: the file is empty"):
        decode(tmp_path / "empty.jpg", "empty.jpg")
    with pytest.raises(UnreadableImage, match=r"text\.jpg: not an image"):
        decode(tmp_path / "text.jpg", "text.jpg")
    with pytest.raises(UnreadableImage, match="the file is gone"):
        decode(tmp_path / "none.jpg", "none.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encoded(Image.new("L", (2, 2))))
    file.chmod(0)
    with pytest.raises(UnreadableImage, match="Permission denied"):
        decode(file, "a.png")


def test_error_is_one_line_and_survives_pickling():
    error = UnreadableImage("a.jpg", "broken\n  twice")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.image, copy.reason, str(copy)) == ("a.jpg", "broken twice", "a.jpg: broken twice")


def test_result_carries_no_metadata():
    file = encoded(Image.new("RGB", (3, 3)), dpi=(300, 300))
    assert decode(file, "x").info == {}
