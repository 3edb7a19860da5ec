"""A measurement of foregrounds that is killed, resumed, refused or written to a full disk."""

import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invariscope.errors import InputError, RunError
from invariscope.foregrounds import Foregrounds, measure_foregrounds
from killing import killed_after

SCRIPT = """
import sys, time
from invariscope.foregrounds import job, measure_foregrounds
box = job.foreground_box
job.foreground_box = lambda *arguments: time.sleep(0.005) or box(*arguments)
measure_foregrounds(sys.argv[1], masks="alpha", output=sys.argv[2])
"""
TABLES = ("foregrounds.parquet", "foregrounds-summary.csv", "foregrounds-spread.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """130 cut-outs of two classes, so 4 blocks and two over; one is broken, one is clear."""
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for number in range(130):
        path = root / ("few" if number % 13 == 0 else "many") / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = draw.integers(0, 255, (12, 12, 4), dtype=np.uint8)
        pixels[..., 3] = 0
        left, top = draw.integers(0, 6, 2)
        pixels[top : top + 5, left : left + 4, 3] = 255 * (number != 9)
        Image.fromarray(pixels).save(path)
    (root / "many" / "007.png").write_bytes(b"\x89PNG not really")
    return root


def run(folder, output, **more):
    asked: dict[str, Any] = {"masks": "alpha", "output": output, **more}
    return measure_foregrounds(folder, **asked)


def tables(folder):
    return [(folder / name).read_bytes() for name in TABLES]


def test_killed_and_resumed_gives_the_same_bytes(folder, tmp_path):
    whole = run(folder, tmp_path / "whole")
    killed = tmp_path / "killed"
    done = killed_after(2, killed, SCRIPT, str(folder), str(killed))
    assert 2 <= len(done) < 5
    with pytest.raises(InputError, match=r"killed has no foregrounds.parquet yet: run the same"):
        Foregrounds.load(killed)
    times = {path.name: path.stat().st_mtime_ns for path in done}
    resumed = run(folder, killed)
    for path in done:
        assert path.stat().st_mtime_ns == times[path.name], "a finished block was measured again"
    assert tables(tmp_path / "whole") == tables(killed)
    for name in ("skipped", "empty"):
        assert resumed.manifest["images"][name] == whole.manifest["images"][name]
    assert resumed.manifest["images"]["empty"] == ["many/009.png"]
    memory = measure_foregrounds(folder, masks="alpha")
    assert tables(memory.save(tmp_path / "saved")) == tables(killed)


def test_other_settings_and_other_runs_rows_are_refused(folder, tmp_path):
    one, second = tmp_path / "one", tmp_path / "second"
    run(folder, one)
    run(folder, second, seed=1)
    for more, message in (
        ({"seed": 1}, "holds a run with other settings: seed is 0 in its manifest.json and 1 now"),
        ({"threshold": 0.2}, "threshold is 0.1 in its manifest.json and 0.2 now"),
        ({"num_images": 7}, "num_images is 130 in its manifest.json and 7 now"),
        ({"resume": False}, "holds a run already"),
    ):
        with pytest.raises(InputError, match=message):
            run(folder, one, **more)
    before, block = tables(one), "rows/block-00001.parquet"
    shutil.copy(second / block, one / block)
    with pytest.raises(InputError, match=r"block-00001.parquet holds rows of another run than"):
        run(folder, one)
    (one / block).write_bytes((one / block).read_bytes()[:-200])
    run(folder, one)
    assert tables(one) == before


def test_a_full_disk_keeps_what_was_written(folder, tmp_path, third_block_fills_the_disk):
    with pytest.raises(RunError, match=r"No space left on device.*kept.*resume"):
        run(folder, tmp_path / "run")
    third_block_fills_the_disk()
    assert len(list((tmp_path / "run" / "rows").glob("block-*.parquet"))) == 2
    run(folder, tmp_path / "run")
    run(folder, tmp_path / "whole")
    assert tables(tmp_path / "run") == tables(tmp_path / "whole")


@pytest.mark.parametrize("replaced", ["picture", "mask"])
def test_a_picture_or_a_mask_that_was_replaced_is_not_gone_on_with(tmp_path, replaced):
    for number in range(3):
        for kind, value in (("picture", 90), ("mask", 255)):
            (tmp_path / kind).mkdir(exist_ok=True)
            image = Image.new("L", (8, 8))
            image.paste(value, (number, 1, number + 3, 5))
            image.save(tmp_path / kind / f"{number}.png")
    more = {"output": tmp_path / "run", "masks": tmp_path / "mask"}
    before = run(tmp_path / "picture", **more)
    assert run(tmp_path / "picture", **more).images.equals(before.images)
    image = Image.new("L", (8, 8))
    image.paste(255, (2, 2, 7, 7))
    image.save(tmp_path / replaced / "1.png")
    with pytest.raises(InputError, match=r"run holds a run on other images: 1.png has another con"):
        run(tmp_path / "picture", **more)


def test_a_data_set_without_files_is_known_by_its_first_mask(tmp_path):
    def pictures(left):
        image = Image.new("RGBA", (8, 8))
        image.paste((9, 9, 9, 255), (left, 1, left + 3, 5))
        return [image] * 3

    measure_foregrounds(pictures(1), masks="alpha", output=tmp_path)
    assert len(measure_foregrounds(pictures(1), masks="alpha", output=tmp_path).images) == 3
    with pytest.raises(InputError, match=r"holds a run on other images: 0 has another content now"):
        measure_foregrounds(pictures(2), masks="alpha", output=tmp_path)
