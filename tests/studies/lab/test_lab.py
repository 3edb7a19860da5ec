import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from children import Child
from invariscope.errors import InputError, RunError
from invariscope.studies.lab.executor import InProcess, ProcessPool, cores
from invariscope.studies.lab.jobs import StudyJob
from invariscope.studies.lab.lab import Lab
from oracles.jobs import found


class Told:
    def __init__(self):
        self.lines = []

    def start(self, what, *, jobs, done):
        self.lines.append((what, jobs, done))

    def advance(self, result):
        self.lines.append(found(result))

    def note(self, text):
        self.lines.append(text)


def doubles(*numbers, **more):
    return [StudyJob("double", {"number": number, **more}) for number in numbers]


@pytest.mark.parametrize("executor", [InProcess(), ProcessPool(2)], ids=["here", "pool"])
def test_results_come_in_order_and_only_once(tmp_path, executor):
    told = Told()
    lab = Lab(tmp_path, executor=executor, progress=told)
    assert [found(result) for result in lab.run(doubles(3, 1, 3, 2), "doubling")] == [6, 2, 6, 4]
    assert told.lines[0] == ("doubling", 3, 0)
    assert sorted(told.lines[1:]) == [2, 4, 6]
    again = lab.run(doubles(1, 5), "more")
    assert [found(result) for result in again] == [2, 10]
    assert [result.reused for result in again] == [True, False]
    assert told.lines[4:] == [("more", 2, 1), 10]
    assert [found(result) for result in lab.used.values()] == [6, 2, 4, 10]
    assert lab.seconds == pytest.approx(sum(result.seconds for result in lab.used.values()))


@pytest.mark.parametrize("executor", [InProcess(), ProcessPool(2)], ids=["here", "pool"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("run", "double .{8}: the disk is full; 2 of 3 jobs are finished and kept"),
        ("defect", "double .{8}: ZeroDivisionError: by zero; 2 of 3"),
    ],
)
def test_an_error_names_its_cell_and_keeps_the_others(tmp_path, executor, error, message):
    jobs = [*doubles(1), *doubles(9, error=error), *doubles(2)]
    with pytest.raises(RunError, match=message):
        Lab(tmp_path, executor=executor).run(jobs)
    assert [result.reused for result in Lab(tmp_path).run(doubles(1, 2))] == [True, True]


def test_wrong_settings_stop_the_rest(tmp_path):
    jobs = [*doubles(1), *doubles(7, error="input"), *doubles(2)]
    with pytest.raises(InputError, match=r"double .{8}: number 7 is no number; give another"):
        Lab(tmp_path).run(jobs)
    assert [result.reused for result in Lab(tmp_path).run(doubles(1, 2))] == [True, False]


def test_a_process_that_dies_costs_its_cell_only(tmp_path):
    jobs = [*doubles(9, error="die"), *doubles(1, 2)]
    with pytest.raises(RunError, match=r"its process died .signal 9.*; 2 of 3 jobs are finished"):
        Lab(tmp_path, executor=ProcessPool(1)).run(jobs)


def test_the_processes_share_the_cores(tmp_path):
    pool = ProcessPool(2)
    for numbers, processes in (((1, 2, 3), 2), ((4,), 1)):
        for result in Lab(tmp_path, executor=pool).run(doubles(*numbers)):
            threads = json.loads((result.folder / "found.json").read_text())["threads"]
            assert threads == str(max(1, cores() // processes))
    with pytest.raises(InputError, match="workers=0: give 1 or more"):
        ProcessPool(0)


SLOW = """
import os, sys
import oracles.jobs
from pathlib import Path
from invariscope.studies.lab.jobs import StudyJob
from invariscope.studies.lab.running import lab_of
os.setsid()
lab = lab_of(Path(sys.argv[1]), int(sys.argv[2]))
one = StudyJob("double", {"number": 1})
slow = [StudyJob("double", {"number": n, "seconds": 60}) for n in (2, 3)]
lab.run([one, *slow])
"""


@pytest.fixture
def slow_lab(tmp_path):
    """Starts a process that has done one job and is busy with others; its first two folders."""
    with ExitStack() as stack:

        def start(workers):
            child = Child(SLOW, tmp_path, workers, said=tmp_path.with_name("said"))
            stack.enter_context(child)
            first, second = (tmp_path / job.key for job in doubles(1) + doubles(2, seconds=60))
            _until(lambda: (first / "done").exists() and (second / "log").exists())
            return child, first, second

        yield start


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_finished_cells(slow_lab, tmp_path, workers):
    process, _, second = slow_lab(workers)
    os.killpg(process.pid, signal.SIGINT)
    _, _, errors = process.ended(20)
    assert "KeyboardInterrupt" in errors
    assert not (second / "done").exists()
    assert Lab(tmp_path).run(doubles(1))[0].reused


def test_nobody_works_on_after_the_command_is_killed(slow_lab):
    process, _, second = slow_lab(2)
    worker = int((second / "log").read_text())
    assert worker != process.pid
    assert _lives(worker)
    process.send(signal.SIGKILL)
    process.ended()
    _until(lambda: not _lives(worker))


def _lives(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_each_model_has_its_data(tmp_path):
    with pytest.raises(InputError, match="2 data specs for 1 models"):
        Lab(tmp_path).measure("timm:resnet18", ["samples", "stamps"])


def test_measures_a_spec_as_measure_does(tmp_path):
    import invariscope

    settings = {
        "transformations": ("rotate",),
        "num_images": 4,
        "metrics": ("relative_invariance",),
    }
    model, lab = "small:cnn7?width=0.2&size=16", Lab(tmp_path)
    found = lab.measure([model, model], "samples", seeds=[0, 1], **settings)
    for seed, result in enumerate(found):
        direct = invariscope.measure(model, "samples", seed=seed, **settings)
        assert result.frame["value"].tolist() == direct.frame["value"].tolist()
    with pytest.raises(InputError, match="1 seeds for 2 models: give one each"):
        lab.measure([model, model], "samples", seeds=[0], **settings)


def test_trains_reads_and_measures_what_was_trained(tmp_path):
    from invariscope.training import Recipe

    data = "torchvision:FakeData?size=40&image_size=3,8,8&num_classes=2"
    recipe = Recipe(data, "small:cnn7?width=0.2&size=8", epochs=1.0, batch_size=16)
    lab = Lab(tmp_path / "jobs")
    runs = lab.train([recipe, recipe.with_(seed=1)])
    assert [run.recipe.seed for run in runs] == [0, 1]
    settings = {"transformations": ("rotate",), "num_images": 4, "layers": "last"}
    models = [runs[0], lab.spec(runs[0], untrained=True)]
    trained, untrained = lab.measure(models, data, **settings)
    assert trained.frame["value"].tolist() != untrained.frame["value"].tolist()
    keys = list(lab.used)
    (tmp_path / "jobs").rename(tmp_path / "moved")  # a key does not depend on where the jobs lie
    again = Lab(tmp_path / "moved")
    assert again.train([recipe])[0].accuracy == runs[0].accuracy
    assert again.measure(models[1:], data, **settings)[0].frame.equals(untrained.frame)
    assert all(result.reused for result in again.used.values())
    assert set(again.used) <= set(keys)


def test_a_training_is_measured_as_it_goes_on(tmp_path):
    from invariscope.training import Recipe

    data = "torchvision:FakeData?size=40&image_size=3,8,8&num_classes=2"
    recipe = Recipe(data, "small:cnn7?width=0.2&size=8", epochs=1.0, batch_size=16)
    lab, settings = Lab(tmp_path), {"images": "samples", "transformations": "rotate",
                                    "num_images": 2, "layers": "last"}  # fmt: skip
    hook = "invariscope.training:measuring"
    (run,) = lab.train([recipe], hook=hook, every=1, hook_settings=settings)
    names = [name for name in run.history["name"].unique() if name.startswith("relative_inv")]
    assert names
    assert run.values(names[0]).index[0] == 0
    (plain,) = lab.train([recipe])
    assert plain.folder != run.folder
    assert plain.accuracy == run.accuracy
    with pytest.raises(InputError, match=r"hook 'nowhere:nothing'.*write package.module:function"):
        lab.train([recipe], hook="nowhere:nothing", every=1)
