"""The toys of paper 002 have the invariance and equivariance that they are built to have."""

import pytest
import torch

from invariscope.metrics import (
    channel_eed,
    channel_equivariance,
    channel_invariance,
    channel_match,
    latent_eed,
    softmax_eed,
)
from invariscope.models import load_model
from networks.toys import (
    LAYERS,
    circular_network,
    constant_network,
    corner_cut_network,
    feature_maps,
    isotropic_network,
)

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
# Sums of a convolution in another order: the rounding of float64, in a correlation.
EXACT = 1e-12


def turned(tensor, turns):
    return tensor.rot90(turns, (2, 3))


def maps_of(model, move):
    """Of each layer: the moved maps of the images, and the maps of the moved images."""
    with torch.no_grad():
        own = feature_maps(model.double(), IMAGES)
        moved = feature_maps(model.double(), move(IMAGES))
    return {layer: (move(own[layer]), moved[layer]) for layer in LAYERS}


def ones(values):
    return torch.allclose(values, torch.ones_like(values), rtol=0, atol=EXACT)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("similarity", ["pearson", "cosine"])
def test_isotropic_filters_are_invariant_in_every_layer(turns, similarity):
    for acted, moved in maps_of(isotropic_network(), lambda x: turned(x, turns)).values():
        assert ones(channel_invariance(acted, moved, similarity=similarity))
        assert ones(channel_equivariance(acted, moved, similarity=similarity))
        assert ones(-channel_eed(acted, moved))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_cut_corners_are_equivariant_but_not_invariant(turns):
    maps = maps_of(corner_cut_network(), lambda x: turned(x, turns))
    for layer, (acted, moved) in maps.items():
        match = channel_match(acted, moved)
        assert ones(match.values), layer
        expected = (torch.arange(4) - turns) % 4
        assert torch.equal(match.indices, expected.expand(len(IMAGES), -1)), layer
        assert channel_invariance(acted, moved).max() < 0.999, layer
        assert ones(-channel_eed(acted[:, expected], moved)), layer


@pytest.mark.parametrize("pixels", [1, 3, 7])
def test_circular_convolutions_are_equivariant_under_circular_shifts(pixels):
    maps = maps_of(circular_network(), lambda x: x.roll((pixels, pixels), (2, 3)))
    for acted, moved in maps.values():
        assert ones(channel_equivariance(acted, moved))
        assert ones(channel_invariance(acted, moved))
    # Not for nothing: no shift of the maps, or filters under a turn, do not fit.
    unmoved = acted.roll((-pixels, -pixels), (2, 3))
    assert channel_invariance(unmoved, moved).mean() < 0.9
    for acted, moved in maps_of(circular_network(), lambda x: turned(x, 1)).values():
        assert channel_equivariance(acted, moved).mean() < 0.9


def test_a_constant_model_is_dead_in_every_channel_and_deviates_by_nothing():
    model = constant_network()
    for acted, moved in maps_of(model, lambda x: turned(x, 1)).values():
        assert channel_invariance(acted, moved).isnan().all()
        assert channel_equivariance(acted, moved).isnan().all()
    with torch.no_grad():
        orbit = torch.stack([model(turned(IMAGES, turns)) for turns in range(4)], 1)
    assert orbit.std() > 0.1
    assert (latent_eed(orbit, normalizer=0.0) == 0).all()
    assert (softmax_eed(orbit.softmax(2)) == 0).all()


@pytest.mark.parametrize(
    "network", [isotropic_network, corner_cut_network, circular_network, constant_network]
)
def test_a_probe_watches_their_convolutions(network):
    layers = load_model(network()).watch("auto", IMAGES[:1].float())
    assert [layer.name for layer in layers] == [*LAYERS, "embedding", "logits"]
    assert [layer.part for layer in layers] == ["Early", "Middle", "Late", "Pool", "Final"]
