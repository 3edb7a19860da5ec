from typing import Any

import pytest
import timm
import torch
from torch import nn

import invariscope
from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.twin import dormant_scales, drawing, reset_copy

IMAGES = torch.rand(2, 3, 16, 16)


class Block(nn.Module):
    """Parameters without reset_parameters, of every kind."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.position = nn.Parameter(torch.full((1, 4, 14, 14), 9.0))
        self.gamma = nn.Parameter(torch.full((4,), 9.0))
        self.query_bias = nn.Parameter(torch.full((4,), 9.0))

    def forward(self, images):
        maps = self.norm(self.conv(images)) + self.position
        return maps.mean((2, 3)) * self.gamma + self.query_bias


def test_a_module_is_reset_by_the_stated_rule():
    model: Any = Block()
    with torch.no_grad():
        model.norm.running_mean += 5
        model.conv.weight += 1
    twin: Any = reset_copy(model, 0, "toy")
    assert torch.equal(twin.norm.running_mean, torch.zeros(4))
    assert twin.conv.weight.mean().abs() < 0.2
    assert 0.015 < twin.position.std() < 0.025
    assert torch.equal(twin.gamma, torch.ones(4))
    assert torch.equal(twin.query_bias, torch.zeros(4))
    # The model itself is untouched.
    assert model.conv.weight.mean() > 0.8
    assert torch.equal(model.gamma, torch.full((4,), 9.0))


def test_twins_follow_the_seed():
    probe = load_model(Block())
    a, b, other = probe.untrained(1), probe.untrained(1), probe.untrained(2)
    assert a.weights_hash == b.weights_hash != other.weights_hash
    assert probe.weights_hash not in (a.weights_hash, other.weights_hash)
    assert a.spec == "module:Block+untrained"
    assert a.untrained(1).spec == "module:Block+untrained"


def test_a_twin_is_a_probe_with_the_same_layers_and_preprocessing():
    probe = load_model("timm:resnet10t+untrained", preprocessing={"size": 64}, seed=0)
    twin = probe.untrained(7)
    images = torch.rand(2, 3, 64, 64)
    assert twin.watch("auto", images) == probe.watch("auto", images)
    assert twin.preprocessing == probe.preprocessing
    assert load_model("timm:resnet10t+untrained", seed=7).weights_hash == twin.weights_hash


def test_a_callable_has_no_twin():
    with pytest.raises(InputError, match="a plain callable has no untrained twin"):
        load_model(lambda images: images.mean((2, 3))).untrained(0)


def test_drawing_restores_the_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)

    def fail() -> None:
        with drawing(0):
            torch.rand(5)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(torch.rand(2), expected)


def test_transformers_of_torch_are_reset_too():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(3.0)
    twin = reset_copy(model, 0, "toy")
    values = {name: parameter for name, parameter in twin.named_parameters()}
    assert not any((value == 3).any() for value in values.values())


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("resnet18", 8, "layer1.0.bn2.weight"),
        ("convnext_atto", 12, "stages.0.blocks.0.gamma"),
        ("cait_xxs24_224", 52, "blocks.0.gamma_1"),
        ("poolformer_s12", 24, "stages.0.blocks.0.layer_scale1.scale"),
        ("nf_regnet_b0", 16, "stages.0.0.conv3.gain"),
        ("resnetv2_50", 0, ""),
        ("convnextv2_atto", 0, ""),
        ("vit_tiny_patch16_224", 0, ""),
    ],
)
def test_branches_that_a_library_starts_at_zero_are_found(name, count, first):
    scales = dormant_scales(timm.create_model(name))
    assert len(scales) == count
    assert next(iter(scales), "") == first


def spread(probe, images):
    """The mean cosine distance between the embeddings of two pictures."""
    vectors = nn.functional.normalize(probe.forward(images, ["embedding"]).vectors["embedding"])
    return float((1 - vectors @ vectors.T)[~torch.eye(len(images), dtype=torch.bool)].mean())


def test_which_twin_it_is_is_said_and_the_other_is_offered():
    torch.manual_seed(0)
    images = torch.rand(6, 3, 1, 1) * 0.5 + torch.rand(6, 3, 64, 64) * 0.5
    library, active, torchvision = (
        load_model(spec)
        for spec in ("timm:resnet18+untrained", "timm:resnet18+untrained:active",
                     "torchvision:resnet18+untrained")
    )  # fmt: skip
    assert library.starts == (
        "as its library starts it: 8 scales of residual branches (layer1.0.bn2.weight, …) are near "
        "0, +untrained:active sets them to 1"
    )
    assert active.starts == (
        "as its library starts it, but 8 scales of residual branches (layer1.0.bn2.weight, …) set "
        "from near 0 to 1"
    )
    assert torchvision.starts == "weights as they are drawn; no residual branch is off"
    assert library.decisions(images)["twin"] == library.starts
    assert spread(library, images) > 5 * spread(torchvision, images)
    assert 0.5 < spread(active, images) / spread(torchvision, images) < 2
    # Everything else is drawn alike.
    started, switched = library.module, active.module
    assert started is not None
    assert switched is not None
    one, other = started.state_dict(), switched.state_dict()
    assert {n for n in one if not torch.equal(one[n], other[n])} == set(dormant_scales(started))


def test_the_active_twin_beside_a_measurement():
    model = timm.create_model("test_resnet", zero_init_last=True, num_classes=4)
    options: Any = {
        "transformations": "rotate=90", "layers": "last", "preprocessing": {"size": 64}
    }  # fmt: skip
    images = torch.rand(4, 3, 64, 64)
    spec = "timm:test_resnet+untrained"
    controls = {}
    for twin in (True, "active"):
        result = invariscope.measure(spec, images, twin=twin, **options)
        controls[twin] = result.controls.query("control == 'untrained'")["value"].to_numpy()
        said = result.manifest["decisions"]["twin"]
        assert ("set from near 0 to 1" in said) == (twin == "active")
    assert not (controls[True] == controls["active"]).all()
    # A module that is reset has its scales at 1 by the rule.
    assert "no residual branch is off" in load_model(model).untrained(0).starts
    with pytest.raises(InputError, match="twin is 'activ'; True, False, None or 'active' work"):
        invariscope.measure(spec, images, twin="activ", **options)


def test_specs_of_active_models():
    probe = load_model("timm:test_resnet+untrained:active", seed=3)
    assert probe.spec == "timm:test_resnet+untrained:active"
    twin = load_model("timm:test_resnet+untrained", seed=0).untrained(3, active=True)
    assert (twin.spec, twin.weights_hash) == (probe.spec, probe.weights_hash)
    with pytest.raises(InputError, match="unknown"):
        load_model("timm:test_resnet+untrained:activ")
