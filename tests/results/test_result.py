"""Result: saved and loaded, and what happens to folders that are no runs."""

import json

import numpy as np
import pytest

from invariscope.errors import InputError, RunError
from invariscope.results import Result, RowStore
from oracles.runs import manifest_of, tables_of


def test_saved_and_loaded(run, tmp_path):
    result, _ = run
    result.save(tmp_path / "run")
    loaded = Result.load(tmp_path / "run")
    assert loaded.frame.equals(result.frame)
    assert loaded.controls.equals(result.controls)
    assert loaded.manifest == result.manifest
    assert loaded.rows.equals(result.rows)
    assert len(loaded.rows) == 20 * (2 * 5 * 2 + 5)
    assert (loaded.example == result.example).all()
    assert not loaded.warnings
    with pytest.raises(InputError, match="is not empty: give a new or empty folder"):
        result.save(tmp_path / "run")


def test_a_save_that_fails_leaves_nothing_in_the_way(run, tmp_path, monkeypatch):
    result, _ = run

    def full(descriptor):
        raise OSError(28, "No space left on device")

    message = r"^cannot save the result in .*run: No space left on device; .*save again$"
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=message):
        result.save(tmp_path / "run")
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())
    result.save(tmp_path / "run")


def test_frame_and_controls(run):
    result, _ = run
    assert list(result.frame.columns) == [
        "metric", "transformation", "level", "magnitude", "unit", "kind", "layer", "part",
        "class", "value", "ci_low", "ci_high", "q25", "median", "q75", "n", "n_undefined",
        "model", "data",
    ]  # fmt: skip
    assert set(result.controls.control) == {"shuffled"}


def test_overview_goes_from_the_least_to_the_most_invariant(run):
    result, truth = run
    table = result.overview()
    assert table["mean"].is_monotonic_increasing
    cells = [truth["embedding", "relative_invariance", "", f"rotate={k}"][0] for k in (10, 20)]
    assert np.isclose(table.loc["rotate", "mean"], np.mean(cells), atol=1e-6)


def test_how_it_shows_itself():
    manifest = manifest_of(model="<b>model</b>")
    result = Result(manifest, RowStore(tables_of()[0]))
    assert repr(result) == "<Result: <b>model</b> on 20 images of toys, 7 levels>"
    assert "<b>" not in result._repr_html_()
    assert "&lt;b&gt;model" in result._repr_html_()


def test_an_unfinished_run_gives_what_is_there(run, tmp_path):
    result, _ = run
    result.manifest["execution"]["status"] = "running"
    folder = result.save(tmp_path / "run")
    (folder / "summary.parquet").unlink()
    (folder / "rows" / "block-00002.parquet").unlink()
    loaded = Result.load(folder)
    assert loaded.warnings == ["the run is not finished: 16 of 20 images are there"]
    assert loaded.frame["n"].max() == 16


def test_a_lost_summary_is_computed_again(run, tmp_path):
    result, _ = run
    folder = result.save(tmp_path / "run")
    (folder / "summary.parquet").unlink()
    assert Result.load(folder).frame.equals(result.frame)


def test_folders_that_are_no_runs(run, tmp_path):
    result, _ = run
    with pytest.raises(InputError, match="no run folder at"):
        Result.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is not a run folder \(it has no manifest.json\)"):
        Result.load(tmp_path)
    folder = result.save(tmp_path / "run")
    manifest = folder / "manifest.json"
    good = manifest.read_text()
    for content, message in (
        ("{ not json", "cannot read .*manifest.json"),
        ("[]", "is not a manifest of invariscope"),
        ('{"format": 1, "settings": {}}', "manifest.json is not as it was written: rest"),
        (json.dumps(json.loads(good) | {"format": 99}), "format 99.*install a newer invariscope"),
    ):
        manifest.write_text(content)
        with pytest.raises(InputError, match=message):
            Result.load(folder)
    manifest.write_text(good)
    (folder / "summary.parquet").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"cannot read .*summary.parquet .*: delete the file"):
        Result.load(folder)
    (folder / "example.png").write_bytes(b"broken")
    (folder / "summary.parquet").unlink()
    with pytest.raises(InputError, match=r"cannot read .*example.png: delete it"):
        Result.load(folder)
    for path in (folder / "rows").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="has no rows yet"):
        Result.load(folder)
