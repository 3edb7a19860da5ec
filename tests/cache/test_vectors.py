"""Passes are found by all that goes into them, and taken as they were kept."""

from typing import Any

import pytest
import torch
from torch import nn

from invariscope.cache import CacheFolder, Shown, VectorCache
from invariscope.models import load_model
from invariscope.transformations import Operation, get_transformation

PIXELS = torch.arange(4 * 3 * 8 * 8).reshape(4, 3, 8, 8).remainder(251).to(torch.uint8)
IDS = ["a", "b", "c", "d"]
LAYERS = ("embedding", "logits")
AS_IS = Operation("identity")
TURN = Operation("turn", ((get_transformation("rotate"), 2),))
FADE = Operation("fade", ((get_transformation("brightness_down"), 2),))


@pytest.fixture
def probe():
    torch.manual_seed(0)
    return load_model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5)))


def open_cache(path):
    notes = []
    return VectorCache(CacheFolder(path, "1MB", notes.append), notes.append), notes


def test_everything_that_goes_into_a_pass_finds_it(tmp_path, probe):
    cache, notes = open_cache(tmp_path)

    def names(layers=LAYERS, pixels=PIXELS, ids=IDS, seed=0, operations=(TURN, FADE), size=3):
        found = cache.find(probe, layers, Shown(pixels, ids, seed), operations, size)
        assert found is not None
        return {(found.shelf, key) for key in found.keys.values()}

    known = names()
    assert len(known) == 2
    assert names() == known
    assert names(layers=("logits",)) < known
    signs = [TURN.steps[0][0].drawn(2, seed, IDS).tolist() for seed in range(9)]
    other = next(seed for seed in range(9) if signs[seed] != signs[0])
    changes: list[dict[str, Any]] = [
        {"pixels": PIXELS.flip(0)}, {"pixels": PIXELS[:3], "ids": IDS[:3]}, {"seed": other},
        {"operations": (FADE, TURN)}, {"operations": (TURN,)},
        {"operations": (TURN, FADE, AS_IS)}, {"size": 2}, {"size": 100},
    ]  # fmt: skip
    for change in changes:
        assert not names(**change) & known, change
    assert names(size=8) == names(size=100)  # eight images all in all
    for seed, ids in ((other, IDS), (0, ["w", "x", "y", "z"])):  # nothing is drawn
        assert names(operations=(FADE,), seed=seed, ids=ids) == names(operations=(FADE,))
    assert not notes


def test_a_pass_is_taken_as_it_was_kept(tmp_path, probe):
    shown = Shown(PIXELS, IDS, 0)
    vectors = probe.forward(PIXELS / 255, LAYERS).vectors
    for number in range(2):
        cache, _ = open_cache(tmp_path)
        found = cache.find(probe, LAYERS, shown, [AS_IS], 32)
        assert found is not None
        taken = cache.take(found, torch.device("cpu"))
        if number == 0:
            assert taken is None
            cache.keep(found, vectors)
            cache.end_block()
            continue
        assert taken is not None
        assert {layer: values.dtype for layer, values in taken.items()} == dict.fromkeys(
            LAYERS, torch.float32
        )
        assert all(torch.equal(taken[layer], vectors[layer]) for layer in LAYERS)
        taken["logits"] += 1  # they are the caller's
    again = cache.take(found, torch.device("cpu"))
    assert again is not None
    assert torch.equal(again["logits"], vectors["logits"])


def test_what_is_no_float32_is_not_kept(tmp_path, probe):
    cache, _ = open_cache(tmp_path)
    found = cache.find(probe, ("logits",), Shown(PIXELS, IDS, 0), [AS_IS], 32)
    assert found is not None
    cache.keep(found, {"logits": torch.zeros(4, 5, dtype=torch.float64)})
    cache.end_block()
    assert not list(tmp_path.rglob("*.arrow"))


def test_notes_are_said_once(tmp_path):
    cache, notes = open_cache(tmp_path)
    callable_ = load_model(lambda x: x.flatten(1))
    for _ in range(2):
        assert cache.find(callable_, LAYERS, Shown(PIXELS, IDS, 0), [TURN], 32) is None
    (note,) = notes
    assert note.endswith(
        "(a plain callable has no weights that it is known by); all passes are made"
    )
