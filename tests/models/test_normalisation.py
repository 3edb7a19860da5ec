import pytest
import timm
import torch
from torch import nn
from torchvision import models as tv
from torchvision import transforms

import invariscope
from invariscope.errors import InputError
from invariscope.models import Preprocessing, load_model
from invariscope.models.normalisation import WORDS, own_normalisation, resolve


class Wrapped(nn.Module):
    def __init__(self, *before, inner=None):
        super().__init__()
        self.before = nn.Sequential(*before)
        self.inner = inner or nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
        )

    def forward(self, images):
        return self.inner(self.before(images))


def unknown(probe):
    return [line for line in probe.warnings if line.startswith("mean and std are unknown")]


def test_a_module_without_configuration_is_warned_of_once():
    probe = load_model(Wrapped())
    (line,) = unknown(probe)
    assert "were not applied" in line
    assert "pictures keep their size" in line
    assert "`preprocessing='imagenet'`, clip, inception" in line
    (sized,) = unknown(load_model(Wrapped(), preprocessing={"size": 64}))
    assert "pictures keep their size" not in sized
    # The warning stands at the top of a result.
    result = invariscope.measure(
        Wrapped(), torch.rand(3, 3, 16, 16), transformations="rotate=90", layers="last"
    )
    assert line in result.warnings


@pytest.mark.parametrize(
    "given",
    ["imagenet", "none", {"mean": 0.5, "std": 0.5}, {"like": "clip", "size": 32}, Preprocessing(
        source="mine")],
)  # fmt: skip
def test_whoever_states_mean_and_std_is_not_warned(given):
    assert not unknown(load_model(Wrapped(), preprocessing=given))
    # Also where the probe was made before.
    assert not unknown(load_model(load_model(Wrapped()), preprocessing=given))


@pytest.mark.parametrize("given", [{"size": 32}, {"mean": 0.5}, {"interpolation": "bicubic"}])
def test_half_a_statement_is_none(given):
    assert unknown(load_model(Wrapped(), preprocessing=given))


def test_words_state_mean_and_std_alone():
    own = load_model("timm:vit_tiny_patch16_224+untrained").preprocessing
    other = resolve(own, "imagenet")
    assert (other.mean, other.std) == WORDS["imagenet"] == (
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225),
    )  # fmt: skip
    assert (other.size, other.resize, other.interpolation) == (
        own.size, own.resize, own.interpolation,
    )  # fmt: skip
    assert other.source.startswith("mean and std by the user: imagenet; size and crop: timm")
    images = torch.rand(2, 3, 8, 8)
    wanted = transforms.Normalize(*WORDS["imagenet"])(images)
    assert torch.allclose(resolve(Preprocessing(), "imagenet").normalise(images), wanted)
    assert torch.equal(resolve(Preprocessing(), "none").normalise(images), images)
    lowest = resolve(Preprocessing(), "inception").normalise(torch.zeros(1, 3, 1, 1))
    assert (lowest == -1).all()


def test_words_for_one_channel_are_means_over_colours():
    grey = Preprocessing(channels=1, mean=(0.0,), std=(1.0,))
    assert resolve(grey, "imagenet").mean == pytest.approx((0.449,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("imagnet", "unknown preprocessing 'imagnet'.*did you mean imagenet"),
        ("no/such.json", "there is no such file"),
        ({"like": "imagenet", "sise": 3}, "unknown preprocessing value 'sise'"),
    ],
)
def test_wrong_words_are_one_line(given, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(Wrapped(), preprocessing=given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec", ["timm:test_resnet+untrained", "torchvision:resnet18+untrained", "small:cnn7"]
)
def test_specs_that_know_theirs_do_not_warn(spec):
    assert not unknown(load_model(spec))


def test_a_function_gets_a_decision_and_no_warning():
    probe = load_model(lambda images: images.mean((2, 3)))
    assert not probe.warnings
    said = probe.decisions(torch.rand(2, 3, 8, 8))
    assert said["normalisation"].startswith("pixels in [0, 1] go into the function")


class WithBuffers(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("pixel_mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("pixel_std", torch.ones(1, 3, 1, 1))


class WithTransform(Wrapped):
    def __init__(self):
        super().__init__()
        self.prepare = transforms.Compose([transforms.Normalize(0.5, 0.5)])


class Normalise(nn.Module):
    def forward(self, images):
        return images - 0.5


@pytest.mark.parametrize(
    "module",
    [
        WithBuffers(),
        WithTransform(),
        Wrapped(transforms.Normalize((0.5,) * 3, (0.5,) * 3)),
        Wrapped(Normalise()),
        Wrapped(nn.BatchNorm2d(3)),
        Wrapped(nn.InstanceNorm2d(3)),
    ],
)
def test_a_module_that_normalises_by_itself_is_said_and_not_warned_of(module):
    probe = load_model(module)
    assert not unknown(probe)
    said = probe.decisions(torch.rand(2, 3, 16, 16))["normalisation"]
    assert said.startswith("the module normalises its pixels by itself: it")


@pytest.mark.parametrize(
    "module",
    [
        tv.resnet18(),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()),
        nn.Sequential(nn.Conv2d(3, 3, 3), Normalise()),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm(4)),
    ],
)
def test_normalisation_further_in_is_none_of_the_pixels(module):
    assert own_normalisation(module) is None


def test_what_could_be_meant_is_named_and_not_taken():
    inner = timm.create_model("test_resnet", num_classes=5)
    wrapped = load_model(Wrapped(inner=inner))
    (line,) = unknown(wrapped)
    assert "its part inner is timm:test_resnet" in line
    assert wrapped.preprocessing.mean == (0.0, 0.0, 0.0)
    (line,) = unknown(load_model(tv.resnet18()))
    assert "torchvision:NAME@WEIGHTS" in line
    # And what is named works.
    taken = load_model(Wrapped(inner=inner), preprocessing="timm:test_resnet").preprocessing
    own = load_model(inner).preprocessing
    assert (taken.mean, taken.std, taken.size, taken.resize) == (
        own.mean, own.std, own.size, own.resize,
    )  # fmt: skip


def test_a_model_of_luminance_gets_luminance():
    module = timm.create_model("test_resnet", in_chans=1, num_classes=3)
    probe = load_model(module)
    assert probe.preprocessing.channels == 1
    assert any("luminance" in line for line in probe.warnings)
    colours = load_model("timm:test_resnet+untrained").preprocessing
    assert probe.preprocessing.mean == pytest.approx((sum(colours.mean) / 3,))
    result = invariscope.measure(module, torch.rand(4, 3, 64, 64), transformations="rotate=90")
    assert result.frame["value"].notna().any()
    plain = load_model(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()))
    assert unknown(plain)
    assert plain.preprocessing.channels == 1
