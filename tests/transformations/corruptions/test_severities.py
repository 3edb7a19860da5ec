"""Corruptions on the fly: laws that must hold, and naive forms."""

import colorsys
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

import invariscope
from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.results.corruption_errors import ALEXNET, MCE
from invariscope.transformations import get_transformation, get_transformations
from invariscope.transformations.corruptions import CORRUPTIONS

IDS = ["a", "b", "c"]
#: What makes the picture of a seed, not that of another.
DRAWING = {
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "speckle_noise",
    "glass_blur",
    "motion_blur",
    "fog",
    "elastic_transform",
    "snow",
    "spatter",
}
#: The first severities pull the whole image, the later ones make it wavy.
NOT_GRADED = {"elastic_transform"}  # fmt: skip


@pytest.fixture(scope="module")
def pixels():
    source: Any = open_source("samples")
    shown = [source.load(k).convert("RGB").resize((224, 224)) for k in (0, 40, 80)]
    return np.stack([np.asarray(one) for one in shown])


@pytest.fixture(scope="module")
def photographs(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def rmse(one, other):
    return float((one - other).pow(2).mean().sqrt())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_laws(name, photographs):
    small = torch.nn.functional.interpolate(photographs, (48, 40), mode="area")
    transform = get_transformation(f"corruption:{name}")
    assert transform(small, 0, image_ids=IDS) is small
    made = [transform(small, level, seed=3, image_ids=IDS) for level in range(1, 6)]
    for one in made:
        assert one.shape == small.shape
        assert one.dtype == small.dtype
        assert 0 <= float(one.min()) <= float(one.max()) <= 1
    if name not in NOT_GRADED:
        # glass_blur moves by a pixel at least, so on small pictures it is hardly graded
        least = 0.99 if name == "glass_blur" else 1
        assert rmse(made[4], small) > rmse(made[0], small) * least
    torch.manual_seed(1)  # nothing of the process is drawn from
    before = torch.random.get_rng_state()
    turned = transform(small.flip(0), 4, seed=3, image_ids=IDS[::-1]).flip(0)
    alone = transform(small[1:2], 4, seed=3, image_ids=["b"])
    torch.testing.assert_close(turned, made[3], atol=1e-6, rtol=0)
    torch.testing.assert_close(alone, made[3][1:2], atol=1e-6, rtol=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    other = transform(small, 4, seed=4, image_ids=IDS)
    assert torch.equal(other, made[3]) == (name not in DRAWING)
    exact = transform(small.double(), 4, seed=3, image_ids=IDS)
    assert exact.dtype == torch.float64  # of the same draws
    assert rmse(exact, made[3]) < (1e-3 if name == "jpeg_compression" else 1e-6)
    same = transform(small[:1].expand(2, -1, -1, -1), 4, seed=3, image_ids=["a", "b"])
    assert torch.equal(same[0], same[1]) == (name not in DRAWING)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_bands_are_kept_or_refused(name):
    transform = get_transformation(f"corruption:{name}")
    grey = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    if transform.needs_colour:
        return  # a run leaves it out, or refuses it by its name
    assert transform(grey, 3, image_ids=["a", "b"]).shape == grey.shape
    colours = grey.expand(-1, 3, -1, -1)
    assert transform(colours, 3, image_ids=["a", "b"]).shape == colours.shape
    many = grey.expand(-1, 5, -1, -1)
    if name == "jpeg_compression":
        with pytest.raises(InputError, match="JPEG stores 1 or 3 bands, the images have 5"):
            transform(many, 3, image_ids=["a", "b"])
    else:
        assert transform(many, 3, image_ids=["a", "b"]).shape == many.shape


@pytest.mark.parametrize("sides", [(28, 28), (32, 47), (1, 1), (5, 20)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_small_and_oblong_images(name, sides):
    images = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    transform = get_transformation(f"corruption:{name}")
    for level in (1, 2, 5):
        made = transform(images, level, image_ids=["a", "b"])
        assert made.shape == images.shape
        assert 0 <= float(made.min()) <= float(made.max()) <= 1


def test_names_and_severities():
    fog = get_transformation("corruption:fog=2/5")
    assert (fog.name, fog.describe(1), fog.operation(2)) == (
        "corruption:fog", "2 of 5", "corruption:fog=5",
    )  # fmt: skip
    assert len(get_transformations("corruption:all")) == 18
    both = get_transformations("contrast,corruption:contrast")  # a family of ours is another
    assert [one.name for one in both] == ["contrast", "corruption:contrast"]
    with pytest.raises(InputError, match=r"unknown corruption 'fogg': did you mean fog\?"):
        get_transformation("corruption:fogg")
    with pytest.raises(InputError, match="frost needs photographs of frost, so it is not made"):
        get_transformation("corruption:frost")
    with pytest.raises(InputError, match="has the severities 1 to 5, not 6"):
        get_transformation("corruption:fog=6")(torch.rand(1, 3, 8, 8), 1, image_ids=["a"])


def test_noise_has_the_law_that_it_says():
    grey = torch.full((1, 3, 256, 256), 0.5)

    def of(name):
        return get_transformation(f"corruption:{name}")(grey, 1, image_ids=["a"]).double()

    assert float((of("gaussian_noise") - 0.5).std()) == pytest.approx(0.08, rel=0.02)
    assert float((of("speckle_noise") - 0.5).std()) == pytest.approx(0.075, rel=0.02)
    shot = of("shot_noise") * 60
    assert torch.equal(shot.round().unique(), shot.unique().round().unique())
    assert float((shot / 60).std()) == pytest.approx(np.sqrt(0.5 / 60), rel=0.02)
    impulse = of("impulse_noise")
    shares = [float((impulse == value).double().mean()) for value in (0, 1)]
    assert shares == pytest.approx([0.015, 0.015], abs=0.001)
    assert float((impulse == 0.5).double().mean()) == pytest.approx(0.97, abs=0.002)


def test_light_is_that_of_hsv(photographs):
    x = photographs[:1, :, ::16, ::16]
    bright = get_transformation("corruption:brightness")(x, 3, image_ids=["a"])
    vivid = get_transformation("corruption:saturate")(x, 4, image_ids=["a"])
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            hue, saturation, value = colorsys.rgb_to_hsv(*x[0, :, row, column].double().tolist())
            wanted = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.3))
            assert bright[0, :, row, column].tolist() == pytest.approx(wanted, abs=1e-5)
            wanted = colorsys.hsv_to_rgb(hue, min(1.0, saturation * 5 + 0.1), value)
            assert vivid[0, :, row, column].tolist() == pytest.approx(wanted, abs=1e-5)


def test_blurs_against_scipy(photographs):
    blurred = get_transformation("corruption:gaussian_blur")(photographs, 3, image_ids=IDS)
    oracle = ndimage.gaussian_filter(
        photographs.double().numpy(), (0, 0, 3, 3), mode="nearest", truncate=4
    )
    np.testing.assert_allclose(blurred.numpy(), oracle, atol=1e-5)
    disc = get_transformation("corruption:defocus_blur")(photographs, 5, image_ids=IDS)
    edge = np.hypot(*np.mgrid[-10:11, -10:11]) <= 10
    kernel = ndimage.gaussian_filter(np.pad(edge.astype(float), 3), 0.5)
    oracle = ndimage.convolve(
        photographs[0, 0].double().numpy(), kernel / kernel.sum(), mode="mirror"
    )
    assert np.abs(disc[0, 0].numpy() - oracle)[16:-16, 16:-16].max() < 2e-3
    point = torch.zeros(1, 1, 224, 224)
    point[..., 112, 112] = 1
    smeared = get_transformation("corruption:motion_blur")(point, 5, image_ids=["a"])[0, 0]
    assert float(smeared.sum()) == pytest.approx(1, abs=1e-4)
    rows, columns = np.nonzero(smeared.numpy())
    assert len(rows) > 20
    farthest = np.hypot(rows - 112, columns - 112).argsort()[-10:]
    angle = np.degrees(np.arctan2(rows - 112, 112 - columns))[farthest]
    assert np.ptp(angle) < 3  # a line, to one side
    assert (np.abs(angle) < 46).all()


def test_lengths_grow_with_the_image(photographs):
    """Blurred at half the size, it is what is blurred and then made smaller."""
    half = torch.nn.functional.avg_pool2d(photographs, 2)
    for name in ("defocus_blur", "gaussian_blur", "zoom_blur"):
        act = get_transformation(f"corruption:{name}")
        first = torch.nn.functional.avg_pool2d(act(photographs, 5, image_ids=IDS), 2)
        assert rmse(act(half, 5, image_ids=IDS), first) < 0.02


def test_errors_of_a_run_and_no_mce(photographs):
    result = invariscope.measure(
        lambda x: torch.stack([0.5 - x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 0.5], 1)
        + 1e-3 * x.flatten(1)[:, :2],
        (photographs[:, :, ::4, ::4].repeat(4, 1, 1, 1), [0, 1, 1] * 4),
        transformations="corruption:fog,corruption:contrast=1/5",
        metrics="accuracy,prediction_consistency", model_classes="order",
    )  # fmt: skip
    table = result.corruption_errors().set_index("corruption")
    assert list(table.index) == ["corruption:fog", "corruption:contrast"]
    assert MCE not in table.index
    row = table.loc["corruption:fog"].to_dict()
    assert row["error"] == pytest.approx(row["relative"] * ALEXNET["fog"])


def test_the_severities_are_the_published_ones():
    """Those of the code of ImageNet-C; those of elastic_transform are in its own test."""
    published = {
        "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
        "shot_noise": (60, 25, 12, 5, 3),
        "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
        "speckle_noise": (0.15, 0.2, 0.35, 0.45, 0.6),
        "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        "gaussian_blur": (1, 2, 3, 4, 6),
        "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
        "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
        "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
        "jpeg_compression": (25, 18, 15, 10, 7),
        "snow": (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7), (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        "spatter": (
            (0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0), (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
    }  # fmt: skip
    assert published.keys() == CORRUPTIONS.keys() - {"elastic_transform"}
    for name, constants in published.items():
        assert CORRUPTIONS[name].severities == constants, name
