"""A copy of a probe's network is trained: logits come out, and what is frozen stays."""

from typing import Any

import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.state_hash import hash_state
from invariscope.models.trainable import Trainable, with_weights

IMAGES = torch.rand(4, 3, 8, 8)


def network() -> Any:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    head = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(144), nn.Linear(144, 5))
    return nn.Sequential(stem, nn.ReLU(), head)


def train_a_step(trainable: Any):
    trainable.train()
    changing = [p for p in trainable.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(changing, lr=0.1)
    trainable(IMAGES).square().sum().backward()
    optimizer.step()


def test_what_is_frozen_as_a_whole_keeps_weights_statistics_and_mode():
    model = network()
    model[0].requires_grad_(False)
    before = hash_state(model.state_dict())
    trainable: Any = Trainable(load_model(model), IMAGES)
    stem, _, head = trainable.network.children()
    frozen, free = hash_state(stem.state_dict()), head[1].running_mean.clone()
    train_a_step(trainable)
    assert hash_state(stem.state_dict()) == frozen
    assert not stem[2].training
    assert head[1].training
    assert not torch.equal(head[1].running_mean, free)
    assert hash_state(model.state_dict()) == before  # the user's own


def test_batch_norms_of_trained_parts_follow_the_images():
    trainable: Any = Trainable(load_model(network()), IMAGES)
    before = trainable.network[0][1].running_mean.clone()
    train_a_step(trainable)
    assert not torch.equal(trainable.network[0][1].running_mean, before)


class Wrapped(nn.Module):
    """As models of transformers do: logits in a dictionary, after what is no answer."""

    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, pixels):
        return {"hidden": pixels.flatten(1), "logits": self.inner(pixels)}


def test_the_logits_of_an_output_of_several_tensors():
    trainable: Any = Trainable(load_model(Wrapped()), IMAGES).eval()
    assert torch.equal(trainable(IMAGES), network().eval()(IMAGES))


def test_other_weights_are_those_of_a_copy():
    probe: Any = load_model(network())
    trainable: Any = Trainable(probe, IMAGES)
    train_a_step(trainable)
    before = probe.weights_hash
    changed = with_weights(probe, trainable.weights(), "changed")
    assert changed.spec == "changed"
    assert changed.module is not None
    assert not changed.module.training
    assert hash_state(changed.module.state_dict()) == hash_state(trainable.weights())
    assert hash_state(probe.module.state_dict()) == before != changed.weights_hash


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: x.flatten(1), "is a function or a program, whose weights cannot be trained"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "its task is dense"),
        (network().requires_grad_(False), "all its parameters are frozen"),
        (network().double(), "weights of torch.float64"),
    ],
)
def test_what_cannot_be_trained_is_refused(model, message):
    with pytest.raises(InputError, match=message):
        Trainable(load_model(model), IMAGES)
