from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torchvision import models as tv

from invariscope.errors import InputError
from invariscope.models import Preprocessing, load_model
from invariscope.models.preprocessing import ANY_CHANNELS, from_timm


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    found = find_spec("skimage")
    if found is None or not found.origin:
        pytest.skip("scikit-image is not installed: pip install 'invariscope[demo]'")
    path = Path(found.origin).parent / "data" / "astronaut.png"
    # Not square, so that the short side and the crop both matter.
    return Image.open(path).convert("RGB").crop((0, 0, 512, 391))


TIMM = [
    "resnet18",  # 0.95, bicubic
    "tf_efficientnet_lite0",  # 0.875, bicubic
    "vit_tiny_patch16_224",  # mean and std 0.5
    "convnext_atto",
    "vit_base_patch16_siglip_224",  # crop mode "squash"
    "eva02_tiny_patch14_336",
]


@pytest.mark.parametrize("name", TIMM)
def test_geometry_and_values_are_those_of_timm(name, photograph):
    with torch.device("meta"):
        module = timm.create_model(name)
    config: dict[str, Any] = resolve_model_data_config(module)
    ours = from_timm(module)
    reference: Any = create_transform(**config, is_training=False, normalize=False)
    geometry = reference(photograph)
    got = ours.geometry(photograph)
    assert got.dtype == torch.uint8
    assert torch.equal(got, geometry)
    normalised: Any = create_transform(**config, is_training=False)
    whole = normalised(photograph)
    torch.testing.assert_close(ours.normalise(got[None] / 255)[0], whole)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_every_crop_mode_and_oblong_sizes(mode, size, photograph):
    config = {
        "architecture": "toy",
        "input_size": (3, *size),
        "crop_pct": 0.9,
        "crop_mode": mode,
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.2, 0.2),
        "interpolation": "bicubic",
    }
    module: Any = torch.nn.Identity()
    module.pretrained_cfg = config
    data_config: dict[str, Any] = resolve_model_data_config(module)
    reference: Any = create_transform(**data_config, is_training=False, normalize=False)
    expected = reference(photograph)
    assert torch.equal(load_model(module).preprocessing.geometry(photograph), expected)


@pytest.mark.parametrize(
    ("name", "weights"),
    [("resnet50", "IMAGENET1K_V2"), ("resnet50", "IMAGENET1K_V1"), ("efficientnet_b0", None)],
)
def test_geometry_and_values_are_those_of_torchvision(name, weights, photograph):
    enum: Any = tv.get_model_weights(name)
    preset = (enum[weights] if weights else enum.DEFAULT).transforms()
    spec = f"torchvision:{name}" + (f"@{weights}" if weights else "") + "+untrained"
    ours = load_model(spec).preprocessing
    normalised = ours.normalise(ours.geometry(photograph)[None] / 255)[0]
    torch.testing.assert_close(normalised, preset(photograph))
    # The preset has no output before normalisation: undo it to compare pixels exactly.
    mean, std = torch.tensor(preset.mean)[:, None, None], torch.tensor(preset.std)[:, None, None]
    pixels = ((preset(photograph) * std + mean) * 255).round().to(torch.uint8)
    assert torch.equal(ours.geometry(photograph), pixels)


def test_uint8_tensors_take_the_path_of_pillow(photograph):
    ours = Preprocessing(size=(60, 60), resize=70, interpolation="bicubic")
    tensor = torch.from_numpy(np.array(photograph)).permute(2, 0, 1)
    assert torch.equal(ours.geometry(tensor), ours.geometry(photograph))


def test_float_tensors_stay_float_in_range(photograph):
    ours = Preprocessing(size=(60, 60), resize=70, interpolation="bicubic")
    tensor = torch.from_numpy(np.array(photograph)).permute(2, 0, 1)
    got = ours.geometry(tensor / 255)
    assert got.dtype == torch.float32
    assert got.min() >= 0
    assert got.max() <= 1
    assert (got - ours.geometry(tensor) / 255).abs().mean() < 0.005


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode, photograph):
    image = photograph.convert(mode)
    got = Preprocessing(size=(32, 32), resize=40).geometry(image)
    assert got.shape == (3, 32, 32)


def test_identity_keeps_size_and_values(photograph):
    identity = load_model(torch.nn.Conv2d(3, 4, 1)).preprocessing
    assert identity.size is None
    assert identity.source.startswith("identity")
    assert identity.geometry(photograph).shape == (3, 391, 512)
    images = torch.rand(2, 3, 5, 4)
    assert torch.equal(identity.normalise(images), images)


def test_one_channel_is_luminance_as_pillow_has_it(photograph):
    grey = Preprocessing(channels=1, mean=(0.0,), std=(1.0,))
    images = torch.from_numpy(np.array(photograph)).permute(2, 0, 1)[None] / 255
    expected = np.array(photograph.convert("L"), dtype=np.float32) / 255
    assert np.abs(grey.normalise(images)[0, 0].numpy() - expected).max() < 1.01 / 255


def test_normalise_does_not_change_its_input():
    images = torch.rand(1, 3, 4, 4)
    before = images.clone()
    Preprocessing(mean=(0.5,) * 3, std=(0.1,) * 3).normalise(images)
    assert torch.equal(images, before)


def test_override_is_recorded_and_keeps_the_crop_ratio():
    probe = load_model("timm:resnet18+untrained", preprocessing={"size": 112, "mean": 0.5})
    ours = probe.preprocessing
    assert (ours.size, ours.resize, ours.mean) == ((112, 112), 117, (0.5, 0.5, 0.5))
    assert ours.source.endswith("by the user: mean, size")


def test_as_dict_is_json_and_comes_back():
    import json

    ours = load_model("timm:resnet18+untrained").preprocessing
    assert Preprocessing.from_dict(json.loads(json.dumps(ours.as_dict()))) == ours


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sise": 3}, "unknown preprocessing value 'sise': did you mean size"),
        ({"size": 0}, "size is 0; a positive whole number or two work"),
        ({"size": "big"}, "size is 'big'"),
        ({"std": 0.0}, "std is .* above 0"),
        ({"mean": [0.1, 0.2]}, "mean has 2 values for 3 channel"),
        ({"mean": "white"}, "mean is 'white'; one number per channel works"),
        ({"interpolation": "cubic"}, "unknown interpolation 'cubic': did you mean bicubic"),
        ({"channels": 0}, "channels is 0; a whole number from 1 on works"),
        ({"channels": "rgb"}, "channels is 'rgb'; a whole number from 1 on works"),
        ({"bands": [0, 1]}, r"bands is \(0, 1\); the numbers of the bands work, counted from 1"),
        ({"bands": []}, r"bands is \(\); the numbers"),
        ({"crop_mode": "centre"}, "unknown crop mode 'centre': did you mean center"),
    ],
)
def test_bad_values_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        Preprocessing(size=(8, 8), resize=9).override(changes)


@pytest.mark.parametrize("image", [torch.zeros(3, 0, 8), torch.zeros(8, 8)])
def test_bad_tensors_are_named(image):
    with pytest.raises(InputError, match=r"such as \[3, height, width\]"):
        Preprocessing().geometry(image)


def test_integer_tensors_other_than_uint8_are_refused():
    with pytest.raises(InputError, match=r"int64 came; uint8"):
        Preprocessing().geometry(torch.zeros(3, 8, 8, dtype=torch.int64))


def test_blue_first_turns_the_channels_and_takes_mean_and_std_along(photograph):
    colours = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    blue = colours.override({"channel_order": "bgr"})
    images = torch.rand(2, 3, 4, 5)
    assert torch.equal(blue.normalise(images), colours.normalise(images).flip(1))
    assert blue.override({"channel_order": "rgb"}).mean == colours.mean
    stated = colours.override({"channel_order": "bgr", "mean": [0.7, 0.8, 0.9]})
    assert (stated.mean, stated.std) == ((0.7, 0.8, 0.9), (0.6, 0.5, 0.4))
    assert Preprocessing.from_dict(blue.as_dict()) == blue
    assert "channel_order" not in colours.as_dict()
    # a border has the colour of the mean, whatever the order
    crop = {"size": 40, "resize": 40, "crop_mode": "border"}
    assert torch.equal(
        blue.override(crop).geometry(photograph), colours.override(crop).geometry(photograph)
    )


def test_blue_first_is_for_three_channels():
    assert Preprocessing().override({"channel_order": "bgr"}).channels == 3
    assert ANY_CHANNELS.override({"channel_order": "bgr"}).channels == 3
    assert Preprocessing(channel_order="bgr").override({"channels": 1}).channel_order == "rgb"
    with pytest.raises(InputError, match="channel_order bgr is for three channels, and 1 came"):
        Preprocessing().override({"channels": 1, "channel_order": "bgr"})
    with pytest.raises(InputError, match="unknown channel order 'gbr'"):
        Preprocessing().override({"channel_order": "gbr"})
