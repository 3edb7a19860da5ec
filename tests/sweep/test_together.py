"""Models that are shown the same pictures are measured together, with the numbers of each alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.models import Preprocessing
from invariscope.runs import carry_out, carry_out_each
from invariscope.sweep import SweepRequest, prepare
from invariscope.sweep.plan import Cell

MODELS = ("small:vgg11?width=0.1+untrained", "small:vgg11?width=0.15+untrained")
ASKED: dict[str, Any] = {
    "transformations": "rotate=45,brightness_up=0.3",
    "layers": "last",
    "seed": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """34 pictures in two classes: two blocks, the second of two pictures; one cannot be read."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(34):
        place = folder / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    (folder / "a" / "00.png").write_bytes(b"no picture")
    return folder


def sweeps(images, **asked):
    return [prepare(SweepRequest(model=m, images=images, **ASKED | asked)) for m in MODELS]


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"twin": None, "floor": True},
        {"groups": "C4", "metrics": "latent_eed,relative_invariance"},
        {"metrics": "channel_equivariance,relative_invariance", "layers": "features.0"},
    ],
    ids=["plain", "twin and floor", "orbits", "maps"],
)
def test_the_files_are_those_of_each_model_alone(folder, tmp_path, asked):
    together = sweeps(folder, **asked)
    assert together[0].shared == together[1].shared is not None
    carry_out_each(together, [tmp_path / "a", tmp_path / "b"])
    for name, sweep in zip("ab", sweeps(folder, **asked), strict=True):
        carry_out(sweep, output=tmp_path / f"{name} alone")
        assert files(tmp_path / name) == files(tmp_path / f"{name} alone")


def test_each_picture_is_read_and_moved_once(folder, monkeypatch):
    moved, read = [], []
    once, geometry = Cell.__call__, Preprocessing.geometry
    together = sweeps(folder, task="embedding")  # without flips, whose pictures are taken again
    monkeypatch.setattr(
        Cell, "__call__", lambda cell, *given: moved.append(cell.key) or once(cell, *given)
    )
    monkeypatch.setattr(
        Preprocessing, "geometry", lambda own, image: read.append(1) or geometry(own, image)
    )
    carry_out_each(together, [None, None], workers=0)
    assert sorted(moved) == sorted(2 * [cell.key for cell in together[0].plan.cells])  # two blocks
    assert len(read) == 33 - sum(not picture.reason for picture in together[0].ready.values())


def test_a_twin_of_one_model_alone_takes_nothing_from_the_other(folder):
    plain, other = sweeps(folder)
    beside = prepare(SweepRequest(model="small:vgg11?width=0.1", images=folder, twin=True, **ASKED))
    results = carry_out_each([other, beside], [None, None])
    assert results[0].summary.equals(carry_out(other).summary)
    assert "untrained" in set(results[1].controls["control"])
    assert plain.shared == beside.shared


def test_batches_that_do_not_fit_are_made_smaller_for_one_model(folder, monkeypatch):
    together = sweeps(folder, fold=False)
    expected = [carry_out(sweep).summary for sweep in sweeps(folder, fold=False)]
    module = together[1].probe.module
    assert module is not None
    forward = module.forward

    def narrow(images):
        if len(images) > 8:
            raise torch.OutOfMemoryError
        return forward(images)

    monkeypatch.setattr(module, "forward", narrow)
    results = carry_out_each(together, [None, None])
    for result, summary in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.summary["value"], summary["value"], atol=1e-6)
    sizes = [result.manifest["execution"]["batch_size"] for result in results]
    assert sizes == [32, 7]  # 31 pictures did not fit, then 15
    events = [result.manifest["execution"]["events"] for result in results]
    assert not any("out of memory" in line for line in events[0])
    assert any("out of memory" in line for line in events[1])


def test_what_is_shared(folder):
    first, second = sweeps(folder)
    assert first.shared == second.shared
    for asked in (
        {"preprocessing": {"size": 24}},
        {"num_images": 20},
        {"seed": 1},
        {"preprocessing": {"interpolation": "nearest", "size": 28, "resize": 30}},
    ):
        how: dict[str, Any] = ASKED | asked
        other = prepare(SweepRequest(model=MODELS[0], images=folder, **how))
        assert other.shared != first.shared, asked
    precise = prepare(SweepRequest(model=MODELS[0], images=folder, precision=0.1, **ASKED))
    assert precise.shared is None


def test_mean_and_std_are_the_networks_own_but_where_they_fill_a_border():
    plain = Preprocessing(size=(8, 8), resize=8)
    other = replace(plain, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), source="another")
    assert plain.pictures_key == other.pictures_key
    borders = [replace(known, crop_mode="border", resize=(8, 8)) for known in (plain, other)]
    assert borders[0].pictures_key != borders[1].pictures_key
    assert replace(plain, size=(9, 9)).pictures_key != plain.pictures_key
    grey = Preprocessing(channels=1, mean=(0.0,), std=(1.0,))
    assert grey.pictures_key == replace(grey, mean=(0.5,)).pictures_key
