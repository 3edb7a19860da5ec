"""A search that is killed, resumed, refused or written to a full disk."""

import json
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import invariscope
from invariscope.errors import InputError, RunError
from invariscope.search import Factors
from killing import killed_after

SCRIPT = """
import sys, torch, invariscope
torch.set_num_threads(1)
def model(x):
    import time; time.sleep(float(sys.argv[3]))
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)
invariscope.find_factors(model, sys.argv[1], output=sys.argv[2], operations="singles", pairs=80,
                         workers=0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """130 pictures of two classes, of which 80 and 10 are moved: 3 blocks; one is broken."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(130):
        place = root / ("few" if number % 13 == 0 else "many")
        place.mkdir(exist_ok=True)
        pixels = rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:03}.png")
    (root / "many" / "007.png").write_bytes(b"\x89PNG not really")
    return root


def model(x):
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)


def run(folder, output, **more):
    asked: dict[str, Any] = {"operations": "singles", "pairs": 80, "workers": 0, **more}
    return invariscope.find_factors(model, folder, output=output, **asked)


def table(folder):
    return (folder / "factors.parquet").read_bytes()


def test_killed_and_resumed_gives_the_same_bytes(folder, tmp_path):
    whole = run(folder, tmp_path / "whole")
    assert len(whole.pairs("few")) == 45
    killed = tmp_path / "killed"
    done = killed_after(1, killed, SCRIPT, str(folder), str(killed), "0.02")
    assert 1 <= len(done) < 3
    times = {path.name: path.stat().st_mtime_ns for path in done}
    (killed / "rows" / ".block-00003.parquet.1.part").write_bytes(b"half")
    resumed = run(folder, killed)
    for path in done:
        assert path.stat().st_mtime_ns == times[path.name], "a finished block was measured again"
    assert table(tmp_path / "whole") == table(killed)
    assert resumed.manifest["images"]["skipped"] == whole.manifest["images"]["skipped"]
    assert [entry["image"] for entry in whole.manifest["images"]["skipped"]] == ["many/007.png"]
    assert not list((killed / "rows").glob(".*"))


def test_a_damaged_block_is_measured_again(folder, tmp_path):
    run(folder, tmp_path / "run")
    before = table(tmp_path / "run")
    block = tmp_path / "run" / "rows" / "block-00001.parquet"
    block.write_bytes(block.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"block-00001.parquet .damaged.: run the same command"):
        invariscope.search.Factors.load(tmp_path / "run").pairs("many")
    (tmp_path / "run" / "factors.parquet").unlink()
    run(folder, tmp_path / "run")
    assert table(tmp_path / "run") == before


def test_other_settings_are_refused_and_named(folder, tmp_path):
    run(folder, tmp_path / "run", pairs=4)
    for more, message in (
        ({"seed": 1}, "holds a run with other settings: seed is 0 in its manifest.json and 1 now"),
        ({"pairs": 5}, "pairs is 4 in its manifest.json and 5 now"),
        ({"operations": "invert"}, "operations is .* in its manifest.json and .* now"),
        ({"classes": ["few"]}, "classes is .* in its manifest.json and .* now"),
        ({"shear_centre": "centre"}, "operations is .* in its manifest.json and .* now"),
        ({"resume": False}, "holds a run already"),
    ):
        with pytest.raises(InputError, match=message):
            run(folder, tmp_path / "run", **{"pairs": 4, **more})
    invariscope.measure(model, folder, output=tmp_path / "sweep", transformations="invert")
    with pytest.raises(InputError, match="holds a run of `invariscope measure`"):
        run(folder, tmp_path / "sweep")


def test_a_full_disk_keeps_what_was_written(folder, tmp_path, third_block_fills_the_disk):
    with pytest.raises(RunError, match=r"No space left on device.*kept.*resume"):
        run(folder, tmp_path / "run")
    third_block_fills_the_disk()
    assert len(list((tmp_path / "run" / "rows").glob("block-*.parquet"))) == 2
    run(folder, tmp_path / "whole")
    run(folder, tmp_path / "run")
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_rows_and_pictures_of_another_search_are_refused_by_name(folder, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    run(folder, one, pairs=40, operations="invert")
    run(folder, other, pairs=40, operations="invert", seed=1)
    before = table(one)
    block = "rows/block-00001.parquet"
    shutil.copy(other / block, one / block)
    again = {"pairs": 40, "operations": "invert"}
    for opened in (lambda: run(folder, one, **again), lambda: Factors.load(one)):
        with pytest.raises(InputError, match=r"block-00001.parquet holds rows of another run than"):
            opened()
    (one / block).unlink()
    (one / "factors.parquet").unlink()
    run(folder, one, **again)
    assert table(one) == before
    shutil.copy(other / "examples.npz", one)
    with pytest.raises(InputError, match=r"examples.npz holds pictures of another run than"):
        _ = Factors.load(one).examples
    shutil.copy(other / "factors.parquet", one)
    with pytest.raises(InputError, match=r"factors.parquet holds numbers of another run than"):
        Factors.load(one)
    saved = Factors.load(other).save(tmp_path / "saved")
    for file in ("examples.npz", "factors.parquet"):
        assert (saved / file).read_bytes() == (other / file).read_bytes()
    assert Factors.load(saved).pairs("few").equals(Factors.load(other).pairs("few"))


def test_a_search_of_another_version_is_not_gone_on_with(folder, tmp_path):
    run(folder, tmp_path, pairs=2, operations="invert")
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "0.0.1"}))
    with pytest.raises(InputError, match=r"invariscope 0.0.1, by its manifest.json, this is"):
        run(folder, tmp_path, pairs=2, operations="invert")
