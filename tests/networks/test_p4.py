"""The C4 network is exactly equivariant once its channels are permuted, and only then."""

import pytest
import torch

from invariscope.metrics import channel_eed, channel_invariance
from invariscope.models import Fields
from networks.p4 import SIDE, p4_network, p4_probe

IMAGES = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
LAYERS = ("lift", "conv1", "conv2", "pool", "embedding", "logits")


def values(probe, images):
    return probe.forward(images, LAYERS, lambda name, activation: activation.values.clone()).vectors


def relative(difference, of):
    return float(difference.abs().max() / of.abs().max())


@pytest.mark.parametrize("turns", [1, 2, 3, -1, 5])
def test_exact_at_quarter_turns_before_and_after_pooling(turns):
    probe = p4_probe()
    layers = {layer.name: layer for layer in probe.watch("auto", IMAGES)}
    assert tuple(layers) == LAYERS
    own, moved = values(probe, IMAGES), values(probe, IMAGES.rot90(turns, (2, 3)))
    for name in ("lift", "conv1", "conv2", "pool"):
        fields = layers[name].fields
        assert isinstance(fields, Fields)
        acted = own[name].rot90(turns, (2, 3))
        permuted = acted[:, fields.permutation(90 * turns)]
        assert relative(permuted - moved[name], of=moved[name]) < 2e-6, name
        if turns % 4:
            assert relative(acted - moved[name], of=moved[name]) > 0.05, name
            back = acted[:, fields.permutation(-90 * turns)]
            assert turns % 2 == 0 or relative(back - moved[name], of=moved[name]) > 0.05, name
    for name in ("embedding", "logits"):
        assert layers[name].fields is None
        assert relative(own[name] - moved[name], of=own[name]) < 2e-6


def test_the_permutation_is_what_makes_g_eed_minus_one():
    network = p4_network(dtype=torch.float64)
    fields = Fields(4, (4,) * 4)
    with torch.no_grad():
        own, moved = network.lift(IMAGES.double()), network.lift(IMAGES.double().rot90(1, (2, 3)))
    acted = own.rot90(1, (2, 3))
    exact = channel_eed(acted[:, fields.permutation(90)], moved)
    assert torch.allclose(exact, torch.full_like(exact, -1), rtol=0, atol=1e-12)
    assert (channel_eed(acted, moved) > -0.9).all()
    assert channel_invariance(acted, moved).mean() < 0.9


def test_two_seeds_are_two_networks():
    a, b = p4_probe(0), p4_probe(1)
    assert a.weights_hash != b.weights_hash
    assert a.weights_hash == p4_probe(0).weights_hash
