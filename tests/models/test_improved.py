"""`improved:FOLDER` opens what was written, whatever the original was opened from."""

import shutil

import pytest
import torch

from invariscope.errors import InputError
from invariscope.models import load_model, save_trained
from invariscope.models.architecture import build_architecture
from invariscope.models.improved import read_improved, save_improved
from invariscope.models.state_hash import hash_state

SMALL = "small:cnn7?width=0.2&size=16"
PICTURES = torch.rand(3, 3, 16, 16)


def moved(probe):
    """Other weights of the same network."""
    return {
        name: value + 0.1 if value.is_floating_point() else value
        for name, value in probe.module.state_dict().items()
    }


def trained(folder):
    module, needs = build_architecture(SMALL, num_classes=4, seed=0)
    save_trained(
        folder, module, architecture=SMALL, num_classes=4, class_names=list("abcd"),
        preprocessing=needs, seed=0,
    )  # fmt: skip
    return f"trained:{folder.name}"


@pytest.mark.parametrize("kind", ["trained", "small", "checkpoint", "timm", "builtin"])
def test_the_weights_come_back(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = {
        "trained": lambda: trained(tmp_path / "net"),
        "small": lambda: SMALL,
        "timm": lambda: "timm:resnet10t+untrained",
        "builtin": lambda: "builtin:efficientnet-lite0+untrained",
        "checkpoint": lambda: "checkpoint:w.pt@timm:resnet10t",
    }[kind]()
    if kind == "checkpoint":
        import timm

        torch.save(timm.create_model("resnet10t", num_classes=7).state_dict(), "w.pt")
    probe = load_model(spec)
    assert probe.module is not None
    state = moved(probe)
    needs = probe.preprocessing.override({"mean": 0.25})
    save_improved(tmp_path / "out", state, base=spec, preprocessing=needs, about={"n": 1})
    monkeypatch.chdir("/")  # paths of the original are absolute in it
    again = load_model(f"improved:{tmp_path / 'out'}")
    assert again.weights_hash == hash_state(state) != probe.weights_hash
    assert again.preprocessing.mean == (0.25,) * len(needs.mean)
    assert again.class_names == probe.class_names
    assert again.starts == ""
    assert again.spec == f"improved:{tmp_path / 'out'}"
    assert read_improved(tmp_path / "out").about == {"n": 1}
    twin = load_model(f"improved:{tmp_path / 'out'}+untrained")
    assert twin.weights_hash != again.weights_hash


def test_what_cannot_be_opened_says_why(tmp_path):
    probe = load_model(SMALL)
    assert probe.module is not None
    how = {"preprocessing": probe.preprocessing, "about": {}}
    with pytest.raises(InputError, match=r"there is no model.json; give a folder that"):
        load_model(f"improved:{tmp_path}")
    save_improved(tmp_path / "a", probe.module.state_dict(), base="", **how)
    with pytest.raises(InputError, match="a module that Python handed over"):
        load_model(f"improved:{tmp_path / 'a'}")
    save_improved(tmp_path / "b", {"weight": torch.ones(2)}, base=SMALL, **how)
    with pytest.raises(InputError, match="does not fit the network of small:cnn7"):
        load_model(f"improved:{tmp_path / 'b'}")
    shutil.copy(tmp_path / "a" / "weights.pt", tmp_path / "b" / "weights.pt")
    with pytest.raises(InputError, match="is not as it was written"):
        load_model(f"improved:{tmp_path / 'b'}")
