"""Transforms of other libraries: the same for an image whatever its batch, with a stated motion."""

import sys

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

import invariscope
from invariscope.errors import InputError
from invariscope.transformations import get_transformation, transformation_from

IMAGES = torch.rand(5, 3, 24, 24, generator=torch.Generator().manual_seed(0))
IDS = list("abcde")


def generators():
    """All but Python's own, from which the type checker of the tests draws."""
    legacy = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return legacy["key"].tobytes(), legacy["pos"], torch.get_rng_state().tolist()


def drawing():
    """Transforms that draw for each image, one of each library that is there."""
    yield v2.ColorJitter(0.5, 0.5)
    yield v2.RandomPerspective(0.5, 1.0)
    yield v2.GaussianNoise()
    kornia = pytest.importorskip("kornia.augmentation")
    yield kornia.RandomRotation(30.0, p=0.5)
    albumentations = pytest.importorskip("albumentations")
    yield albumentations.GaussNoise(std_range=(0.1, 0.1), p=1.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_image_draws_the_same_in_any_batch_and_the_generators_stay():
    for transform in drawing():
        act = transformation_from(transform)
        before = generators()
        together = act(IMAGES, 1, seed=3, image_ids=IDS)
        alone = torch.cat([
            act(image[None], 1, seed=3, image_ids=[name])
            for image, name in zip(IMAGES.flip(0), reversed(IDS), strict=True)
        ]).flip(0)  # fmt: skip
        assert torch.equal(together, alone), transform
        assert generators() == before
        assert act(IMAGES, 0) is IMAGES
        other = act(IMAGES, 1, seed=4, image_ids=IDS)
        assert not torch.equal(together, other), transform


@pytest.mark.parametrize("side", [96, 224, 32])
def test_a_transform_may_be_made_for_one_side(side):
    mask = torch.linspace(0, 1, side)
    act = transformation_from(lambda factor: lambda images: images * mask, name="fading")
    images = torch.ones(1, 3, side, side)
    assert torch.equal(act(images, 1, image_ids=["a"])[0, 0, 0], mask)


def test_what_draws_nothing_is_done_in_one_call():
    sizes = []

    def darker(images):
        sizes.append(len(images))
        return images / 2

    act = transformation_from(lambda factor: darker, (1.0, 0.5), name="darker", unit="×")
    sizes.clear()
    assert torch.equal(act(IMAGES, 1, image_ids=IDS), IMAGES / 2)
    assert sizes == [1, 5]


@pytest.mark.parametrize(
    ("make", "motion"),
    [
        (lambda a: v2.RandomRotation((a, a)), "turns by 20° counter-clockwise about the centre"),
        (lambda a: v2.RandomAffine((a, a)), "turns by 20° clockwise about the centre"),
        (
            lambda a: lambda x: functional.rotate(x, a, center=[0.0, 0.0]),
            "turns by 20° counter-clockwise about the point 0.00, 0.00 of the frame",
        ),
        (lambda a: v2.RandomHorizontalFlip(1.0), "mirrors positions"),
        (
            lambda a: lambda x: x.roll((12, -24), (2, 3)),
            "moves by -25 % of the side to the right and +12 % down",
        ),
        (lambda a: v2.RandomAffine([0, 0], scale=(0.5, 0.5)), "scales by 0.50 about the centre"),
        (lambda a: v2.RandomAffine([0, 0], shear=(a, a)), "shears or stretches positions"),
        (lambda a: v2.GaussianBlur(5), "leaves positions as they are"),
        (lambda a: torch.zeros_like, ""),
    ],
)
def test_the_motion_is_seen(make, motion):
    assert transformation_from(make, (0, 20), name="x").family.motion == motion


def test_a_motion_that_is_drawn_is_called_so():
    motion = transformation_from(v2.RandomRotation([-40, 40])).family.motion
    assert motion.startswith("draws what it does to positions; once seen: turns by")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_albumentations_agree_with_our_sign_and_their_warnings_are_errors():
    albumentations = pytest.importorskip("albumentations")
    turn = transformation_from(
        lambda a: albumentations.Rotate((a, a), p=1.0, border_mode=0), (0, 20), name="turn"
    )
    assert turn.family.motion == "turns by 20° counter-clockwise about the centre"
    ours = get_transformation("rotate=20")(IMAGES, 1)
    inner = (..., slice(8, 16), slice(8, 16))
    assert (turn(IMAGES, 1, image_ids=IDS)[inner] - ours[inner]).abs().max() < 0.02
    with pytest.raises(InputError, match=r"no transform of magnitude 5 can be made .*var_limit"):
        transformation_from(lambda v: albumentations.GaussNoise(var_limit=(v, v)), (0, 5))


def test_in_a_sweep_with_the_transform_in_its_identity(tmp_path):
    asked = {"layers": "last", "output": tmp_path}

    def turn(sign):
        make = lambda a: v2.RandomRotation((sign * a, sign * a))  # noqa: E731
        return transformation_from(make, (0, 15), name="turn", unit="°")

    def network(images):
        return images.flatten(1)[:, ::7]

    result = invariscope.measure(network, IMAGES, transformations=[turn(1)], **asked)
    assert result.frame.query("level == 1").magnitude.unique().tolist() == [15.0]
    words = result.manifest["transformations"]["turn"]
    assert words["motion"] == "turns by 15° counter-clockwise about the centre"
    with pytest.raises(InputError, match="holds a run with other settings: cells"):
        invariscope.measure(network, IMAGES, transformations=[turn(-1)], **asked)
    convolution = torch.nn.Conv2d(3, 4, 3)
    with pytest.raises(InputError, match=r"turn \(turns by .*\) does not say how maps move"):
        invariscope.measure(
            convolution, IMAGES, transformations=[turn(1)], metrics="channel_invariance"
        )


def test_by_the_name_of_a_users_module(tmp_path, monkeypatch):
    (tmp_path / "own_turns.py").write_text(
        "from torchvision.transforms import v2\n"
        "from invariscope.transformations import transformation_from\n"
        "blur = transformation_from(lambda s: v2.GaussianBlur(9, s), (0, 1, 2), name='soft')\n"
        "def made():\n    return blur\n"
        "wrong = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("blur", "made"):
        assert get_transformation(f"python:own_turns:{name}").name == "soft"
    for name, message in (("wrong", "is a int: give what"), ("blurr", "did you mean blur")):
        with pytest.raises(InputError, match=message):
            get_transformation(f"python:own_turns:{name}")
    del sys.modules["own_turns"]


@pytest.mark.parametrize(
    ("make", "magnitudes", "message"),
    [
        (3, (0, 1), "3 is neither a transform nor a function"),
        (lambda m: 3, (0, 1), "3 is no transform"),
        (lambda m: v2.RandomRotation(m), (0,), "are no levels"),
        (v2.Resize(8), (0, 1), "Resize makes .* of images .*: a transformation keeps their shape"),
        (lambda m: lambda x: x @ x[0, 0, :5], (0, 1), "cannot be applied to images"),
    ],
)
def test_what_cannot_be_used_is_said(make, magnitudes, message):
    with pytest.raises(InputError, match=message):
        transformation_from(make, magnitudes)


def test_a_transform_with_a_generator_of_its_own_is_refused():
    own = torch.Generator().manual_seed(0)
    with pytest.raises(InputError, match="draws from a generator of its own"):
        transformation_from(lambda m: lambda x: x * torch.rand(1, generator=own), (0, 1))


def test_a_crop_of_one_size_is_taken():
    crop = transformation_from(v2.RandomResizedCrop(32, antialias=True))
    images = torch.rand(2, 3, 32, 32)
    assert crop(images, 1, image_ids=["a", "b"]).shape == images.shape
    with pytest.raises(InputError, match="pass image_ids"):
        crop(images, 1)
