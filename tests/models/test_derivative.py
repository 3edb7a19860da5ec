"""The derivative of every layer against finite differences of the same layers."""

import pytest
import timm
import torch
from timm.models.mlp_mixer import MlpMixer
from torch import nn
from torchvision.models import VisionTransformer

from invariscope.errors import InputError, RunError
from invariscope.models import EMBEDDING, LOGITS, FeatureMap, Probe, differentiate, load_model

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(2, 3, 32, 32, generator=GENERATOR)
TANGENTS = torch.randn(2, 3, 32, 32, generator=GENERATOR)


def values_and_derivatives(probe, layers, images=IMAGES, tangents=TANGENTS):
    def keep(layer, activation, derivative):
        return activation.values.clone(), derivative.clone()

    return differentiate(probe, images, tangents, layers, keep)


def activations(probe, images, layers):
    return probe.forward(images, layers, lambda _, a: a.values.clone()).vectors


def check(probe: Probe, step=1e-7, least=0.99):
    """All watched layers of the model in float64, against the difference of two passes."""
    assert probe.module is not None
    layers = [layer.name for layer in probe.watch("auto", IMAGES)]
    single = values_and_derivatives(probe, layers)
    probe.module.double()
    double = Probe(probe.module, probe.preprocessing, probe.spec)
    ahead = activations(double, IMAGES.double() + step * TANGENTS, layers)
    behind = activations(double, IMAGES.double() - step * TANGENTS, layers)
    plain = activations(double, IMAGES.double(), layers)
    got = values_and_derivatives(double, layers, IMAGES.double(), TANGENTS.double())
    for layer in layers:
        if layer in (EMBEDDING, LOGITS):  # these are handed over in float32
            continue
        expected = (ahead[layer] - behind[layer]) / (2 * step)
        value, derivative = got[layer]
        torch.testing.assert_close(value, plain[layer])
        cosine = nn.functional.cosine_similarity(expected.flatten(), derivative.flatten(), 0)
        assert cosine > least, (layer, cosine)  # a few ReLUs and maxima switch within the step
        close = (derivative - expected).abs() < 1e-5 * expected.abs().max()
        assert close.double().mean() > least, layer
        off = (single[layer][1].double() - derivative).norm() / derivative.norm()
        assert off < 1e-4, (layer, off)
    expected = (logits(double, step) - logits(double, -step)) / (2 * step)
    torch.testing.assert_close(got[LOGITS][1].double(), expected, rtol=1e-3, atol=1e-4)
    return layers


def logits(probe, step):
    """Of the module itself, in float64."""
    with torch.no_grad():
        return probe.module(probe.preprocessing.normalise(IMAGES.double() + step * TANGENTS))


def resnet():
    return timm.create_model("resnet18", num_classes=7)


def transformer():
    return timm.create_model(
        "vit_tiny_patch16_224", num_classes=7, img_size=32, patch_size=8, depth=3
    )


def mixer():
    return MlpMixer(num_classes=7, img_size=32, patch_size=8, num_blocks=3, embed_dim=32)


def fused():
    """Attention whose inference path is one kernel, without a derivative."""
    return VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=7)


@pytest.mark.parametrize("make", [resnet, transformer, mixer, fused])
def test_every_watched_layer_has_the_derivative_of_finite_differences(make):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = make()
        for parameter in list(model.parameters())[-2:]:  # heads begin at zero in some
            nn.init.normal_(parameter)
    assert len(check(load_model(model))) > 3
    assert torch.backends.mha.get_fastpath_enabled()


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 4)

    def forward(self, images):
        return self.head(self.relu(self.conv(images)).mean((2, 3)))


def test_an_in_place_operation_afterwards_does_not_change_the_derivative():
    torch.manual_seed(0)
    model = InPlace()
    found = values_and_derivatives(load_model(model), ["conv", "relu", "embedding", "logits"])
    with torch.no_grad():
        plain = model.conv(IMAGES)
        moved = nn.functional.conv2d(TANGENTS, model.conv.weight)
    torch.testing.assert_close(found["conv"][0], plain)
    torch.testing.assert_close(found["conv"][1], moved, rtol=1e-4, atol=1e-5)
    kept = moved * (plain > 0)
    torch.testing.assert_close(found["relu"][1], kept, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["embedding"][1], kept.mean((2, 3)), rtol=1e-4, atol=1e-5)
    expected = kept.mean((2, 3)) @ model.head.weight.T
    torch.testing.assert_close(found["logits"][1], expected, rtol=1e-4, atol=1e-5)


def test_normalisation_is_differentiated():
    model = nn.Conv2d(3, 2, 1, bias=False)
    probe = load_model(model, preprocessing={"mean": 0.3, "std": 0.25})
    found = values_and_derivatives(probe, ["embedding"])["embedding"]
    with torch.no_grad():
        expected = model(TANGENTS / 0.25).mean((2, 3))
    torch.testing.assert_close(found[1], expected, rtol=1e-4, atol=1e-5)


def test_a_callable_has_the_derivative_of_its_outputs():
    weight = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    probe = load_model(lambda images: images.mean((2, 3)) @ weight.T)
    found = values_and_derivatives(probe, ["embedding", "logits"])
    expected = TANGENTS.mean((2, 3)) @ weight.T
    for name in ("embedding", "logits"):
        torch.testing.assert_close(found[name][1], expected, rtol=1e-4, atol=1e-6)


def test_parameters_and_gradients_are_left_alone():
    model = InPlace()
    probe = load_model(model)
    activation = {}

    def keep(layer, value, derivative):
        activation[layer] = (type(value), derivative.requires_grad)

    differentiate(probe, IMAGES, TANGENTS, ["conv"], keep)
    assert activation == {"conv": (FeatureMap, False)}
    assert probe.module is not None
    assert all(parameter.grad is None for parameter in probe.module.parameters())
    assert sum(len(m._forward_hooks) for m in probe.module.modules()) == 0


class Stem(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.after = nn.Conv2d(4, 4, 3)
        self.change = change

    def forward(self, images):
        return self.after(self.change(self.conv(images)))


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, *grads):
        return 2 * grads[0]


def test_a_custom_function_without_a_formula_is_named():
    probe = load_model(Stem(Twice.apply))
    with pytest.raises(InputError, match=r"an autograd\.Function without jvp has no forward-mode"):
        values_and_derivatives(probe, ["conv", "after"])


def test_a_layer_that_is_cut_off_is_an_error_and_not_an_invariance():
    probe = load_model(Stem(lambda x: torch.from_numpy(x.detach().numpy())))
    with pytest.raises(InputError, match="layer 'after' is cut off from the images"):
        values_and_derivatives(probe, ["conv", "after"])


def test_tangents_must_fit():
    probe = load_model(InPlace())
    with pytest.raises(InputError, match=r"tangents has shape \[2, 3, 32, 16\] but images has"):
        values_and_derivatives(probe, ["conv"], IMAGES, TANGENTS[..., :16])


class Refuses(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        if self.calls > 2:  # loading asks what the first layer takes, the dry run what there is
            raise ValueError("no more")
        return self.conv(images)


def test_an_error_of_the_model_stays_one():
    with pytest.raises(RunError, match="ValueError: no more"):
        values_and_derivatives(load_model(Refuses()), ["embedding"])
