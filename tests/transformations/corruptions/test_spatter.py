"""Spatter: drops of water shine, mud covers; edges against Canny's rule told with loops."""

import numpy as np
import pytest
import torch

from invariscope.transformations import get_transformation
from invariscope.transformations.corruptions.spatter import edges, equalised, spatter

WATER = torch.tensor([175, 238, 238]) / 255
MUD = torch.tensor([63, 42, 20]) / 255
GREY = torch.tensor([0.299, 0.587, 0.114])


def act(images, severity, seed=0):
    ids = [str(k) for k in range(len(images))]
    return get_transformation("corruption:spatter")(images, severity, seed=seed, image_ids=ids)


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_water_adds_its_colour_and_nothing_else(severity):
    added = act(torch.zeros(2, 3, 224, 224), severity)
    amount = added[:, 0] / WATER[0]
    torch.testing.assert_close(added, amount[:, None] * WATER.view(3, 1, 1))
    strongest = amount.amax((1, 2))  # the brightest place of each image
    torch.testing.assert_close(strongest, torch.full((2,), 0.5 if severity == 3 else 0.6))
    assert 0.005 < float((amount > 0).float().mean()) < 0.3


@pytest.mark.parametrize("severity", [4, 5])
def test_mud_covers_what_is_behind(severity):
    on_white, on_black = (act(torch.full((1, 3, 224, 224), x), severity)[0] for x in (1.0, 0.0))
    cover = 1 - (on_white - on_black)
    torch.testing.assert_close(on_black, cover * MUD.view(3, 1, 1))
    seen = cover[0].unique()
    assert float(seen[1]) > 0.79  # none, or nearly all
    assert 0.1 < float((cover[0] > 0).float().mean()) < 0.5


def test_mud_of_severity_4_lies_in_that_of_5():
    """The same numbers are drawn; the second law is above the first, wherever that has mud."""
    less, more = (act(torch.zeros(1, 1, 224, 224), level) > 0 for level in (4, 5))
    assert int(less.sum()) < int(more.sum())
    assert not (less & ~more).any()


def test_where_no_drop_is_the_image_is_as_it_was():
    image = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    for mud in (False, True):
        draws = [torch.Generator().manual_seed(k) for k in range(2)]
        made = spatter(image, (0.65, 0.3, 4, 9.0, 0.6, mud), draws)
        torch.testing.assert_close(made, image, atol=0, rtol=0)


@pytest.mark.parametrize("bands", [1, 4])
def test_bands_without_colours_get_the_grey_of_water_and_mud(bands):
    black = torch.zeros(1, bands, 64, 80)
    for severity, colour in ((2, WATER), (4, MUD)):
        colourful = act(torch.zeros(1, 3, 64, 80), severity)
        wanted = colourful[:, :1] / colour[0] * (GREY * colour).sum()
        torch.testing.assert_close(act(black, severity), wanted.expand(-1, bands, -1, -1))


@pytest.mark.parametrize("side", [224, 32, 28])
def test_each_severity_is_farther_from_the_image(side):
    images = torch.rand(3, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    images = images.expand(-1, -1, side, side)
    far = [
        sum(float((act(images, level, seed=k) - images).norm()) for k in range(3))
        for level in range(1, 6)
    ]
    assert sorted(far) == far


def reference_edges(values, weak, strong):
    """Canny's rule, a pixel at a time."""
    height, width = values.shape
    x = np.pad(values.astype(int), 1, mode="edge")
    across, down, size = (np.zeros((height + 2, width + 2), int) for _ in range(3))
    for r in range(1, height + 1):
        for c in range(1, width + 1):
            right, left = x[r - 1 : r + 2, c + 1], x[r - 1 : r + 2, c - 1]
            below, above = x[r + 1, c - 1 : c + 2], x[r - 1, c - 1 : c + 2]
            across[r, c] = (right - left) @ [1, 2, 1]
            down[r, c] = (below - above) @ [1, 2, 1]
            size[r, c] = abs(across[r, c]) + abs(down[r, c])
    found = np.zeros((height + 2, width + 2), bool)
    crest = {}
    for r in range(1, height + 1):
        for c in range(1, width + 1):
            angle = np.degrees(np.arctan2(down[r, c], across[r, c])) % 180
            if angle < 22.5 or angle > 157.5:
                kept = size[r, c] > size[r, c - 1] and size[r, c] >= size[r, c + 1]
            elif 67.5 < angle < 112.5:
                kept = size[r, c] > size[r - 1, c] and size[r, c] >= size[r + 1, c]
            elif angle < 90:  # down to the right, or up to the left
                kept = size[r, c] > max(size[r - 1, c - 1], size[r + 1, c + 1])
            else:
                kept = size[r, c] > max(size[r - 1, c + 1], size[r + 1, c - 1])
            crest[r, c] = kept and size[r, c] > weak
    waiting = [at for at, kept in crest.items() if kept and size[at] > strong]
    while waiting:
        r, c = waiting.pop()
        if crest.get((r, c)) and not found[r, c]:
            found[r, c] = True
            waiting += [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return found[1:-1, 1:-1]


def test_edges_against_loops():
    rng = np.random.default_rng(0)
    for shape in ((30, 41), (25, 25)):
        rough = rng.integers(0, 256, shape).astype(float)
        smooth = rough
        for _ in range(3):
            smooth = (smooth + np.roll(smooth, 1, 0) + np.roll(smooth, 1, 1)) / 3
        for values in (rough, smooth, np.where(smooth > 130, smooth, 0)):
            found = edges(values.astype(np.uint8))
            np.testing.assert_array_equal(found, reference_edges(values.astype(np.uint8), 50, 150))
            assert 0 < found.mean() < 1


def test_a_weak_edge_counts_where_a_strong_one_goes_on_with_it():
    image = np.zeros((20, 20), np.uint8)
    image[:, 10:] = np.linspace(15, 45, 20).astype(np.uint8)[:, None]  # 4 times: 60 to 180
    assert edges(image)[2:-2].any(1).all()
    image[image > 35] = 35  # nowhere strong
    assert not edges(image).any()


def test_equalised_has_as_many_in_each_part():
    values = np.repeat(np.array([3, 4, 9, 20], np.uint8), [10, 20, 30, 40]).reshape(10, 10)
    made = equalised(values)
    # above the least 90 are left: of those 20, 50, 90 of 255
    assert [int(made[values == x][0]) for x in (3, 4, 9, 20)] == [0, 57, 142, 255]
    same = np.full((3, 3), 20, np.uint8)
    np.testing.assert_array_equal(equalised(same), same)
