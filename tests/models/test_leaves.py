"""Which tensor of an output stands for a layer."""

from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.leaves import layer_leaf, leaf_at, leaves, tensor_of

A, B = torch.zeros(1), torch.ones(1)
EXAMPLE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
OTHERS = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@dataclass
class Said:
    index: int
    maps: Tensor


def test_first_tensor_of_an_output():
    assert tensor_of((None, [A, B])) is A
    assert tensor_of(OrderedDict(last_hidden_state=A, logits=B)) is B
    assert tensor_of({"features": B, "last_hidden_state": A}) is A
    assert tensor_of({"out": A, "aux": B}) is A
    assert tensor_of(Said(3, B)) is B
    assert tensor_of("text") is None


def test_a_leaf_is_found_again_at_its_path():
    output = {"a": (None, torch.zeros(2, dtype=torch.long)), "b": [Said(1, B)]}
    (leaf,) = leaves(output)
    assert leaf.key == "b.0.maps"
    assert leaf_at(output, leaf.path) is B
    assert leaf_at(B, ()) is B
    assert leaf_at(output, ("a", 0)) is None


def test_the_first_with_the_images_in_front_stands_for_a_layer():
    two, six = torch.zeros(2, 3), torch.zeros(6, 3)
    kept = layer_leaf((six, two), lambda tensor: len(tensor) == 2)
    assert kept is not None
    assert kept.tensor is two
    kept = layer_leaf({"x": two, "logits": six, "last_hidden_state": two}, lambda t: len(t) == 2)
    assert kept is not None
    assert kept.path == ("last_hidden_state",)
    none = layer_leaf((six, six[:3]), lambda tensor: len(tensor) == 2)
    assert none is not None
    assert none.tensor is six
    assert layer_leaf((None, 3), lambda _: True) is None


class Lay(nn.Module):
    """Puts out what a function makes of a map; it has weights, as a block does."""

    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.ones(2, 2))

    def forward(self, maps):
        return self.function(maps)


class Network(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.lay, self.head = nn.Conv2d(3, 12, 8, 8), Lay(function), nn.Linear(12, 5)

    def forward(self, images):
        maps = self.stem(images)
        self.lay(maps)
        return self.head(maps.mean((2, 3)))


def pixels(maps: Tensor) -> Tensor:
    """[image and place, pixel, channel], as TNT's inner tokens."""
    return maps.permute(0, 2, 3, 1).reshape(-1, 3, 4)


def tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).mT


def before_images(maps: Tensor) -> Tensor:
    return maps.flatten(2).permute(2, 0, 1)


def summary(maps: Tensor) -> Tensor:
    """[2, image, channel]: in the dry run of two images either axis may be theirs."""
    return torch.stack([maps.mean((2, 3)), maps.amax((2, 3))])


OUTPUTS = {
    "pixels, patches": lambda maps: (pixels(maps), tokens(maps)),
    "patches, pixels": lambda maps: (tokens(maps), pixels(maps)),
    "patches in a dictionary": lambda maps: {"pixels": pixels(maps), "patches": [tokens(maps)]},
    "an index before them": lambda maps: (torch.arange(2), None, tokens(maps)),
    "tokens before images": lambda maps: (before_images(maps), maps.mean((2, 3))),
    "a mean over all images first": lambda maps: (maps.mean((0, 2, 3)), maps),
}


@pytest.mark.parametrize("what", OUTPUTS)
def test_a_block_of_several_tensors_is_read_at_the_one_of_the_images(what):
    probe = load_model(Network(OUTPUTS[what]), preprocessing={"size": 64})
    layer = probe.watch("lay", EXAMPLE)[0]
    assert layer.grid == (8, 8)
    assert layer.channels == 12
    kept = probe.forward(OTHERS, ["lay", "embedding"]).vectors
    torch.testing.assert_close(kept["lay"], kept["embedding"])


def test_an_axis_that_looked_like_the_images_of_the_dry_run_is_not_taken_for_theirs():
    model = Network(summary)
    probe = load_model(model, preprocessing={"size": 64})
    probe.watch("lay", EXAMPLE)
    with torch.no_grad():
        expected = summary(model.stem(OTHERS)).mean(0)
    torch.testing.assert_close(probe.forward(OTHERS, ["lay"]).vectors["lay"], expected)


def test_a_layer_of_which_no_tensor_counts_the_images_is_named():
    probe = load_model(Network(lambda maps: (pixels(maps), maps.mean())), preprocessing="none")
    with pytest.raises(InputError, match=r"layer 'lay': .* is not one value set per image"):
        probe.watch("lay", EXAMPLE)
    assert [layer.name for layer in probe.watch("l*", EXAMPLE)] == ["embedding", "logits"]
    line = "no tensor that lay puts out has one entry per image: left out"
    assert line in probe.doubts(EXAMPLE)
    assert "left out: lay" in probe.decisions(EXAMPLE)["maps"]
