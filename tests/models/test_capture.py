from typing import Any

import pytest
import torch
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models import FeatureMap, Probe, Vector, load_model
from invariscope.models.preprocessing import Preprocessing

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def hooks_of(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 4)

    def forward(self, images):
        return self.head(self.relu(self.conv(images)).mean((2, 3)))


def test_an_in_place_operation_afterwards_does_not_change_the_value():
    model = InPlace()
    kept = load_model(model).forward(IMAGES, ["conv", "relu"]).vectors
    with torch.no_grad():
        plain = model.conv(IMAGES)
    torch.testing.assert_close(kept["conv"], plain.mean((2, 3)))
    torch.testing.assert_close(kept["relu"], plain.relu().mean((2, 3)))
    assert not torch.allclose(kept["conv"], kept["relu"])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(3, 4)

    def forward(self, images):
        return self.head(self.conv(self.conv(images)).mean((2, 3)))


def test_a_module_called_twice_is_measured_at_its_last_call():
    model = Twice()
    kept = load_model(model).forward(IMAGES, ["conv"]).vectors["conv"]
    with torch.no_grad():
        torch.testing.assert_close(kept, model.conv(model.conv(IMAGES)).mean((2, 3)))


class Outputs(nn.Module):
    """A block that puts out whatever the test wants."""

    def __init__(self, wrap):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 5, 3), Wrap(wrap))
        self.head = nn.Linear(5, 4)
        self.unwrap = lambda out: next(
            v
            for v in (out.values() if isinstance(out, dict) else out)
            if isinstance(v, torch.Tensor) and v.ndim == 4
        )

    def forward(self, images):
        return {"logits": self.head(self.unwrap(self.block(images)).mean((2, 3)))}


class Wrap(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.wrap = wrap

    def forward(self, maps):
        return self.wrap(maps)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda maps: (maps, maps.sum()),
        lambda maps: [None, maps],
        lambda maps: {"aux": maps},
        lambda maps: {"pooler": maps.mean((2, 3)), "last_hidden_state": maps},
    ],
)
def test_tuple_and_dict_outputs(wrap):
    model = Outputs(wrap)
    probe = load_model(model)
    layers = probe.watch("block", IMAGES)
    assert [layer.name for layer in layers] == ["block", "embedding", "logits"]
    kept = probe.forward(IMAGES, ["block", "embedding", "logits"]).vectors
    with torch.no_grad():
        maps = model.block[0](IMAGES).mean((2, 3))
        torch.testing.assert_close(kept["block"], maps)
        torch.testing.assert_close(kept["embedding"], maps)
        torch.testing.assert_close(kept["logits"], model.head(maps))


def test_hooks_are_gone_afterwards_and_after_errors():
    probe = load_model(InPlace())
    assert probe.module is not None
    probe.watch("auto", IMAGES)
    probe.forward(IMAGES, ["conv", "embedding"])
    assert hooks_of(probe.module) == 0

    def failing(layer, activation):
        raise ZeroDivisionError("in the reducer")

    # An error of the reducer is its own, not the model's.
    with pytest.raises(ZeroDivisionError, match="in the reducer"):
        probe.forward(IMAGES, ["conv"], failing)
    assert hooks_of(probe.module) == 0
    probe.module.head = nn.Linear(99, 4)
    with pytest.raises(RunError, match=r"fails on images of shape \[3, 3, 16, 16\] \(RuntimeError"):
        probe.forward(IMAGES, ["conv"])
    assert hooks_of(probe.module) == 0
    with pytest.raises(InputError, match=r"fails on images of shape \[2, 3, 8, 8\]"):
        probe.watch("auto", IMAGES[:, :, :8, :8])
    assert hooks_of(probe.module) == 0


def test_the_users_own_hooks_survive():
    model = InPlace()
    calls = []
    model.conv.register_forward_hook(lambda *_: calls.append(1))
    probe = Probe(model, Preprocessing(), "toy")
    probe.forward(IMAGES, ["conv"])
    assert hooks_of(model) == 1
    assert len(calls) == 3  # the dry run, the probe of the input and the forward pass


def test_the_reducer_sees_names_and_both_kinds_of_activation():
    seen = {}

    def record(layer, activation):
        seen[layer] = type(activation), tuple(activation.values.shape)
        return activation.values.clone()

    out = load_model(InPlace()).forward(IMAGES, ["conv", "embedding", "logits"], record)
    assert seen == {
        "conv": (FeatureMap, (3, 6, 14, 14)),
        "embedding": (Vector, (3, 6)),
        "logits": (Vector, (3, 4)),
    }
    assert out.vectors["conv"].shape == (3, 6, 14, 14)


def test_out_of_memory_is_not_wrapped():
    class Greedy(nn.Module):
        def forward(self, images):
            if len(images) > 2:
                raise torch.OutOfMemoryError("too many")
            return images.mean((2, 3))

    probe = load_model(Greedy())
    with pytest.raises(torch.OutOfMemoryError):
        probe.forward(IMAGES, ["embedding"])


def test_values_equal_a_forward_pass_cut_by_hand():
    probe = load_model("timm:resnet18+untrained", seed=3)
    module: Any = probe.module
    images = torch.rand(2, 3, 64, 64)
    kept = probe.forward(images, ["layer1.0", "layer2.1", "layer4.1"]).vectors
    with torch.no_grad():
        x = module.maxpool(
            module.act1(module.bn1(module.conv1(probe.preprocessing.normalise(images))))
        )
        first = module.layer1[0](x)
        second = module.layer2(module.layer1[1](first))
        last = module.layer4(module.layer3(second))
    for name, maps in (("layer1.0", first), ("layer2.1", second), ("layer4.1", last)):
        torch.testing.assert_close(kept[name], maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
