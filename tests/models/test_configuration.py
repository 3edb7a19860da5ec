import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import models as tv

from invariscope.errors import InputError
from invariscope.models import Preprocessing, load_model
from invariscope.models.configuration import from_processor, from_timm_values, read_configuration


def picture(width=301, height=260):
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [
        128 + 100 * np.sin(rows / a) * np.cos(columns / b) for a, b in ((9, 7), (20, 5), (6, 30))
    ]
    return Image.fromarray(np.stack(waves, -1).astype(np.uint8))


def prepared(preprocessing, image):
    pixels = preprocessing.geometry(image)
    return preprocessing.normalise(pixels[None].float() / 255)[0]


def test_the_projects_own_file_comes_back(tmp_path):
    own = Preprocessing(size=(8, 9), resize=(10, 11), mean=(0.1, 0.2, 0.3), crop_mode="squash")
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(own.as_dict()))
    read = read_configuration(str(file), ())
    assert read.as_dict() == {**own.as_dict(), "source": str(file)}
    assert read.stated


def test_timms_config_from_file_folder_and_name(tmp_path):
    config = {
        "input_size": [3, 96, 96],
        "crop_pct": 0.75,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "interpolation": "bicubic",
        "crop_mode": "center",
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"architecture": "resnet18", "pretrained_cfg": config}))
    for what in (file, tmp_path):
        read = read_configuration(str(what), ())
        assert (read.size, read.resize, read.mean) == ((96, 96), 128, (0.1, 0.2, 0.3))
    assert from_timm_values(config, "x").std == (0.4, 0.5, 0.6)
    named = read_configuration("timm:vit_tiny_patch16_224", ())
    own = load_model(timm.create_model("vit_tiny_patch16_224")).preprocessing
    assert {**named.as_dict(), "source": ""} == {**own.as_dict(), "source": ""}


def test_a_preset_of_torchvision_by_name():
    read = read_configuration("torchvision:resnet50@IMAGENET1K_V2", ())
    weights = tv.ResNet50_Weights.IMAGENET1K_V2
    assert torch.allclose(prepared(read, picture()), weights.transforms()(picture()), atol=1e-5)


PROCESSORS = {
    "ViTImageProcessor": {"size": {"height": 48, "width": 64}},
    "CLIPImageProcessor": {"size": {"shortest_edge": 60}, "crop_size": {"height": 48, "width": 48}},
    "BitImageProcessor": {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 64}},
    "ConvNextImageProcessor of 384": {"size": {"shortest_edge": 384}},
    "LevitImageProcessor": {"size": {"shortest_edge": 56},
                            "crop_size": {"height": 48, "width": 48}},
    "DeiTImageProcessor": {"size": {"height": 64, "width": 64},
                           "crop_size": {"height": 56, "width": 56}},
    "EfficientNetImageProcessor": {"size": {"height": 60, "width": 60}, "rescale_offset": True,
                                   "rescale_factor": 1 / 127.5, "do_normalize": False},
    "SiglipImageProcessor": {"size": {"height": 48, "width": 48}},
    "ViTImageProcessor without normalising": {"size": {"height": 48, "width": 48},
                                              "do_normalize": False},
    "ViTImageProcessor of values to 255": {"size": {"height": 48, "width": 48},
                                           "do_rescale": False, "image_mean": [120.0, 110.0, 100.0],
                                           "image_std": [60.0, 50.0, 40.0]},
}  # fmt: skip


@pytest.mark.parametrize("name", PROCESSORS)
def test_pictures_are_prepared_as_the_image_processor_does(name, tmp_path):
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, name.split()[0])(**PROCESSORS[name])
    processor.save_pretrained(tmp_path)
    read = read_configuration(str(tmp_path), ())
    found = prepared(read, picture())
    wanted = processor(picture(), return_tensors="pt")["pixel_values"][0]
    assert found.shape == wanted.shape
    scale = float(wanted.std())
    # Pillow and torchvision round resampled pixels differently, by at most a few of 255.
    assert (found - wanted).abs().mean() < 0.02 * scale
    assert (found - wanted).abs().max() < 0.2 * scale


def test_old_files_name_sizes_by_one_number():
    old = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": 24, "resample": 3}
    vit = from_processor({**old, "feature_extractor_type": "ViTFeatureExtractor"}, "x")
    assert (vit.size, vit.resize, vit.crop_mode) == ((24, 24), (24, 24), "squash")
    clip = from_processor(
        {**old, "feature_extractor_type": "CLIPFeatureExtractor", "do_center_crop": True,
         "crop_size": 20}, "x",
    )  # fmt: skip
    assert (clip.size, clip.resize, clip.crop_mode) == ((20, 20), 24, "center")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], "is no configuration of preprocessing"),
        ({"hidden_size": 3}, "is no configuration of preprocessing"),
        ({"image_processor_type": "PerceiverImageProcessor"}, "does more than resize"),
        ({"image_mean": [0.5] * 3, "size": {"longest_edge": 3}}, "is not understood"),
        ({"mean": [0.5] * 3, "interpolation": "bilinear", "colour": 3}, "is not understood"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_one_line(values, message, tmp_path):
    file = tmp_path / "file.json"
    file.write_text(json.dumps(values))
    with pytest.raises(InputError, match=message) as caught:
        read_configuration(str(file), ())
    assert "\n" not in str(caught.value)


def test_no_json_and_an_empty_folder(tmp_path):
    (tmp_path / "file.json").write_text("mean: 3")
    for what, message in ((tmp_path / "file.json", "is no JSON file"), (tmp_path, "has no prepro")):
        with pytest.raises(InputError, match=message):
            read_configuration(str(what), ())


def test_the_settings_of_pretrainedmodels_are_a_file_too(tmp_path):
    file = tmp_path / "settings.json"
    values = {
        "input_space": "BGR", "input_size": [3, 224, 224], "input_range": [0, 255],
        "mean": [104, 117, 128], "std": [1, 1, 1],
    }  # fmt: skip
    file.write_text(json.dumps(values))
    found = read_configuration(str(file), ())
    assert (found.channel_order, found.size, found.resize) == ("bgr", (224, 224), 256)
    images = torch.rand(1, 3, 2, 2)
    wanted = 255 * images.flip(1) - torch.tensor([104.0, 117.0, 128.0]).view(3, 1, 1)
    assert torch.allclose(found.normalise(images), wanted, atol=1e-4)


def test_mobilevits_processor_puts_blue_first_and_subtracts_no_mean(tmp_path):
    transformers = pytest.importorskip("transformers")
    processor = transformers.MobileViTImageProcessor(
        size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}
    )
    processor.save_pretrained(tmp_path)
    found = read_configuration(str(tmp_path), ())
    image = Image.fromarray(torch.randint(0, 256, (36, 36, 3), dtype=torch.uint8).numpy())
    wanted = processor(image, return_tensors="pt")["pixel_values"]
    got = found.normalise(found.geometry(image)[None].float() / 255)
    assert torch.allclose(got, wanted, atol=1e-6)
