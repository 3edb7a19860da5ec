"""The general form of G-EED: its special cases, theorems, and a naive form."""

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.metrics import channel_eed, eed, latent_eed
from invariscope.transformations import action_on, elements, get_group, kernel


def reference_eed(orbit, act, numbers):
    """Loops over images and elements; l2."""
    found = []
    for outputs in orbit.double().numpy():
        centre = np.mean([outputs[k] for k in numbers], axis=0)
        found.append(np.mean([np.linalg.norm(y - act(g, centre)) for g, y in enumerate(outputs)]))
    return np.array(found)


def turned(number, maps):
    """The quarter turns of C4 on maps [B, C, H, W]."""
    return maps.rot90(number, (-2, -1))


@pytest.fixture
def orbit():
    return torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def maps():
    return torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_trivial_action_is_the_latent_form(orbit):
    values = eed(orbit, act=lambda g, y: y, kernel=range(4))
    assert torch.allclose(values, latent_eed(orbit, normalizer=1.0), atol=1e-6)
    values = eed(orbit, act=lambda g, y: y, kernel=range(4), deviation="cosine")
    known = latent_eed(orbit, normalizer=1.0, distance="cosine")
    assert torch.allclose(values, known, atol=1e-6)


def test_the_faithful_action_with_channels_is_the_channelwise_form():
    orbit = torch.randn(3, 4, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    values = eed(orbit, act=turned, kernel=[0], deviation=lambda a, b: channel_eed(b, a))
    known = torch.stack([channel_eed(turned(g, orbit[:, 0]), orbit[:, g]) for g in range(4)])
    assert torch.allclose(values, known.mean(0), atol=1e-6)


@pytest.mark.parametrize("numbers", [[0], [0, 2], [0, 1, 2, 3]])
def test_against_loops(orbit, numbers):
    values = eed(orbit, act=lambda g, y: (-1) ** g * y, kernel=numbers)
    known = reference_eed(orbit, lambda g, y: (-1) ** g * y, numbers)
    assert np.abs(values.numpy() - known).max() < 1e-6


def test_an_equivariant_function_deviates_by_nothing(maps):
    group = get_group("C4")
    acts = [action_on(group, g, (8, 8), (8, 8)) for g in range(4)]
    orbit = torch.stack([(acts[g](maps)).square() for g in range(4)], 1)  # f squares each value
    numbers = kernel(elements("C4"), (8, 8), (8, 8))
    assert numbers == (0,)
    assert eed(orbit, act=lambda g, y: acts[g](y), kernel=numbers).tolist() == [0.0] * 3


def test_the_kernel_average_tells_a_kernel_apart(maps):
    # f answers half turns with noise of its own: the average over the kernel halves the deviation
    orbit = torch.stack([maps, maps, maps + 1, maps + 1], 1)
    act = lambda g, y: y  # noqa: E731
    alone = eed(orbit, act=act, kernel=[0])
    averaged = eed(orbit, act=act, kernel=[0, 1, 2, 3])
    size = float(np.sqrt(2 * 8 * 8))
    assert torch.allclose(alone, torch.full((3,), size / 2))
    assert torch.allclose(averaged, torch.full((3,), size / 2))
    assert torch.allclose(eed(orbit, act=act, kernel=[0, 1]), alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": []}, "kernel is \\[\\]: it must name elements from 0 to 3"),
        ({"kernel": [4]}, "kernel is \\[4\\]: it must name elements from 0 to 3"),
        ({"deviation": "l1"}, "distance must be one of cosine, l2"),
    ],
)
def test_messages(orbit, change, message):
    arguments = {"act": lambda g, y: y, "kernel": [0]} | change
    with pytest.raises(InputError, match=message):
        eed(orbit, **arguments)
    with pytest.raises(InputError, match="orbit has shape \\[5, 4\\]"):
        eed(orbit[..., 0], act=lambda g, y: y, kernel=[0])


def test_an_orbit_of_nothing_is_refused():
    with pytest.raises(InputError, match="group elements"):
        eed(torch.zeros(2, 0, 3), act=lambda g, y: y, kernel=[0])
