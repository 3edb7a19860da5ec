"""Names: what each stands for, in any pipeline; CutMix and RandAugment against torchvision."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision import tv_tensors
from torchvision.transforms import v2

from invariscope.errors import InputError
from invariscope.training.augmentations import (
    NAMES,
    Composition,
    CutMix,
    FixedSizeCrop,
    HorizontalFlip,
    RandAugment,
    RandomSizeCrop,
    Translation,
    augmentation,
    evaluation_resize,
    mixing,
)
from invariscope.training.augmentations.randaugment import OPERATIONS

USABLE = [name for name in NAMES if "FOLDER" not in name]


def pictures(count, side, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side, side), generator=generator).to(torch.uint8)


def test_what_torch_applies_to_all_modules_reaches_augmentations():
    seen, made = [], RandomSizeCrop(8)
    torch.nn.Sequential(Composition([made, HorizontalFlip()]), torch.nn.ReLU()).apply(seen.append)
    assert made in seen
    assert len(seen) == 6


@pytest.mark.parametrize("name", USABLE)
def test_every_name_stands_in_a_pipeline(name):
    pipeline = v2.Compose([augmentation(name, 16), v2.ToDtype(torch.float32, scale=True)])
    eight_bits = pictures(1, 20)[0]
    torch.manual_seed(1)
    from_tensor = pipeline(eight_bits)
    assert from_tensor.dtype == torch.float32
    assert from_tensor.shape == (3, 16, 16)
    torch.manual_seed(1)
    array = eight_bits.permute(1, 2, 0).numpy()
    picture = augmentation(name, 16)(Image.fromarray(array))
    assert isinstance(picture, Image.Image)
    difference = np.asarray(picture) / 255 - from_tensor.permute(1, 2, 0).numpy()
    assert np.abs(difference).max() < 1e-6
    torch.manual_seed(1)
    floats = augmentation(name, 16)(eight_bits / 255)
    assert floats.dtype == torch.float32
    assert (floats - from_tensor).abs().max() <= 0.5 / 255 + 1e-6


def test_leading_axes_and_image_types_stay():
    flip = augmentation("horizontal flip", 8)
    stacked = pictures(6, 8).reshape(2, 3, 3, 8, 8)
    assert flip(stacked).shape == (2, 3, 3, 8, 8)
    assert isinstance(flip(tv_tensors.Image(stacked[0, 0])), tv_tensors.Image)
    grey = Image.fromarray(pictures(1, 8, channels=1)[0, 0].numpy())
    assert flip(grey).mode == "L"


def test_each_image_of_a_batch_draws_its_own():
    torch.manual_seed(0)
    batch = augmentation("horizontal flip", 2)(
        torch.tensor([[[[0.0, 1.0]] * 2]]).expand(40, 1, 2, 2)
    )
    assert 0 < batch[:, 0, 0, 0].sum() < 40


def test_what_the_names_stand_for():
    assert isinstance(augmentation("none", 28), FixedSizeCrop)
    assert str(augmentation("none", 28)) == str(augmentation("FixedSizeCenterCrop", 28))
    crop = augmentation("Beta(1,10)", 28)
    assert isinstance(crop, RandomSizeCrop)
    assert crop.area.alpha == 10
    assert not crop.centred
    square = augmentation("T.(12.5%) + RandomSizeCenterCrop w/o a.r.", 28)
    assert isinstance(square, RandomSizeCrop)
    assert (square.ratio, square.translate, square.centred) == ((1.0, 1.0), 0.125, True)
    both = augmentation("random crop + horizontal flip + CutMix", 32)
    assert isinstance(both, Composition)
    assert [type(step) for step in both.steps] == [FixedSizeCrop, HorizontalFlip]
    after = augmentation("FixedSizeCenterCrop + T.(30%)", 32)
    assert isinstance(after, Composition)
    assert [type(step) for step in after.steps] == [FixedSizeCrop, Translation]
    nested = augmentation("FixedSizeCenterCrop + T.(30%) + RandomSizeCenterCrop", 32)
    assert isinstance(nested, Composition)
    assert isinstance(nested.steps[1], RandomSizeCrop)
    assert nested.steps[1].translate == 0.3


def test_what_test_images_look_like():
    enlarged = {name for name in USABLE if evaluation_resize(name, 28) == 32}
    assert enlarged == set(USABLE[:11])
    assert evaluation_resize("RandomResizedCrop + horizontal flip", 28) == 32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "RandomResizeCrop",
            "unknown augmentation 'RandomResizeCrop': did you mean RandomResizedCrop",
        ),
        ("random crop + flip", "unknown augmentation 'flip' .known"),
        ("RandAugment(0, 9)", "at least one operation"),
        ("", "unknown augmentation ''"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(InputError, match=message):
        augmentation(name, 28)


def test_wrong_images():
    with pytest.raises(InputError, match="a Pillow image or a tensor"):
        augmentation("none", 8)(np.zeros((8, 8, 3)))
    with pytest.raises(InputError, match=r"torch\.int64 came"):
        augmentation("none", 8)(torch.zeros(3, 8, 8, dtype=torch.int64))
    with pytest.raises(InputError, match="size is 0"):
        augmentation("none", 0)


@pytest.mark.parametrize("number", range(14))
@pytest.mark.parametrize("sign", [-1, 1])
def test_randaugment_does_what_torchvision_does(number, sign):
    reference = v2.RandAugment()
    name = list(reference._AUGMENTATION_SPACE)[number]
    assert list(OPERATIONS)[number] == name
    images = pictures(3, 21)
    magnitudes, signed = reference._AUGMENTATION_SPACE[name]
    values = magnitudes(31, 21, 21)
    magnitude = 0.0 if values is None else float(values[9]) * (sign if signed else 1)
    expected = reference._apply_image_or_video_transform(
        images, name, magnitude, interpolation=reference.interpolation, fill=reference._fill
    )
    numbers = torch.tensor([[(number + 0.5) / 14, 0.25 if sign < 0 else 0.75]]).expand(3, 2)
    ours = RandAugment(1).augment(images / 255, numbers)
    # Its magnitudes are float32, so that a factor of 1.27 rounds the other way now and then.
    assert isinstance(expected, torch.Tensor)
    difference = (ours * 255).round() - expected.float()
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 0.02


def test_randaugment_draws_each_operation_alike_and_for_each_image():
    both = RandAugment()
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand(30, both.num_draws, generator=generator, dtype=torch.float64)
    images = pictures(30, 12) / 255
    together = both.augment(images, numbers)
    for k in range(30):
        assert torch.equal(both.augment(images[k : k + 1], numbers[k : k + 1])[0], together[k])
    chosen = (torch.rand(7_000, generator=generator) * 14).floor()
    assert stats.chisquare(torch.bincount(chosen.long())).pvalue > 0.01


def test_cutmix_is_torchvisions_under_its_own_seed():
    images, labels = torch.rand(8, 3, 12, 12), torch.arange(8) % 3
    state = torch.get_rng_state()
    mixed, soft = CutMix()(images, labels, num_classes=3, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    expected, shares = v2.CutMix(num_classes=3)(images, labels)
    assert torch.equal(mixed, expected)
    assert torch.equal(soft, shares)
    again, _ = CutMix()(images, labels, num_classes=3, seed=5)
    other, _ = CutMix()(images, labels, num_classes=3, seed=6)
    assert torch.equal(again, mixed)
    assert not torch.equal(other, mixed)


def test_mixing_is_the_part_for_batches():
    assert isinstance(mixing("random crop + CutMix"), CutMix)
    assert mixing("RandAugment") is None
    with pytest.raises(InputError, match="did you mean CutMix"):
        mixing("Cutmix")
    with pytest.raises(InputError, match="alpha 0"):
        CutMix(0.0)
