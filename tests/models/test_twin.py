from typing import Any

import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.twin import drawing, reset_copy

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
