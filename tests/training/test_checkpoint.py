"""What lies on the disk while a training runs, and a disk that fills."""

import errno
import io
import os

import pandas as pd
import pytest
import torch

from invariscope.errors import InputError, RunError
from invariscope.sealed import with_digest
from invariscope.training import checkpoint, read_run, train
from invariscope.training.checkpoint import CHECKPOINT


def assert_same(run, expected):
    state = run.module.state_dict()
    assert all(torch.equal(state[name], v) for name, v in expected.module.state_dict().items())
    pd.testing.assert_frame_equal(run.history, expected.history, check_exact=True)
    pd.testing.assert_frame_equal(run.correct, expected.correct, check_exact=True)


@pytest.fixture
def stopped(tiny, tmp_path):
    """A folder with the checkpoint of a training that was stopped."""
    with pytest.raises(RunError, match="stopped at iteration 1"):
        train(tiny, output=tmp_path / "run", stop=lambda: True)
    return tmp_path / "run"


def test_the_first_checkpoint_comes_after_the_first_epoch(tiny, tmp_path):
    there = []

    def look(iteration, total, values):
        there.append((tmp_path / CHECKPOINT).exists())  # before that of this step

    train(tiny.with_(epochs=3), output=tmp_path, progress=look)
    epoch = len(there) // 3
    assert there == [False] * epoch + [True] * 2 * epoch


def test_a_checkpoint_that_is_not_as_it_was_written(tiny, stopped):
    path = stopped / CHECKPOINT
    good = path.read_bytes()
    empty = io.BytesIO()
    torch.save({}, empty)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1  # of a weight: torch.load does not see it
    bad = (
        b"",
        good[:-9],
        bytes(flipped),
        empty.getvalue(),
        with_digest(empty.getvalue()),
        with_digest(b"[]"),
    )
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"checkpoint.pt .*: delete it to train from the sta"):
            train(tiny, output=stopped)
    path.write_bytes(good)
    assert_same(train(tiny, output=stopped), train(tiny))


def test_a_checkpoint_of_another_training_or_version_is_not_gone_on_with(
    tiny, stopped, monkeypatch
):
    for other in ({"seed": 3}, {"value_range": (0, 255)}):
        with pytest.raises(InputError, match=f"by its checkpoint.pt .{next(iter(other))} "):
            train(tiny.with_(**other), output=stopped)
    here = checkpoint.versions("invariscope", "torch")
    monkeypatch.setattr(checkpoint, "versions", lambda *names: here | {"torch": "99.0"})
    with pytest.raises(InputError, match=r"checkpoint.pt is of torch .*, this is 99.0: go on with"):
        train(tiny, output=stopped)


def test_a_finished_training_of_which_a_file_was_exchanged(tiny, tmp_path):
    for seed in (0, 1):
        train(tiny.with_(seed=seed), output=tmp_path / f"{seed}")
    names = {path.name for path in (tmp_path / "0").iterdir()}
    assert len(names) == 6
    for name in sorted(names):
        path = tmp_path / "0" / name
        good = path.read_bytes()
        path.write_bytes((tmp_path / "1" / name).read_bytes())
        with pytest.raises(InputError, match=rf"{name}.*: delete its folder"):
            read_run(tmp_path / "0")
        path.write_bytes(good)
    assert_same(read_run(tmp_path / "0"), train(tiny))


def test_a_disk_that_fills_at_any_write_costs_what_came_after_the_checkpoint(
    tiny, tmp_path, monkeypatch
):
    whole, replace, left = train(tiny), os.replace, 0

    def filling(source, target):
        nonlocal left
        left -= 1
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    for full in range(1, 9):  # the lock's note, the first checkpoint, and six files at the end
        left, folder = full, tmp_path / f"{full}"
        monkeypatch.setattr("os.replace", filling)
        with pytest.raises(RunError, match="No space left on device") as caught:
            train(tiny, output=folder)
        monkeypatch.setattr("os.replace", replace)
        assert (f"{CHECKPOINT} is kept" in str(caught.value)) == (full > 2)
        assert not list(folder.glob(".*"))
        assert_same(train(tiny, output=folder), whole)
