"""The engine carries out any job: here one that adds up the brightness of pictures."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.runs import Job, RowFormat, carry_out, carry_out_each
from invariscope.runs.loading import loading
from invariscope.runs.manifest import new_manifest, read_manifest
from invariscope.runs.progress import Silent
from invariscope.runs.request import ModelRequest, Request

PICTURES = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(3, 3)


class Brightness(Job[float]):
    """The sum over pictures, in blocks of three; the sum so far goes from block to block."""

    rows = RowFormat()
    batch_size, cells = 4, 1
    beside = ", darkly"

    def __init__(self, pictures=PICTURES, most=None):
        self.source = open_source(pictures)
        self.blocks = [list(range(k, min(k + 3, 10))) for k in range(0, 10, 3)]
        self.load, self.ready, self.most = loading(Preprocessing()), {}, most
        settings = {"data": "array", "masks": "", "threshold": 0, "seed": 0, "images": "all"}
        self.manifest = new_manifest(
            settings, self.source, Request(images=pictures), command="foregrounds", selected=10,
            device="cpu", decisions={}, warnings=[],
        )  # fmt: skip
        self.measured, self.kept = [], []

    def passes(self, number):
        return len(self.blocks[number])

    def begin(self, run):
        self.sum = 0.0

    def measure(self, block, batches, advance):
        self.measured.append(block.number)
        assert batches.size == 4
        advance(len(block.ids))
        values = block.pixels().double().mean((1, 2, 3))
        self.sum += float(values.sum())
        return pa.table({"image": block.ids, "value": values.numpy()})

    def keep(self, run, number):
        self.kept.append((number, self.sum))

    def enough(self, run, measured):
        return "" if self.most is None or measured < self.most else "it is enough"

    def finish(self, run):
        rows = run.rows
        tables = (
            [pq.read_table(p) for p in sorted(rows.iterdir())] if isinstance(rows, Path) else rows
        )
        return float(np.concatenate([table["value"].to_numpy() for table in tables]).sum())


class Told(Silent):
    def __init__(self):
        self.lines = []

    def start(self, **counts):
        self.lines.append(counts)

    def advance(self, passes):
        self.lines.append(passes)

    def note(self, text):
        self.lines.append(text)


def test_all_blocks_in_order_in_memory_and_on_the_disk(tmp_path):
    told, job = Told(), Brightness()
    assert carry_out(job, progress=told) == 45
    assert job.measured == [0, 1, 2, 3]
    assert job.kept == [(0, 3), (1, 15), (2, 36), (3, 45)]
    assert told.lines == [{"images": 10, "cells": 1, "passes": 10, "done": 0}, 3, 3, 3, 1]
    assert carry_out(Brightness(), output=tmp_path / "run") == 45
    manifest = read_manifest(tmp_path / "run", "foregrounds")
    assert manifest["execution"] | {"seconds": 0, "started": "", "command": None} == {
        "status": "finished", "started": "", "command": None, "seconds": 0, "events": [],
        "cells": 1, "forward_passes": 10, "from_cache": 0, "batch_size": 4,
        "arguments": {"images": "images"},
    }  # fmt: skip


def test_only_missing_blocks_are_measured(tmp_path):
    carry_out(Brightness(), output=tmp_path)
    (tmp_path / "rows" / "block-00002.parquet").unlink()
    for name in (".manifest.json.1.part", "rows/.block-00002.parquet.1.part"):  # killed writes
        (tmp_path / name).write_bytes(b"half")
    told, job = Told(), Brightness()
    assert carry_out(job, output=tmp_path, progress=told) == 45
    assert job.measured == [2]
    assert told.lines == [{"images": 10, "cells": 1, "passes": 10, "done": 7}, 3]
    made = read_manifest(tmp_path, "foregrounds")["execution"]["forward_passes"]
    assert made == 10 + 3  # in both sessions
    assert not list(tmp_path.rglob(".*"))
    with pytest.raises(InputError, match="holds a run already: give another `output`"):
        carry_out(Brightness(), output=tmp_path, resume=False)


def test_enough_is_asked_before_and_after_each_block(tmp_path):
    told = Told()
    assert carry_out(Brightness(most=2), output=tmp_path, progress=told) == 15
    assert told.lines[-1] == "it is enough"
    job = Brightness(most=2)
    assert carry_out(job, output=tmp_path) == 15
    assert job.measured == []
    assert carry_out(Brightness(), output=tmp_path) == 45  # more may be asked for


def test_a_block_that_begin_strikes_is_measured_again(tmp_path):
    carry_out(Brightness(), output=tmp_path)

    class Anew(Brightness):
        def begin(self, run):
            super().begin(run)
            run.done = run.done[:1]

    job = Anew()
    assert carry_out(job, output=tmp_path) == 45
    assert job.measured == [1, 2, 3]


def test_images_that_cannot_be_read_are_counted_and_said_once(tmp_path):
    broken = tmp_path / "data"
    broken.mkdir()
    for number, pixels in enumerate(PICTURES):
        Image.fromarray(pixels).save(broken / f"{number}.png")
    (broken / "4.png").write_bytes(b"no")
    folder = tmp_path / "run"
    told = Told()
    carry_out(Brightness(broken), output=folder, progress=told)
    images = read_manifest(folder, "foregrounds")["images"]
    (skipped,) = images["skipped"]
    assert skipped["image"] == "4.png"
    assert images["used"] == 9
    assert f"skipped 4.png, darkly: {skipped['reason']}" in told.lines
    (folder / "rows" / "block-00001.parquet").unlink()
    told = Told()
    carry_out(Brightness(broken), output=folder, progress=told)
    assert not [line for line in told.lines if isinstance(line, str)]
    told = Told()
    jobs, folders = [Brightness(broken), Brightness(broken)], [tmp_path / "a", tmp_path / "b"]
    carry_out_each(jobs, folders, progress=told)
    assert told.lines.count(f"skipped 4.png, darkly: {skipped['reason']}") == 1
    for folder in folders:
        manifest = read_manifest(folder, "foregrounds")
        assert manifest["images"]["skipped"] == [skipped]
        assert len(manifest["execution"]["events"]) == 1


def test_a_batch_has_at_least_one_image():
    with pytest.raises(InputError, match="batch_size must be at least 1, not 0"):
        carry_out(Brightness(), batch_size=0)


def test_what_is_asked_and_how_it_is_carried_out():
    arguments = {"model": "m", "images": "i", "task": "dense", "output": None, "workers": 2}
    request, how = ModelRequest.split(arguments)
    assert (request.model, request.task, request.seed) == ("m", "dense", 0)
    assert how == {"output": None, "workers": 2}
    assert Request.split({"images": "i", "seed": 3}) == (Request(images="i", seed=3), {})


def test_jobs_on_the_same_pictures_read_each_once(tmp_path):
    class Reading(Brightness):
        read = 0

        def __init__(self):
            super().__init__()
            once = self.load

            def load(source, index):
                Reading.read += 1
                return once(source, index)

            self.load = load

    carry_out(Brightness(), output=tmp_path / "b")
    for number in (1, 3):
        (tmp_path / "b" / "rows" / f"block-{number:05}.parquet").unlink()
    told, jobs = Told(), [Reading(), Brightness()]
    folders = [tmp_path / "a", tmp_path / "b"]
    assert carry_out_each(jobs, folders, progress=told, workers=0) == [45, 45]
    assert jobs[0].measured == [0, 1, 2, 3]
    assert jobs[1].measured == [1, 3]  # the others are there
    assert Reading.read == 10
    assert told.lines == [{"images": 10, "cells": 2, "passes": 20, "done": 6}, 3, 3, 3, 3, 1, 1]
    for folder, passes in zip(folders, (10, 14), strict=True):
        execution = read_manifest(folder, "foregrounds")["execution"]
        assert (execution["status"], execution["forward_passes"]) == ("finished", passes)
        assert execution["together"] == 2
    assert (folders[0] / "rows" / "block-00001.parquet").read_bytes() == (
        folders[1] / "rows" / "block-00001.parquet"
    ).read_bytes()
