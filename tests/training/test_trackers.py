import csv

import pytest

from invariscope.training import train
from invariscope.training.trackers import CsvTracker, TensorBoardTracker, Tracker, Trackers


class Kept:
    def __init__(self):
        self.rows, self.settings, self.finished = [], {}, 0

    def start(self, settings):
        self.settings = settings

    def log(self, iteration, values):
        self.rows += [(iteration, name, value) for name, value in values.items()]

    def finish(self):
        self.finished += 1


def test_three_methods_are_a_tracker_and_get_what_the_history_gets(tiny, tmp_path):
    kept = Kept()
    assert isinstance(kept, Tracker)
    table = CsvTracker(tmp_path / "log.csv")
    run = train(tiny, tracker=Trackers([kept, table]), evaluate_every=1)
    history = list(run.history[["iteration", "name", "value"]].itertuples(index=False, name=None))
    assert kept.rows == history
    assert kept.settings["augment"] == "none"
    assert kept.finished == 1
    with open(tmp_path / "log.csv") as file:
        rows = [(int(r["iteration"]), r["name"], float(r["value"])) for r in csv.DictReader(file)]
    assert rows == history


def test_lines_after_the_checkpoint_are_not_there_twice(tmp_path):
    path = tmp_path / "deep" / "log.csv"
    for first, last in ((1, 3), (3, 4), (4, 6)):
        table = CsvTracker(path)
        table.start({})
        for iteration in range(first, last + 1):
            table.log(iteration, {"loss": iteration / 10, "accuracy": 0.5})
        table.finish()
        with open(path, "a") as file:
            file.write("7,los")  # killed in the middle of a line
    with open(path) as file:
        rows = [line.strip() for line in file][:-1]
    expected = [f"{n},{what}" for n in range(1, 7) for what in (f"loss,{n / 10}", "accuracy,0.5")]
    assert rows == ["iteration,name,value", *expected]
    again = CsvTracker(path)
    again.start({})
    again.finish()  # a training that was over: nothing is logged, nothing is lost
    assert path.read_text().endswith("7,los")


def test_a_failure_finishes_the_tracker(tiny):
    kept = Kept()
    with pytest.raises(Exception, match="the loss is"):
        train(tiny.with_(learning_rate=1e20), tracker=kept)
    assert kept.finished == 1


def test_tensorboard_reads_what_was_logged(tiny, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(tiny, tracker=TensorBoardTracker(tmp_path))
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    logged = [(event.step, event.value) for event in events.Scalars("loss")]
    expected = run.values("loss")
    assert [step for step, _ in logged] == expected.index.tolist()
    assert [value for _, value in logged] == pytest.approx(expected.tolist(), rel=1e-6)
