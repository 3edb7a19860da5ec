"""A run that is killed, resumed, refused or written to a full disk."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

import invariscope
from invariscope.errors import InputError, RunError
from invariscope.results import Result

SCRIPT = """
import sys, torch, invariscope
torch.set_num_threads(1)
def model(x):
    import time; time.sleep(float(sys.argv[3]))
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)
invariscope.measure(model, sys.argv[1], output=sys.argv[2], transformations="rotate,posterize",
                    workers=0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """130 pictures, so 4 blocks and two over; one of them is broken."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(130):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(
            root / f"{number:03}.png"
        )
    (root / "007.png").write_bytes(b"\x89PNG not really")
    return root


def model(x):
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)


def run(folder, output, **more):
    return invariscope.measure(
        model, folder, output=output, transformations="rotate,posterize", workers=0, **more
    )


def test_killed_and_resumed_gives_the_same_bytes(folder, tmp_path):
    whole = run(folder, tmp_path / "whole")
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(killed), "0.01"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.time() + 120
    while time.time() < deadline and len(list(killed.glob("rows/block-*.parquet"))) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sorted(killed.glob("rows/block-*.parquet"))
    assert 2 <= len(done) < 5
    times = {path.name: path.stat().st_mtime_ns for path in done}
    # what a write leaves that is killed half-way
    (killed / "rows" / ".block-00004.parquet.1.part").write_bytes(b"half")
    resumed = run(folder, killed)
    for path in done:
        assert path.stat().st_mtime_ns == times[path.name], "a finished block was measured again"
    one, other = tmp_path / "whole" / "summary.parquet", killed / "summary.parquet"
    assert one.read_bytes() == other.read_bytes()
    assert resumed.manifest["images"]["skipped"] == whole.manifest["images"]["skipped"]
    assert [entry["image"] for entry in whole.manifest["images"]["skipped"]] == ["007.png"]
    assert whole.manifest["images"]["used"] == 129


def test_a_damaged_block_is_measured_again(folder, tmp_path):
    run(folder, tmp_path / "run")
    before = (tmp_path / "run" / "summary.parquet").read_bytes()
    block = tmp_path / "run" / "rows" / "block-00001.parquet"
    block.write_bytes(block.read_bytes()[:-200])
    (tmp_path / "run" / "summary.parquet").unlink()
    run(folder, tmp_path / "run")
    assert (tmp_path / "run" / "summary.parquet").read_bytes() == before


def test_other_settings_are_refused_and_named(folder, tmp_path):
    run(folder, tmp_path / "run", num_images=4)
    with pytest.raises(
        InputError, match="holds a run with other settings: seed is 0 there and 1 now"
    ):
        run(folder, tmp_path / "run", num_images=4, seed=1)
    with pytest.raises(InputError, match="num_images is 4 there and 5 now"):
        run(folder, tmp_path / "run", num_images=5)
    with pytest.raises(InputError, match="holds a run already"):
        run(folder, tmp_path / "run", num_images=4, resume=False)


def test_folders_that_cannot_be_used(folder, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="is a file: give a folder"):
        run(folder, file, num_images=4)
    with pytest.raises(InputError, match="is not empty and holds no run"):
        run(folder, folder, num_images=4)
    with pytest.raises((InputError, RunError), match="cannot write"):
        run(folder, "/proc/invariscope", num_images=4)


def test_a_full_disk_keeps_what_was_written(folder, tmp_path, monkeypatch):
    real = os.replace
    written = []

    def full(source, target):
        if "block-" in str(target):
            written.append(target)
            if len(written) == 3:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match=r"No space left on device.*kept.*resume"):
        run(folder, tmp_path / "run")
    monkeypatch.undo()
    assert len(list((tmp_path / "run" / "rows").glob("block-*.parquet"))) == 2
    run(folder, tmp_path / "whole")
    run(folder, tmp_path / "run")
    one, other = (tmp_path / name / "summary.parquet" for name in ("whole", "run"))
    assert one.read_bytes() == other.read_bytes()


def test_saved_and_in_memory_runs_agree(folder, tmp_path):
    saved = run(folder, tmp_path / "run")
    memory = run(folder, None)
    loaded = Result.load(tmp_path / "run")
    assert saved.frame.equals(memory.frame)
    assert loaded.frame.equals(memory.frame)
    assert len(loaded.rows) == len(memory.rows)
    assert memory.example is not None
    assert (loaded.example == memory.example).all()


def test_blocks_in_which_nothing_can_be_read(tmp_path):
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(40):
        (source / f"{number:02}.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"none of the 40 images of .* can be read; the first: "):
        run(source, None)
    for number in (3, 5):
        Image.new("RGB", (9, 9), (40 * number, 9, 1)).save(source / f"{number:02}.png")
    result = run(source, tmp_path / "run")
    assert result.manifest["images"]["used"] in (0, 2)  # the same block, or one block each
    assert len(result.manifest["images"]["skipped"]) + result.manifest["images"]["used"] == 40
