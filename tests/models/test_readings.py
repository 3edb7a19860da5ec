import pytest
import torch

from invariscope.models.readings import Cells, axes_of, grids_of, other_readings, plain_readings


@pytest.mark.parametrize(
    ("cells", "size", "grids"),
    [
        (196, (224, 224), [(14, 14)]),
        (197, (224, 224), []),
        (48, (96, 128), [(6, 8)]),
        (18, (100, 60), [(6, 3)]),  # 16 pixels a cell, what is left over cut off
        (3, (224, 224), []),
    ],
)
def test_grids_have_one_size_of_cells(cells, size, grids):
    assert grids_of(cells, size) == grids


def test_windows_by_hand():
    maps = torch.arange(36.0).view(1, 1, 6, 6)
    windows = maps.view(1, 1, 2, 3, 3, 2).permute(0, 2, 4, 3, 5, 1)  # of three by two
    outer = Cells((1, 2), (2, 3, 3, 2), (0, 2), (1, 3))
    assert torch.equal(outer.raster(windows.reshape(1, 6, 6, 1)), maps)
    inner = Cells((1, 2), (3, 2, 2, 3), (2, 0), (3, 1))
    assert torch.equal(inner.raster(windows.permute(0, 3, 4, 1, 2, 5).reshape(1, 6, 6, 1)), maps)


def test_nested_units_by_hand():
    maps = torch.rand(2, 5, 8, 8)
    tokens = maps.permute(0, 2, 3, 1)[:, None, None]
    for _ in range(2):  # halves of halves, the finest first
        n, *units, rows, columns, _channels = tokens.shape
        split = tokens.reshape(n, *units, rows // 2, 2, columns // 2, 2, 5)
        k = len(units) + 1
        kept = [0, *range(1, k), k + 1, k + 3, k, k + 2, k + 4]
        tokens = split.permute(kept)
    cells = Cells((1,), (2, 2, 2, 2, 2, 2), (4, 2, 0), (5, 3, 1))
    assert torch.equal(cells.raster(tokens.reshape(2, 64, 5)), maps)
    assert cells in other_readings((2, 64, 5), (1,), (64, 64))
    assert cells.describe() == "units of 4×4, counted from within, unrolled"


def test_places_are_those_of_the_raster():
    for cells in other_readings((2, 4, 16, 3), (1, 2), (32, 32)):
        row, column = cells.places()
        height, width = cells.grid
        there = torch.stack([row, column], 1).view(1, *[4, 16], 2)
        raster = cells.raster(there)
        assert torch.equal(raster[0, 0], torch.arange(height).float()[:, None].expand(-1, width))
        assert torch.equal(raster[0, 1], torch.arange(width).float()[None].expand(height, -1))


def test_tokens_before_and_after_the_cells():
    assert Cells((1,), (14, 14), prefix=1) in plain_readings((2, 197, 8), (1,), (224, 224))
    last = Cells((1,), (14, 14), suffix=1)
    assert last in plain_readings((2, 197, 8), (1,), (224, 224))
    tokens = torch.rand(2, 197, 8)
    expected = tokens[:, :196].transpose(1, 2).reshape(2, 8, 14, 14)
    assert torch.equal(last.raster(tokens), expected)


def test_the_guess_is_tried_first():
    assert next(axes_of((9, 7, 7, 32), (1, 2))) == (1, 2)
    assert list(axes_of((9, 49, 32), (1,))) == [(1,), (2,), (1, 2)]


def test_raster_order_is_a_view():
    tensor = torch.rand(2, 3, 4, 6)
    assert Cells((2, 3), (4, 6)).raster(tensor).data_ptr() == tensor.data_ptr()
