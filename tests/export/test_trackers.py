"""Trackers, for real: MLflow on SQLite, W&B offline, event files read by TensorBoard's reader."""

import importlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from invariscope.errors import InputError, RunError
from invariscope.export import export_run, open_record
from invariscope.export.of_run import Choice

pytestmark = pytest.mark.filterwarnings("ignore")  # of the trackers' own imports


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """(client, uri) of a database of MLflow."""
    mlflow = pytest.importorskip("mlflow", reason="pip install 'invariscope[mlflow]'")
    pytest.importorskip("sqlalchemy", reason="pip install 'invariscope[mlflow]'")
    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    folder = tmp_path_factory.mktemp("mlflow")
    patch.setenv("HOME", str(folder))
    patch.chdir(folder)
    uri = f"sqlite:///{folder}/m.db"
    yield mlflow.MlflowClient(tracking_uri=uri), uri
    patch.undo()


def runs_of(client, experiment):
    there = client.get_experiment_by_name(experiment)
    return [] if there is None else client.search_runs([there.experiment_id])


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    """W&B without account or network, and a home of its own."""
    module = pytest.importorskip("wandb", reason="pip install 'invariscope[wandb]'")
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield module
    module.teardown()  # it has read the environment once for the process


def test_mlflow_has_every_number(run, store, tmp_path):
    client, uri = store
    (line, *_) = export_run(run, "mlflow", tracking_uri=uri, experiment="all", name="mine")
    (logged,) = runs_of(client, "all")
    assert logged.info.run_id in line
    assert (logged.info.run_name, logged.info.status) == ("mine", "FINISHED")
    (record,) = open_record([run])
    names = record.names()
    for curve in record.curves:
        history = client.get_metric_history(logged.info.run_id, names[curve.name])
        assert sorted((m.step, m.value) for m in history) == sorted(curve.points)
    for name, value in record.numbers.items():
        assert logged.data.metrics[names[name]] == value
    key = "relative_invariance_l2/shift_1..2/embedding"
    tags = logged.data.tags
    assert tags[f"invariscope.name.{key}"] == "relative_invariance:l2/shift(1..2)/embedding"
    assert tags["invariscope.identity"] == record.identity
    assert logged.data.params["levels.rotate"] == "0°, 45°, 90°"
    assert logged.data.params["environment.torch"] == record.manifest["environment"]["torch"]
    for path in ("report.html", "manifest.json", "figures/relative_invariance.png"):
        there = client.download_artifacts(logged.info.run_id, path, str(tmp_path))
        assert Path(there).stat().st_size > 1000
    table = json.loads(
        open(
            client.download_artifacts(logged.info.run_id, "tables/summary.json", str(tmp_path))
        ).read()
    )
    assert len(table["data"]) == len(record.summary)


def test_mlflow_twice(run, store, monkeypatch):
    client, uri = store
    choice = Choice(metrics=("prediction_consistency",))
    how = {"tracking_uri": uri, "experiment": "twice", "choice": choice}
    export_run(run, "mlflow", **how)
    (first,) = runs_of(client, "twice")
    with pytest.raises(InputError, match=f"already .run {first.info.run_id}.: give `replace`"):
        export_run(run, "mlflow", **how)
    assert len(runs_of(client, "twice")) == 1
    export_run(run, "mlflow", replace=True, **how)
    (second,) = runs_of(client, "twice")
    assert second.info.run_id != first.info.run_id

    def fail(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(type(client), "log_artifacts", fail)
    with pytest.raises(RunError, match=r"only a part of the run \(the disk is full\), and it was"):
        export_run(run, "mlflow", replace=True, **how)
    (left,) = runs_of(client, "twice")
    assert left.info.run_id == second.info.run_id


def test_mlflow_of_a_training(trained, store):
    client, uri = store
    export_run(trained, "mlflow", tracking_uri=uri, experiment="train")
    logged = runs_of(client, "train")
    assert {run.data.params["seed"] for run in logged} == {"0", "1"}
    losses = client.get_metric_history(logged[0].info.run_id, "loss")
    assert [m.step for m in losses] == [1, 2, 3, 4]


def test_mlflow_that_cannot_be_reached(run, store):
    with pytest.raises(InputError, match=r"MLflow cannot be used at nonsense://x .*sqlite:///"):
        export_run(run, "mlflow", tracking_uri="nonsense://x")


def records_of(path):
    """The records of an offline run: protocol buffers in the blocks of a log of LevelDB."""
    protocol: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    content, block, place = path.read_bytes(), 32768, 7
    found, parts = [], b""
    while place + 7 <= len(content):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(protocol.Record.FromString(parts))
            parts = b""
    return found


@pytest.mark.slow
def test_wandb_offline(run, wandb, tmp_path):
    (line, *_) = export_run(run, "wandb", output=tmp_path, project="p", name="mine")
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert line == f"wandb: {folder}"
    (record,) = open_record([run])
    (path,) = folder.glob("*.wandb")
    found = records_of(path)
    (about,) = [r.run for r in found if r.WhichOneof("record_type") == "run"]
    assert (about.run_id, about.project, about.display_name) == (record.identity, "p", "mine")
    logged: dict[str, dict[int, float]] = {}
    for entry in (r.history for r in found if r.WhichOneof("record_type") == "history"):
        row = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in entry.item}
        for name, value in row.items():
            logged.setdefault(name, {})[row.get("level", -1)] = value
    names = record.names()
    for curve in record.curves:
        assert logged[names[curve.name]] == pytest.approx(dict(curve.points))
    axes = {
        (r.metric.name, r.metric.step_metric)
        for r in found
        if r.WhichOneof("record_type") == "metric"
    }
    assert ("relative_invariance/rotate/embedding", "magnitude/rotate") in {
        (name.replace("\\", ""), step) for name, step in axes
    }
    media = folder / "files" / "media"
    assert list((media / "images" / "figures").glob("relative_invariance_*.png"))
    (page,) = (media / "html").glob("report_*.html")
    assert page.read_bytes() == (run / "report.html").read_bytes()
    assert (folder / "files" / "manifest.json").is_file()
    with pytest.raises(InputError, match=r"was logged already, into .*: give `replace`"):
        export_run(run, "wandb", output=tmp_path)
    export_run(run, "wandb", output=tmp_path, replace=True)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 1


def test_wandb_without_a_login(run, wandb, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(InputError, match=r"W&B refuses the run .*set WANDB_MODE=offline"):
        export_run(run, "wandb", output=tmp_path)


@pytest.mark.slow
def test_tensorboard(run, tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path / "events"
    assert export_run(run, "tensorboard", output=folder)[0].endswith(f"--logdir {folder}")
    with pytest.raises(InputError, match="has events already: give `replace`"):
        export_run(run, "tensorboard", output=folder)
    export_run(run, "tensorboard", output=folder, replace=True)
    assert len(list(folder.iterdir())) == 1
    events = reader.EventAccumulator(str(folder), {"tensors": 0, "images": 0, "scalars": 0})
    events.Reload()
    (record,) = open_record([run])
    names = record.names()
    for curve in record.curves:
        found = [(e.step, e.value) for e in events.Scalars(names[curve.name])]
        assert [step for step, _ in found] == [step for step, _ in curve.points]
        assert [v for _, v in found] == pytest.approx([v for _, v in curve.points], rel=1e-6)
    (picture,) = events.Images("figures/relative_invariance")
    assert picture.width > 500
    assert {"settings/text_summary", "names/text_summary", "manifest/text_summary"} <= set(
        events.Tags()["tensors"]
    )


@pytest.mark.parametrize("name", ["mlflow", "wandb", "tensorboard"])
def test_a_missing_package_is_named(run, tmp_path, monkeypatch, name):
    module = {"tensorboard": "torch.utils.tensorboard"}.get(name, name)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"pip install 'invariscope\[{name}\]'"):
        export_run(run, name)


def test_options_of_others(run):
    with pytest.raises(InputError, match="`project` belongs to wandb: leave it out for mlflow"):
        export_run(run, "mlflow", project="p")
    with pytest.raises(InputError, match=r"destination 'mlflo'.*mlflow"):
        export_run(run, "mlflo")
