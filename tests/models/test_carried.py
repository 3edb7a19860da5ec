from typing import Any

import pytest
import timm
import torch
from timm.models.resnet import ResNet
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision import transforms

from invariscope.models import load_model
from invariscope.models.carried import carried

CONFIG = {
    "mean": (0.4, 0.5, 0.6), "std": (0.1, 0.2, 0.3), "input_size": (3, 32, 32),
    "interpolation": "bicubic", "crop_pct": 1.0, "num_classes": 5, "architecture": "mine",
}  # fmt: skip


class Net(nn.Module):
    pretrained_cfg: Any

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
        self.pretrained_cfg = dict(CONFIG)

    def forward(self, images):
        self.given = images.detach()
        return self.fc(self.conv(images).mean((2, 3)))


class Buffers(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(CONFIG["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(CONFIG["std"]).view(1, 3, 1, 1))

    def forward(self, images):
        return super().forward((images - self.mean) / self.std)


class Late(Net):  # the layer that runs first is set last
    def __init__(self):
        super().__init__()
        self.prepare = transforms.Normalize(CONFIG["mean"], CONFIG["std"])

    def forward(self, images):
        return super().forward(self.prepare(images))


class Forwarding(nn.Module):
    """A wrapper that has whatever its network has."""

    def __init__(self, inner):
        super().__init__()
        self.normalize = transforms.Normalize(CONFIG["mean"], CONFIG["std"])
        self.inner = inner

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, images):
        return self.inner(self.normalize(images))


def given(module, images, **more) -> torch.Tensor:
    """What the innermost network gets."""
    probe = load_model(module, **more)
    probe.watch("last", images)
    probe.forward(images, ["embedding"])
    assert probe.module is not None
    found: Any = next(part for part in probe.module.modules() if hasattr(part, "given"))
    return found.given


def about(probe):
    return [line for line in probe.warnings if line.startswith("mean and std")]


def normalised(images):
    return transforms.Normalize(CONFIG["mean"], CONFIG["std"])(images)


@pytest.mark.parametrize("make", [Buffers, Late, lambda: Forwarding(Net())])
def test_a_wrapper_that_normalises_and_carries_a_configuration_normalises_once(make):
    images = torch.rand(2, 3, 32, 32)
    assert torch.allclose(given(make(), images), normalised(images), atol=1e-6)
    probe = load_model(make())
    (line,) = about(probe)
    assert "were not applied" in line
    assert "normalises by itself: it" in line
    assert "`preprocessing={'mean': (0.4, 0.5, 0.6), 'std': (0.1, 0.2, 0.3)}`" in line
    assert probe.preprocessing.size == (32, 32)
    assert probe.decisions(images)["preprocessing"].endswith("without its mean and std")
    # what the message says works, and is not doubted any more
    stated = load_model(make(), preprocessing={"mean": CONFIG["mean"], "std": CONFIG["std"]})
    assert not about(stated)
    assert stated.preprocessing.mean == CONFIG["mean"]


def test_a_configuration_on_a_class_that_is_not_timms_is_taken_and_said():
    images = torch.rand(2, 3, 32, 32)
    assert torch.allclose(given(Net(), images), normalised(images), atol=1e-6)
    (line,) = about(load_model(Net()))
    assert "taken from the pretrained_cfg of Net" in line
    assert "`preprocessing='none'`" in line
    assert about(load_model(Net(), preprocessing={"size": 16})) == [line]
    assert not about(load_model(Net(), preprocessing="none"))
    assert torch.equal(given(Net(), images, preprocessing="none"), images)


def test_a_configuration_without_mean_and_std_is_none():
    # timm would put ImageNet's in their place
    net = Net()
    net.pretrained_cfg = {"url": "here", "num_classes": 5}
    assert "are unknown" in carried(net).warning
    net.pretrained_cfg = "mine"
    assert "are unknown" in carried(net).warning
    assert load_model(net).num_outputs == 5


def test_timms_own_classes_and_what_adds_nothing_to_them_are_trusted():
    model: Any = timm.create_model("test_resnet", pretrained=False)
    assert type(model) is ResNet

    class Mine(ResNet):
        """Without a forward of its own."""

    for wrapped in (model, nn.DataParallel(model), AveragedModel(model), torch.compile(model)):
        probe = load_model(wrapped)
        assert not about(probe)
        assert probe.preprocessing.source == "timm configuration of test_resnet"
    model.__class__ = Mine
    assert not about(load_model(model))
    Mine.forward = lambda self, x: model.forward_features(x).mean((2, 3))
    assert "pretrained_cfg of Mine" in about(load_model(model))[0]


def test_what_is_measured_of_wrappers_of_wrappers_is_said():
    probe = load_model(torch.compile(nn.DataParallel(Net())))
    said = probe.decisions(torch.rand(2, 3, 32, 32))["wrapper"]
    assert said == "measured is the Net inside OptimizedModule of DataParallel"
    assert isinstance(probe.module, Net)


def test_an_adapter_counts_as_what_it_adapts():
    peft = pytest.importorskip("peft")
    model = timm.create_model("test_vit", pretrained=False)
    config = peft.LoraConfig(r=2, target_modules=["qkv"])
    probe = load_model(peft.get_peft_model(model, config))
    assert not about(probe)
    assert probe.preprocessing.source == "timm configuration of test_vit"
    doubted = load_model(peft.get_peft_model(Net(), peft.LoraConfig(r=2, target_modules=["fc"])))
    assert "pretrained_cfg of Net" in about(doubted)[0]


def test_a_sequence_of_a_normalisation_and_a_network_is_not_normalised_twice():
    images = torch.rand(2, 3, 32, 32)
    both = nn.Sequential(transforms.Normalize(CONFIG["mean"], CONFIG["std"]), Net())
    assert torch.allclose(given(both, images), normalised(images), atol=1e-6)
    probe = load_model(both)
    assert not about(probe)
    said = probe.decisions(images)["normalisation"]
    assert said == "the module normalises its pixels by itself: its layer 0 (Normalize) holds a " \
        "mean and a std"  # fmt: skip


class Caffe(Net):
    def __init__(self, **attributes):
        super().__init__()
        del self.pretrained_cfg
        values = {
            "input_space": "BGR", "input_range": [0, 255], "mean": [104.0, 117.0, 124.0],
            "std": [1.0, 1.0, 1.0], "input_size": [3, 32, 32],
        }  # fmt: skip
        for name, value in {**values, **attributes}.items():
            setattr(self, name, value)


def test_caffes_weights_get_blue_first_in_0_to_255():
    images = torch.rand(2, 3, 32, 32)
    wanted = 255 * images.flip(1) - torch.tensor([104.0, 117.0, 124.0]).view(3, 1, 1)
    assert torch.allclose(given(Caffe(), images, preprocessing={"resize": None}), wanted, atol=1e-3)
    probe = load_model(Caffe())
    (line,) = about(probe)
    assert "attributes input_space, input_range, mean and std of Caffe" in line
    assert (probe.preprocessing.size, probe.preprocessing.resize) == ((32, 32), 36)
    plain = load_model(Caffe(), preprocessing="none").preprocessing
    assert (plain.channel_order, plain.mean) == ("rgb", (0, 0, 0))


@pytest.mark.parametrize(
    "odd", [{"input_range": [-1, 1]}, {"input_space": "YCC"}, {"std": 2.0}, {"mean": None}]
)
def test_attributes_that_are_not_understood_are_named(odd):
    (line,) = about(load_model(Caffe(**odd)))
    assert "are unknown" in line
    assert "its attributes input_space=" in line
    assert "were not taken" in line


def test_lists_named_mean_and_std_do_not_show_that_a_module_normalises():
    (line,) = about(load_model(Caffe(input_space=None, input_range=None)))
    assert "its attributes mean=[104.0, 117.0, 124.0], std=[1.0, 1.0, 1.0] were not taken" in line
