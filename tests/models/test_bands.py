"""Bands of pictures and channels of networks: what is shown, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.models.bands import LUMINANCE, BandMismatch, to_channels

RNG = np.random.default_rng(0)


def _preprocessing(channels, **settings):
    mean, std = tuple(np.linspace(0.1, 0.6, channels)), tuple(np.linspace(0.2, 0.5, channels))
    return Preprocessing(channels=channels, mean=mean, std=std, **settings)


@pytest.mark.parametrize("bands", [1, 2, 4, 13])
def test_mean_and_std_are_those_of_each_channel(bands):
    image = torch.rand(2, bands, 5, 6)
    chosen = _preprocessing(bands)
    for band in range(bands):
        expected = (image[:, band].double() - chosen.mean[band]) / chosen.std[band]
        torch.testing.assert_close(chosen.normalise(image)[:, band], expected.float())


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest", "lanczos", "box"])
@pytest.mark.parametrize("bands", [1, 2, 4, 13])
@pytest.mark.parametrize("depth", [np.uint8, np.float32])
def test_a_picture_of_many_bands_is_resized_as_each_band_alone(
    bands, depth, interpolation, crop_mode
):
    pixels = RNG.integers(0, 256, (bands, 20, 30), dtype=np.uint8)
    image = torch.from_numpy(pixels if depth == np.uint8 else (pixels / 255).astype(np.float32))
    how = {"size": (9, 9), "resize": 11, "interpolation": interpolation, "crop_mode": crop_mode}
    together = _preprocessing(bands, **how).geometry(image)
    assert together.shape == (bands, 9, 9)
    assert together.dtype == image.dtype
    mean = _preprocessing(bands).mean
    for band in range(bands):
        alone = Preprocessing(channels=1, mean=(mean[band],), std=(1.0,), **how)
        torch.testing.assert_close(together[band], alone.geometry(image[band : band + 1])[0])


def test_one_band_of_bytes_is_resized_as_pillow_resizes_grey():
    pixels = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    how = Preprocessing(size=(8, 12), resize=8, channels=1, mean=(0.0,), std=(1.0,))
    grey = Image.fromarray(pixels).resize((12, 8), Image.Resampling.BILINEAR)
    ours = how.geometry(torch.from_numpy(pixels)[None])
    np.testing.assert_array_equal(ours[0].numpy(), np.asarray(grey))


def test_a_fourth_band_is_not_taken_for_alpha():
    """Pillow multiplies colours by alpha before it resizes: a dark fourth band must not matter."""
    pixels = RNG.integers(0, 256, (4, 20, 20), dtype=np.uint8)
    dark = pixels.copy()
    dark[3] = 0
    how = _preprocessing(4, size=(7, 7), resize=7)
    one, other = (how.geometry(torch.from_numpy(picture)) for picture in (pixels, dark))
    assert torch.equal(one[:3], other[:3])


def test_colour_becomes_luminance_for_one_channel_and_one_band_is_repeated_for_three():
    colour = torch.rand(2, 3, 4, 4)
    expected = torch.stack([w * colour[:, k].double() for k, w in enumerate(LUMINANCE)]).sum(0)
    torch.testing.assert_close(to_channels(colour, 1)[:, 0], expected.float())
    assert torch.equal(to_channels(colour[:, :1], 3), colour[:, :1].expand(-1, 3, -1, -1))
    assert torch.equal(to_channels(colour, None), colour)
    one = Preprocessing(channels=1, mean=(0.0,), std=(1.0,))
    assert one.geometry(colour[0, :1]).shape == (1, 4, 4)
    assert one.geometry(colour[0]).shape == (3, 4, 4)  # changes of colour act before it is grey
    assert Preprocessing().geometry(colour[0, :1]).shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("bands", "channels", "message"),
    [
        (4, 3, r"4 bands and the model takes 3 channels; choose bands, .*'bands': \[1, 2, 3\]"),
        (13, 1, r"13 bands and the model takes 1 channel; .*`preprocessing={'bands': \[1\]}`"),
        (3, 4, "3 bands and the model takes 4 channels; give pictures of 4 bands or a model of 3"),
        (1, 2, "1 band and the model takes 2 channels; give pictures of 2 bands or a model of 1"),
    ],
)
def test_numbers_that_do_not_fit_say_both_and_the_way(bands, channels, message):
    how = _preprocessing(channels)
    with pytest.raises(BandMismatch, match=message):
        how.geometry(torch.rand(bands, 4, 4))
    with pytest.raises(BandMismatch, match=message):
        how.normalise(torch.rand(1, bands, 4, 4))


def test_bands_are_chosen_by_number_in_the_order_given():
    image = torch.rand(13, 5, 5)
    chosen = Preprocessing().override({"bands": [8, 4, 3]})
    assert torch.equal(chosen.geometry(image), image[[7, 3, 2]])
    picture = Image.fromarray(RNG.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    blue = Preprocessing().override({"bands": 3}).geometry(picture)
    assert torch.equal(blue, Preprocessing().geometry(picture)[2:].expand(3, -1, -1))
    with pytest.raises(BandMismatch, match="band 8 is asked for, and the picture has 3 bands"):
        chosen.geometry(picture)
    assert Preprocessing.from_dict(chosen.as_dict()) == chosen
    assert "bands" not in Preprocessing().as_dict()


def test_other_channels_take_the_average_of_mean_and_std():
    changed = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.3, 0.4, 0.5)).override({"channels": 4})
    assert changed.mean == pytest.approx((0.2,) * 4)
    assert changed.std == pytest.approx((0.4,) * 4)
    given = Preprocessing().override({"channels": 2, "mean": [0.1, 0.2], "std": 0.5})
    assert given.mean == (0.1, 0.2)
    assert given.std == (0.5, 0.5)
    with pytest.raises(InputError, match=r"mean has 3 values for 2 channel\(s\)"):
        Preprocessing().override({"channels": 2, "mean": [0.1, 0.2, 0.3]})
