"""Corruptions that lie in files: the file of the image's own name, and the errors made of them."""

import numpy as np
import pytest
import torch
from PIL import Image

import invariscope
from invariscope.errors import InputError
from invariscope.results.corruption_errors import ALEXNET, MCE
from invariscope.transformations import get_transformations

SIDE, COUNT = 8, 12
CLASSES = ("dark", "light")


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIDE, SIDE, 3), value, np.uint8)).save(path)


def value_of(name, severity, number, light):
    """Grey levels: the more severe, the more light pictures look dark to the model below."""
    dimmed = light and number < 2 * severity - (name == "fog")
    return 60 if dimmed or not light else 200


@pytest.fixture
def folders(tmp_path):
    """Pictures of two classes, and two corruptions of them, one in the folder of its kind."""
    for k in range(COUNT):
        for light, label in enumerate(CLASSES):
            write(tmp_path / "val" / label / f"{k}.png", 200 if light else 60)
            for kind, name in (("noise", "shot_noise"), ("", "fog")):
                for severity in range(1, 6):
                    file = tmp_path / "c" / kind / name / str(severity) / label / f"{k}.png"
                    write(file, value_of(name, severity, k, bool(light)))
    return tmp_path


def brightness(images):
    """Two scores: dark or light."""
    mean = images.mean((1, 2, 3))
    return torch.stack([0.5 - mean, mean - 0.5], 1) + images.flatten(1)[:, :2] * 1e-3


def test_each_level_is_the_file_of_the_same_name(folders):
    fog, shot = get_transformations(f"imagenet-c:{folders / 'c'}")
    assert (fog.name, shot.name) == ("fog", "shot_noise")
    assert fog.describe(3) == "3 of 5"
    images, ids = torch.rand(2, 3, SIDE, SIDE), ["light/0.png", "light/5.png"]
    assert fog(images, 0, image_ids=ids) is images
    grey = (fog(images, 3, image_ids=ids)[:, 0, 0, 0] * 255).tolist()
    assert grey == [60, 200]
    for height, width in ((16, 12), (12, 16)):  # they fill the frame, whatever its shape
        filled = fog(torch.rand(2, 1, height, width), 3, image_ids=ids)
        assert filled.shape == (2, 1, height, width)
        assert (filled.amin((1, 2, 3)) * 255).tolist() == [60, 200]


def test_accuracy_and_corruption_errors_of_a_run(folders):
    result = invariscope.measure(
        brightness, folders / "val", transformations=f"imagenet-c:{folders / 'c'}",
        metrics="accuracy", model_classes="order", num_images=None,
    )  # fmt: skip
    table = result.corruption_errors().set_index("corruption")
    for name in ("fog", "shot_noise"):
        wrong = [
            sum(value_of(name, s, k, True) == 60 for k in range(COUNT)) / (2 * COUNT)
            for s in range(1, 6)
        ]
        row = table.loc[name].to_dict()
        assert row["error"] == pytest.approx(np.mean(wrong))
        assert row["relative"] == pytest.approx(np.mean(wrong) / ALEXNET[name])
        assert row["ci_low"] < row["relative"] < row["ci_high"]
        assert row["n"] == 2 * COUNT
    assert MCE not in table.index  # of two corruptions there is none


def test_mce_is_the_mean_over_all_fifteen(folders):
    for name in ALEXNET:
        if name != "fog" and name != "shot_noise":
            (folders / "c" / name).symlink_to(folders / "c" / "fog")
    result = invariscope.measure(
        brightness, folders / "val", transformations=f"imagenet-c:{folders / 'c'}",
        metrics="accuracy", model_classes="order",
    )  # fmt: skip
    table = result.corruption_errors().set_index("corruption")
    assert len(table) == 16
    mean, row = table["relative"].drop(index=MCE).mean(), table.loc[MCE].to_dict()
    assert row["relative"] == pytest.approx(mean)
    assert row["ci_low"] < mean < row["ci_high"]


def test_what_is_missing_is_said(folders):
    (fog, _) = get_transformations(f"imagenet-c:{folders / 'c'}")
    with pytest.raises(InputError, match=r"no .*fog/2/light/99\.png, the corrupted form of"):
        fog(torch.rand(1, 3, SIDE, SIDE), 2, image_ids=["light/99.png"])
    (folders / "c" / "fog" / "2" / "light" / "0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"0\.png cannot be read"):
        fog(torch.rand(1, 3, SIDE, SIDE), 2, image_ids=["light/0.png"])
    with pytest.raises(InputError, match="no such folder"):
        get_transformations("imagenet-c:nowhere")
    with pytest.raises(InputError, match="no corruptions there; folders CORRUPTION/1"):
        get_transformations(f"imagenet-c:{folders / 'val'}")
    result = invariscope.measure(
        brightness, folders / "val", transformations="invert", metrics="prediction_consistency"
    )
    with pytest.raises(InputError, match="no accuracy under corruptions"):
        result.corruption_errors()


def test_the_files_belong_to_the_identity_of_a_run(folders, tmp_path):
    def measured(output=None):
        return invariscope.measure(
            brightness, folders / "val", transformations=f"imagenet-c:{folders / 'c'}",
            metrics="prediction_consistency", output=output,
        )  # fmt: skip

    first = measured(tmp_path / "run")
    assert set(first.manifest["settings"]["files"]) == {"fog", "shot_noise"}
    moved = folders / "moved"
    (folders / "c").rename(moved)
    again = invariscope.measure(
        brightness, folders / "val", transformations=f"imagenet-c:{moved}",
        metrics="prediction_consistency", output=tmp_path / "run",
    )  # fmt: skip
    assert again.manifest["identity"] == first.manifest["identity"]  # wherever they lie
    moved.rename(folders / "c")
    write(folders / "c" / "fog" / "4" / "light" / "3.png", 61)
    assert measured().manifest["identity"] != first.manifest["identity"]
    with pytest.raises(InputError, match=r"other settings: files\.fog is '"):
        measured(tmp_path / "run")
