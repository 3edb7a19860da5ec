"""The probe on networks with known answers that try to mislead it: a right map, or none and a line.

Every network makes a map of cells and hands it to a module ``lay``, which puts it out in some
order. What the probe shows must be that map; else the layer is a vector, and its note says so.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invariscope.models import load_model
from networks.toys import Lay

CHANNELS = 8
UNSHOWN = "no grid of places is shown in it: averaged to a vector"


class Attention(nn.Module):
    """Cells that see the whole picture, as in a transformer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(CHANNELS, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, maps):
        return self.layer(maps.flatten(2).mT).mT.unflatten(2, maps.shape[2:])


def stem(kind: str, bands: int, stride: tuple[int, int]) -> nn.Module:
    first = nn.Conv2d(bands, CHANNELS, stride, stride)
    if kind == "attention":
        return nn.Sequential(first, Attention(), Attention())
    if kind == "maxima":
        pools = nn.MaxPool2d(stride, stride), nn.ReLU(), nn.MaxPool2d(3, 1, 1)
        return nn.Sequential(nn.Conv2d(bands, CHANNELS, 1), *pools)
    border = "circular" if kind == "circular" else "zeros"
    return nn.Sequential(
        first, nn.GELU(), nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1, padding_mode=border)
    )


class Network(nn.Module):
    def __init__(self, function, kind: str, bands: int, stride: tuple[int, int]):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.lay = stem(kind, bands, stride), Lay(function)
        self.head = nn.Linear(CHANNELS, 5)

    def forward(self, images):
        maps = self.stem(images)
        self.lay(maps)
        return self.head(maps.mean((2, 3)))


def read(function, kind="convolutions", grid=(12, 12), stride=(4, 4), bands=3, dtype=None):
    """The note on the layer, what is seen of it (None for a vector), and the true map."""
    size = (grid[0] * stride[0], grid[1] * stride[1])
    network = Network(function, kind, bands, stride).to(dtype)
    pictures = torch.rand(2, bands, *size, generator=torch.Generator().manual_seed(3))
    probe = load_model(network, preprocessing={"size": size, "channels": bands})
    layer = probe.watch(["lay", "stem"], pictures)
    (note,) = [each.note for each in layer if each.name == "lay"]
    seen = {}

    def keep(name, activation):
        seen[name] = activation.values.clone()
        return torch.zeros(len(activation.values))

    probe.forward(pictures, ["lay"], keep)
    found = seen["lay"] if seen["lay"].ndim == 4 else None
    assert (found is None) == (note == UNSHOWN)
    module: Any = probe.module
    with torch.no_grad():
        return note, found, module.stem(probe._prepare(pictures))


def same(found: Tensor | None, maps: Tensor) -> bool:
    return found is not None and found.shape == maps.shape and torch.allclose(found, maps)


def tokens(before=0, after=0):
    def lay(maps):
        cells = maps.flatten(2).mT
        whole = cells.mean(1, keepdim=True)
        return torch.cat([*[whole] * before, cells, *[whole] * after], 1)

    return lay


def windows(maps, side=4, shift=0):
    n, c, h, w = maps.shape
    split = maps.roll((-shift, -shift), (2, 3)).view(n, c, h // side, side, w // side, side)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, side * side, c)


def permuted(share: float, together: bool = False):
    """A share of the cells, scattered or the last ones, in another order."""

    def lay(maps):
        draw = torch.Generator().manual_seed(2)
        count = maps[0, 0].numel()
        order, some = torch.arange(count), round(share * count)
        last = torch.arange(count - some, count)
        chosen = last if together else torch.randperm(count, generator=draw)[:some]
        order[chosen] = chosen[torch.randperm(some, generator=draw)]
        return maps.flatten(2)[..., order].view_as(maps)

    return lay


def every_other_row(maps):
    return torch.cat([maps[:, :, ::2], maps[:, :, 1::2]], 2)


def snake(maps):
    return torch.stack([row.flip(2) if n % 2 else row for n, row in enumerate(maps.unbind(2))], 2)


WRONG = {
    "all permuted": permuted(1),
    "half permuted": permuted(0.5),
    "a quarter permuted": permuted(0.25),
    "the last quarter permuted": permuted(0.25, together=True),
    "raster reversed": lambda m: m.flatten(2).flip(2).view_as(m),
    "tokens reversed": lambda m: m.flatten(2).flip(2).mT,
    "left and right exchanged": lambda m: m.flip(3),
    "every other row backwards": snake,
    "every other row first": every_other_row,
    "rolled by a row and a column": lambda m: m.roll((1, 1), (2, 3)),
    "rolled by a quarter": lambda m: m.roll((m.shape[2] // 4, m.shape[3] // 4), (2, 3)),
    "shifted windows": lambda m: windows(m, 4, 2),
    "shifted windows, one after the other": lambda m: windows(m, 4, 2).flatten(1, 2),
}
RIGHT = {
    "NCHW": lambda m: m + 0,
    "NHWC": lambda m: m.permute(0, 2, 3, 1),
    "tokens": tokens(),
    "tokens after one": tokens(1),
    "tokens before five": tokens(0, 5),
    "tokens before images": lambda m: m.flatten(2).permute(2, 0, 1),
    "transposed": lambda m: m.mT,
    "windows": windows,
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("kind", ["convolutions", "attention", "maxima"])
def test_a_wrong_order_is_no_map(what, kind):
    note, found, _ = read(WRONG[what], kind)
    assert note == UNSHOWN
    assert found is None


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_order_in_an_oblong_picture_is_no_map(what):
    assert read(WRONG[what], grid=(8, 16), stride=(8, 8))[1] is None


@pytest.mark.parametrize("what", RIGHT)
@pytest.mark.parametrize(
    "how",
    [
        {"kind": "attention"},
        {"kind": "maxima"},
        {"grid": (4, 4), "stride": (8, 8)},
        {"grid": (16, 16)},
        {"bands": 13},
        {"dtype": torch.float16},
        {"dtype": torch.bfloat16},
    ],
    ids=str,
)
def test_a_right_order_is_shown(what, how):
    _, found, maps = read(RIGHT[what], **how)
    assert same(found, maps)


@pytest.mark.parametrize("what", [*RIGHT, *WRONG])
@pytest.mark.parametrize("grid", [(12, 12), pytest.param((8, 16), marks=pytest.mark.long)])
def test_circular_borders_never_give_a_wrong_map(what, grid):
    _, found, maps = read({**RIGHT, **WRONG}[what], "circular", grid)
    assert found is None or same(found, maps)


@pytest.mark.parametrize(("grid", "stride"), [((6, 12), (8, 4)), ((16, 8), (4, 8))])
@pytest.mark.parametrize("kind", ["convolutions", "attention"])
def test_cells_that_are_no_squares(grid, stride, kind):
    """Nothing says how many rows such tokens have; channels are not taken for cells instead."""
    for what in ("NCHW", "NHWC"):
        _, found, maps = read(RIGHT[what], kind, grid, stride)
        assert same(found, maps)
    for what in ("tokens", "tokens after one", "tokens before images"):
        assert read(RIGHT[what], kind, grid, stride)[1] is None


@pytest.mark.parametrize("grid", [(4, 4), (3, 3), (8, 1), (1, 8), (1, 16)])
@pytest.mark.parametrize("kind", ["convolutions", "attention"])
def test_few_cells_or_one_line_of_them(grid, kind):
    how = {"kind": kind, "grid": grid, "stride": (16, 16)}
    _, found, maps = read(RIGHT["NCHW"], **how)
    assert same(found, maps)
    for what in ("all permuted", "raster reversed", "rolled by a row and a column"):
        assert read(WRONG[what], **how)[1] is None
    if min(grid) == 4:
        assert read(every_other_row, **how)[1] is None


def test_a_grid_of_one_cell_is_believed():
    _, found, maps = read(RIGHT["NCHW"], grid=(1, 1), stride=(32, 32))
    assert same(found, maps)
    assert read(RIGHT["tokens after one"], grid=(1, 1), stride=(32, 32))[1] is None


def test_half_of_the_picture_is_no_map_of_it():
    assert read(lambda maps: maps[:, :, :6])[1] is None
    assert read(lambda maps: maps[:, :, :, 6:])[1] is None
