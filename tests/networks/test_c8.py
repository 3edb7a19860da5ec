"""The C8 network of e2cnn: the order of its fields, exact turns, what interpolation costs."""

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from invariscope.models import Fields, load_model
from invariscope.transformations import action_on, get_group
from networks.c8 import SIDE, c8_network, c8_probe, marks

pytest.importorskip("e2cnn")
pytestmark = marks

C8 = get_group("C8")
MAPS = ("blocks.0.1", "blocks.1.0", "blocks.2.0", "blocks.3.0", "blocks.4.0", "blocks.5.0")
LATENT = ("group_pool", "embedding", "logits")


@pytest.fixture(scope="module")
def probe():
    return c8_probe()


@pytest.fixture(scope="module")
def images():
    """Digits inside the circle that no rotation moves out of the frame."""
    digits: Any = load_digits()
    pixels = torch.tensor(digits.images[:8] / 16, dtype=torch.float32)[:, None]
    large = functional.interpolate(pixels, size=(19, 19), mode="bilinear")
    return functional.pad(large, (5, 5, 5, 5)).expand(-1, 3, -1, -1)


def values(probe, images, layers=(*MAPS, *LATENT)):
    return probe.forward(images, layers, lambda name, activation: activation.values.clone()).vectors


def distance(a, b):
    return float((a - b).norm() / b.norm())


def acted(own, layer, level, turns=None):
    """T_g of a layer's maps, the channels permuted by `turns` steps (by those of g, if None)."""
    moved = action_on(C8, level, (SIDE, SIDE), tuple(own.shape[2:]))(own)
    return moved[:, layer.fields.permutation(45 * (level if turns is None else turns))]


def test_layers_say_their_fields_themselves(probe, images):
    layers = probe.watch("auto", images)
    assert [layer.name for layer in layers] == [*MAPS, *LATENT]
    assert [layer.fields.describe() if layer.fields else None for layer in layers] == [
        *(f"C8: {number} fields of 8 channels" for number in (3, 4, 4, 6, 6, 8)),
        *(None, None, None),
    ]
    assert not any(layer.note for layer in layers)


@pytest.mark.parametrize("level", [2, 4, 6])
def test_exact_at_quarter_turns(probe, images, level):
    layers = {layer.name: layer for layer in probe.watch("auto", images)}
    own, moved = values(probe, images), values(probe, C8(images, level))
    for name in MAPS:
        assert distance(acted(own[name], layers[name], level), moved[name]) < 2e-6, name
        assert distance(acted(own[name], layers[name], level, 0), moved[name]) > 0.1, name
    for name in LATENT:
        assert distance(own[name], moved[name]) < 2e-6, name


def test_near_the_interpolation_floor_at_an_eighth(probe, images):
    floor = distance(C8.there_and_back(images, 1), images)
    assert 0.05 < floor < 0.15
    layers = {layer.name: layer for layer in probe.watch("auto", images)}
    own, moved = values(probe, images), values(probe, C8(images, 1))
    # A map is interpolated as well, the coarser the worse: 29 cells a side at first, 5 at last.
    for name, limit in zip(MAPS, (1, 1.5, 1.5, 2, 2, 3), strict=True):
        wrong = min(distance(acted(own[name], layers[name], 1, k), moved[name]) for k in (0, 2, 7))
        right = distance(acted(own[name], layers[name], 1), moved[name])
        assert right < limit * floor, name
        assert right < wrong / 1.5, name
    for name in LATENT:
        assert distance(moved[name], own[name]) < floor / 2, name


def test_a_copy_and_the_twin_are_new_networks_that_are_equivariant_too(probe, images):
    network = c8_network()
    assert load_model(network).weights_hash == load_model(network.train()).weights_hash
    twin = probe.untrained(3)
    # The coefficients are drawn, not set as scales are.
    assert twin.module.get_submodule("blocks.0.1").weights.std() > 0.05
    own, moved = values(twin, images), values(twin, C8(images, 2))
    assert distance(own["blocks.0.1"], values(probe, images)["blocks.0.1"]) > 0.5
    layers = {layer.name: layer for layer in twin.watch("auto", images)}
    for name in MAPS:
        assert distance(acted(own[name], layers[name], 2), moved[name]) < 2e-6, name
    assert probe.untrained(3).weights_hash == twin.weights_hash != probe.untrained(4).weights_hash


def test_an_explicit_declaration_wins(images):
    probe = load_model(
        c8_network(), preprocessing={"size": SIDE, "channels": 1}, fields={"blocks.1.*": 4}
    )
    layers = probe.watch("auto", images)
    orders = {layer.name: layer.fields.order for layer in layers if layer.fields}
    assert [orders[name] for name in MAPS] == [8, 4, 8, 8, 8, 8]


class Strange(torch.nn.Module):
    """Layers whose field types have no known permutation, or need none."""

    def __init__(self):
        super().__init__()
        spaces: Any = pytest.importorskip("e2cnn.gspaces")
        turns, flips, both = spaces.Rot2dOnR2(8), spaces.Flip2dOnR2(), spaces.FlipRot2dOnR2(4)
        kinds = {
            "mixed": (turns, [turns.regular_repr, turns.trivial_repr, turns.regular_repr]),
            "vectors": (turns, [turns.irrep(1)] * 2),
            "quotient": (turns, [turns.quotient_repr(2)]),
            "flips": (flips, [flips.regular_repr] * 2),
            "dihedral": (both, [both.regular_repr]),
            "still": (both, [both.trivial_repr] * 3),
        }
        for name, (space, representations) in kinds.items():
            self.add_module(name, Typed(space, representations))

    def forward(self, images):
        return [part(images) for part in self.children()]


class Typed(torch.nn.Module):
    """An ordinary convolution whose output is given a type."""

    def __init__(self, space: Any, representations: list[Any]):
        super().__init__()
        steerable: Any = pytest.importorskip("e2cnn.nn")
        self.kind, self.wrap = (
            steerable.FieldType(space, representations),
            steerable.GeometricTensor,
        )
        self.convolution = torch.nn.Conv2d(3, self.kind.size, 3)

    def forward(self, images):
        return self.wrap(self.convolution(images), self.kind)


def test_other_types_are_said_to_be_unknown(images):
    layers = {layer.name: layer for layer in load_model(Strange()).watch("*", images)}
    # The last of its outputs, all of one grid, is the embedding.
    known = {name: layer.fields for name, layer in layers.items() if layer.fields}
    assert known == {"mixed": Fields(8, (8, 1, 8))}
    assert {name: layer.note for name, layer in layers.items() if layer.note} == {
        name: f"no permutation is known for its field type ({kind}): channels as they are"
        for name, kind in (
            ("vectors", "irrep_1 of 8-Rotations"),
            ("quotient", "quotient[2] of 8-Rotations"),
            ("flips", "regular of Flips"),
            ("dihedral", "regular of Flip_4-Rotations(f=1.57080)"),
        )
    }
    named = load_model(Strange(), fields={"flips": 2}).watch("flips", images)[0]
    assert (named.fields, named.note) == (Fields(2, (2, 2)), "")
