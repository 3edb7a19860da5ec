from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from invariscope.errors import InputError
from invariscope.models import Fields, load_model
from invariscope.models.fields import checked_declaration, fields_of_type

IMAGES = torch.rand(2, 3, 8, 8)


def model():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 5),
    )  # fmt: skip


def naive(fields, turns):
    """Channel by channel, as the definition says it: what is at j goes to (j + k) mod n."""
    comes_from = [0] * fields.channels
    start = 0
    for size in fields.sizes:
        for place in range(size):
            comes_from[start + (place + turns) % size] = start + place
        start += size
    return comes_from


@given(
    order=st.integers(1, 12),
    regular=st.lists(st.booleans(), min_size=1, max_size=6),
    turns=st.integers(-30, 30),
)
def test_the_permutation_is_the_definition(order, regular, turns):
    fields = Fields(order, tuple(order if whole else 1 for whole in regular))
    for degrees in (Fraction(360 * turns, order), 360 * turns / order):
        permutation = fields.permutation(degrees)
        assert permutation.dtype == torch.int64
        assert permutation.tolist() == naive(fields, turns)


@given(order=st.integers(1, 12), a=st.integers(-12, 12), b=st.integers(-12, 12))
def test_permutations_compose_as_the_turns_do(order, a, b):
    fields = Fields(order, (order, 1, order))
    first, second = (fields.permutation(360 * turns / order) for turns in (a, b))
    assert torch.equal(first[second], fields.permutation(360 * (a + b) / order))
    assert torch.equal(fields.permutation(360), torch.arange(fields.channels))


@pytest.mark.parametrize(
    ("degrees", "mirrored", "message"),
    [
        (30, False, "rotation by 30 degrees is no element of C8; multiples of 45 degrees work"),
        (Fraction(1, 7), False, "rotation by 0.142857 degrees is no element of C8"),
        (90.001, False, "no element of C8"),
        (0, True, "a flip is no element of C8.*multiples of 45 degrees work"),
    ],
)
def test_motions_outside_the_group(degrees, mirrored, message):
    with pytest.raises(InputError, match=message) as caught:
        Fields(8, (8,)).permutation(degrees, mirrored)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("order", "sizes", "message"),
    [
        (8, (8, 4), r"a field of 4 channels under the 8 rotations of C8; 8 .* and 1 .* work"),
        (0, (1,), "order 0; a whole number from 1 on works"),
        (4, (), "no sizes"),
    ],
)
def test_fields_that_are_none(order, sizes, message):
    with pytest.raises(InputError, match=message):
        Fields(order, sizes)


def test_declared_by_name_glob_order_and_sizes():
    fields = {"*": 1, "[01]": 2, "0": 4, "embedding": Fields(4, (4, 1, 1)), "logits": 5}
    layers = load_model(model(), fields=fields).watch("auto", IMAGES)
    assert {layer.name: layer.fields for layer in layers} == {
        "0": Fields(4, (4, 4)),
        "1": Fields(2, (2, 2, 2)),
        "embedding": Fields(4, (4, 1, 1)),
        "logits": Fields(5, (5,)),
    }
    undeclared = load_model(model()).watch("auto", IMAGES)
    assert all(layer.fields is None and not layer.note for layer in undeclared)


def test_a_declaration_stays_with_the_probe_and_its_twin():
    probe = load_model(model(), fields={"0": 4})
    others = [probe, probe.untrained(1), load_model(probe, preprocessing={"size": 8})]
    for other in others:
        assert other.watch("0", IMAGES)[0].fields == Fields(4, (4, 4))
    assert load_model(probe, fields={}).watch("0", IMAGES)[0].fields is None
    assert probe.watch("0", IMAGES)[0].fields is not None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"0": 3}, "fields of layer '0': 8 channels are no whole number of fields of 3"),
        ({"0": 0}, "fields of layer '0': order 0"),
        ({"1": Fields(2, (2, 2))}, "layer '1': they make up 4 channels, the layer has 6"),
        ({"conf*": 8}, r"unknown layer in fields 'conf\*'"),
    ],
)
def test_declarations_that_do_not_fit(fields, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(model(), fields=fields).watch("auto", IMAGES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"0": "eight"}, "fields: '0': 'eight' came; a layer name or glob with the order n"),
        ({"0": True}, "fields: '0': True came"),
        ({0: 8}, "fields: 0: 8 came"),
        (8, "fields: int came; {'layer name or glob': 8} works"),
    ],
)
def test_declarations_of_another_form(fields, message):
    with pytest.raises(InputError, match=message):
        checked_declaration(fields)


def kind(names_and_sizes, order=4, space="4-Rotations"):
    return SimpleNamespace(
        representations=[SimpleNamespace(name=n, size=s) for n, s in names_and_sizes],
        gspace=SimpleNamespace(name=space, fibergroup=SimpleNamespace(order=lambda: order)),
    )


class Typed:
    """A tensor with a type, as e2cnn has them."""

    def __init__(self, tensor, kind):
        self.tensor, self.type = tensor, kind


def test_typed_outputs_are_read_without_their_library():
    class Steered(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3)

        def forward(self, images):
            return Typed(self.conv(images), kind([("regular", 4), ("irrep_0", 1)]))

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.steered = Steered()

        def forward(self, images):
            return (self.steered(images),)

    probe = load_model(Whole())
    layers = {layer.name: layer for layer in probe.watch("*", IMAGES)}
    assert layers["steered"].fields == layers["embedding"].fields == Fields(4, (4, 1))
    assert layers["steered.conv"].fields is None
    vectors = probe.forward(IMAGES, ["steered", "embedding"]).vectors
    assert torch.equal(vectors["steered"], vectors["embedding"])
    assert vectors["steered"].shape == (2, 5)


@pytest.mark.parametrize(
    ("given", "channels", "note"),
    [
        (kind([("regular", 4)]), 8, "its type does not describe its 8 channels"),
        (object(), 8, "its type, a object, is not understood"),
        (kind([("regular", 4)], space="Flips"), 4, "(regular of Flips)"),
        (kind([("irrep_1", 2)]), 2, "(irrep_1 of 4-Rotations)"),
        (kind([("regular", 4)], order=-1), 4, "(regular of 4-Rotations)"),
    ],
)
def test_types_without_a_permutation_say_why(given, channels, note):
    fields, said = fields_of_type(given, channels)
    assert fields is None
    assert note in said
