"""The crops against torchvision's, pixel by pixel and in law."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as theirs

from invariscope.errors import InputError
from invariscope.training.augmentations import AreaLaw, FixedSizeCrop, RandomSizeCrop, augmentation
from invariscope.training.augmentations.boxes import RATIO
from invariscope.training.augmentations.resampling import box_weights, resample

MANY = 20_000


def same_law(one, other):
    found: Any = stats.ks_2samp(np.asarray(one), np.asarray(other))
    return found.pvalue > 1e-3


CROPS = [
    "none",
    "FixedSizeRandomCrop",
    "RandomSizeCenterCrop",
    "RandomSizeCenterCrop w/o a.r.",
    "RandomResizedCrop",
    "T.(30%)",
    "T.(30%) + RandomSizeCenterCrop",
    "Beta(1, 0.5)",
    "random crop",
]


def pictures(count, height, width, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def draws(count, number, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, number, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(28, 28, 28), (40, 30, 24), (20, 33, 56), (90, 70, 16)]
)
def test_boxes_are_resized_as_torchvision_does(height, width, size):
    images = pictures(40, height, width)
    drawn = np.random.default_rng(1)
    h, w = drawn.integers(1, height + 1, 40), drawn.integers(1, width + 1, 40)
    h[0], w[0] = height, width
    top = drawn.integers(0, height - h + 1)
    left = drawn.integers(0, width - w + 1)
    rows = box_weights(height, torch.from_numpy(top), torch.from_numpy(h), size)
    columns = box_weights(width, torch.from_numpy(left), torch.from_numpy(w), size)
    ours = resample(images, rows, columns)
    for k in range(40):
        box = [int(v[k]) for v in (top, left, h, w)]
        expected = theirs.resized_crop(images[k], box[0], box[1], box[2], box[3], [size, size])
        assert (ours[k] - expected).abs().max() < 1e-5, box


@pytest.mark.parametrize("frame", [(28, 28), (40, 30), (25, 60)])
def test_random_resized_crop_is_torchvisions_on_the_same_box(frame):
    crop = RandomSizeCrop(20)
    images, numbers = pictures(30, *frame), draws(30, crop.num_draws)
    boxes = crop.boxes(numbers, frame)
    ours = crop.augment(images, numbers)
    for k in range(30):
        box = [int(v[k]) for v in (boxes.top, boxes.left, boxes.height, boxes.width)]
        expected = theirs.resized_crop(images[k], box[0], box[1], box[2], box[3], [20, 20])
        assert (ours[k] - expected).abs().max() < 1e-5


@pytest.mark.parametrize("frame", [(28, 28), (40, 30), (25, 60)])
def test_fixed_crops_are_torchvisions_steps(frame):
    images = pictures(12, *frame)
    centre = FixedSizeCrop(28).augment(images, draws(12, 0))
    resized = theirs.resize(images, [32], antialias=True)
    assert (centre - theirs.center_crop(resized, [28, 28])).abs().max() < 1e-5
    assert (FixedSizeCrop(28, resize=28).augment(images[:, :, :28, :28], draws(12, 0)).shape) == (
        12, 3, 28, 28,
    )  # fmt: skip
    numbers = draws(12, 2)
    moved = FixedSizeCrop(28, translate=0.3).augment(images, numbers)
    for k in range(12):
        right = round((2 * float(numbers[k, 1]) - 1) * 0.3 * resized.shape[3])
        down = round((2 * float(numbers[k, 0]) - 1) * 0.3 * resized.shape[2])
        step = theirs.affine(resized[k], angle=0, translate=[right, down], scale=1, shear=[0, 0])
        assert (moved[k] - theirs.center_crop(step, [28, 28])).abs().max() < 1e-5


def test_a_translated_centre_crop_is_its_two_steps():
    crop = RandomSizeCrop(20, centred=True, translate=0.3)
    images, numbers = pictures(30, 36, 28), draws(30, crop.num_draws)
    ours = crop.augment(images, numbers)
    boxes = crop.boxes(numbers[:, 2:], (36, 28))
    assert (boxes.top == (36 - boxes.height) // 2).all()
    assert (boxes.left == (28 - boxes.width) // 2).all()
    for k in range(30):
        down = round((2 * float(numbers[k, 0]) - 1) * 0.3 * 36)
        right = round((2 * float(numbers[k, 1]) - 1) * 0.3 * 28)
        step = theirs.affine(images[k], angle=0, translate=[right, down], scale=1, shear=[0, 0])
        box = [int(v[k]) for v in (boxes.top, boxes.left, boxes.height, boxes.width)]
        expected = theirs.resized_crop(step, box[0], box[1], box[2], box[3], [20, 20])
        assert (ours[k] - expected).abs().max() < 1e-5


def test_a_padded_crop_is_torchvisions():
    images, crop = pictures(20, 32, 32), augmentation("random crop", 32)
    numbers = draws(20, 2)
    padded = theirs.pad(images, [4])
    for k, one in enumerate(crop.augment(images, numbers)):
        top, left = (int(numbers[k, axis] * 9) for axis in (0, 1))
        assert torch.equal(one, padded[k, :, top : top + 32, left : left + 32])


def test_what_needs_no_interpolation_is_exact():
    images = pictures(5, 32, 32)
    assert torch.equal(augmentation("whole image", 32).augment(images, draws(5, 0)), images)
    whole = RandomSizeCrop(32, area=AreaLaw(low=1.0), ratio=(1, 1))
    assert torch.equal(whole.augment(images, draws(5, whole.num_draws)), images)


def sizes(name, frame, seed=100):
    crop = augmentation(name, 8)
    assert isinstance(crop, RandomSizeCrop)
    boxes = crop.boxes(draws(MANY, crop.num_draws, seed), frame)
    return boxes, (boxes.height * boxes.width).double() / (frame[0] * frame[1])


@pytest.mark.parametrize("frame", [(1000, 1000), (300, 900)])
def test_random_resized_crop_has_torchvisions_law(frame):
    """Its ten tries and what it falls back to included: the second frame needs both."""
    boxes, area = sizes("RandomResizedCrop", frame)
    reference = v2.RandomResizedCrop(8)
    image = torch.empty(1, *frame)
    torch.manual_seed(0)
    found = [reference.make_params([image]) for _ in range(8_000)]
    their_area = np.array([f["height"] * f["width"] / image.numel() for f in found])
    assert same_law(area, their_area)
    shape = boxes.width.double() / boxes.height
    assert same_law(shape, [f["width"] / f["height"] for f in found])
    for ours, name in ((boxes.top, "top"), (boxes.left, "left")):
        assert same_law(ours, [f[name] for f in found])
    fallen = [f["height"] == 300 and f["width"] == 400 for f in found]
    ours_fallen = (boxes.height == 300) & (boxes.width == 400)
    if frame == (300, 900):
        assert np.mean(fallen) > 0.003
        table = [[sum(fallen), len(fallen)], [int(ours_fallen.sum()), MANY]]
        found: Any = stats.fisher_exact(table)
        assert found.pvalue > 1e-3


def test_shapes_and_places_follow_closed_forms():
    """Small boxes fit at the first try, so their laws are those that are drawn."""
    crop = RandomSizeCrop(8, area=AreaLaw(0.1, 0.2))
    boxes = crop.boxes(draws(MANY, crop.num_draws), (4000, 4000))
    area = (boxes.height * boxes.width).double() / 4000**2
    assert stats.kstest(area, stats.uniform(0.1, 0.1).cdf).pvalue > 0.01
    logs = (boxes.width.double() / boxes.height).log()
    width = math.log(RATIO[1]) - math.log(RATIO[0])
    assert stats.kstest(logs, stats.uniform(math.log(RATIO[0]), width).cdf).pvalue > 0.01
    for start, extent in ((boxes.top, boxes.height), (boxes.left, boxes.width)):
        assert (
            stats.kstest((start.double() + 0.5) / (4001 - extent), stats.uniform.cdf).pvalue > 0.01
        )
    assert abs(np.corrcoef(boxes.top, boxes.left)[0, 1]) < 0.03


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1, 2, 3, 10])
def test_beta_areas(alpha):
    law = AreaLaw(alpha=alpha)
    numbers = draws(MANY, 22, seed=7)
    area = law(numbers[:, 0])
    reference = stats.beta(1, alpha, loc=0.08, scale=0.92)
    below = area[area < 1 - 1e-9]  # α = 0.1 comes so close to 1 that floats end
    assert stats.kstest(reference.cdf(below) / reference.cdf(1 - 1e-9), stats.uniform.cdf)[1] > 0.01
    assert abs(len(below) / MANY - reference.cdf(1 - 1e-9)) < 0.015
    crop = augmentation(f"Beta(1, {alpha}) w/o a.r.", 8)
    assert isinstance(crop, RandomSizeCrop)
    boxes = crop.boxes(numbers, (900, 900))
    assert torch.equal(boxes.height, (900 * area.sqrt()).round().long())
    assert torch.equal(boxes.width, boxes.height)


#: Paper 000, Table A1, as its law gives it.
TABLE_A1 = {0.1: 0.828, 0.5: 3.188, 1: 4.963, 2: 6.809, 3: 7.633, 10: 7.321}


@pytest.mark.parametrize("alpha", TABLE_A1)
def test_table_a1(alpha):
    law = AreaLaw(alpha=alpha)
    # Quadrature over the uniform number, by the midpoint rule in v = (1 - u)^(1/4), which is
    # smooth at both ends for every α of the table.
    v = (np.arange(400_000) + 0.5) / 400_000
    weights = 4 * v**3 / len(v)
    zoom = 1 / law(torch.from_numpy(1 - v**4)).numpy()
    mean = (weights * zoom).sum()
    variance = (weights * (zoom - mean) ** 2).sum()
    assert variance == pytest.approx(TABLE_A1[alpha], abs=1e-3)
    assert law.mean == pytest.approx(0.08 + 0.92 / (1 + alpha))
    assert (weights / zoom).sum() == pytest.approx(law.mean, abs=1e-6)
    sample = 1 / law(draws(200_000, 1, seed=3)[:, 0]).numpy()
    spread = ((sample - sample.mean()) ** 2).std() / math.sqrt(len(sample))
    assert abs(sample.var() - TABLE_A1[alpha]) < 4 * spread


def test_a_uniform_area_has_a_closed_variance():
    """Var(1/σ²) = 12.5 - (ln 12.5 / .92)² for α = 1."""
    assert 12.5 - (math.log(12.5) / 0.92) ** 2 == pytest.approx(TABLE_A1[1], abs=1e-3)


@pytest.mark.parametrize("name", ["T.(30%)", "T.(30%) + RandomSizeCenterCrop w/o a.r."])
def test_moves_are_uniform_whole_pixels(name):
    """One bright pixel says where the image has gone."""
    side = 57  # as large as T.(30%) makes it for squares of 50
    crop = augmentation(name, 50)
    numbers = draws(3_000, crop.num_draws, seed=5)
    numbers[:, 2:] = 1 - 1e-9  # the whole image, where the size is drawn
    images = torch.zeros(1, 1, side, side)
    images[..., 28, 28] = 1
    seen = crop.augment(images.expand(3_000, -1, -1, -1), numbers)[:, 0]
    rows, columns = seen.sum(dim=2), seen.sum(dim=1)
    moves = (2 * numbers[:, :2] - 1) * 0.3 * side
    for axis, sums in ((0, rows), (1, columns)):
        centre = (sums * torch.arange(50.0)).sum(dim=1) / sums.sum(dim=1)
        expected = 28 - 4 + moves[:, axis].round()
        if "RandomSize" in name:
            expected = (28.5 + moves[:, axis].round()) * 50 / side - 0.5
        assert (centre - expected).abs().max() < 0.3
        pixels = moves[:, axis].round()
        assert stats.kstest(moves[:, axis] / (0.6 * side) + 0.5, stats.uniform.cdf).pvalue > 0.01
        assert int(pixels.min()) == -17
        assert int(pixels.max()) == 17


@pytest.mark.parametrize("name", CROPS)
def test_a_batch_is_its_images_one_by_one(name):
    crop = augmentation(name, 24)
    images, numbers = pictures(6, 30, 41), draws(6, crop.num_draws)
    together = crop.augment(images, numbers)
    assert together.shape == (6, 3, 24, 24)
    assert together.min() >= 0
    assert together.max() <= 1 + 1e-6
    for k in range(6):
        alone = crop.augment(images[k : k + 1], numbers[k : k + 1])
        assert torch.allclose(together[k : k + 1], alone, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AreaLaw(low=0), "from 0 to 1 of the image"),
        (lambda: AreaLaw(alpha=0), r"Beta\(1, 0\) came"),
        (lambda: FixedSizeCrop(28, resize=20), "short side of 20"),
        (lambda: augmentation("T.(130%)", 28), r"T\.\(130%\) came"),
        (lambda: RandomSizeCrop(8, translate=-0.1), r"T\.\(-10%\) came"),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make()
