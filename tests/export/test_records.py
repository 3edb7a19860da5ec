"""What goes out: the numbers of the run, under names that a tracker takes."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from invariscope.errors import InputError
from invariscope.export import open_record
from invariscope.export.of_run import Choice, _curves, _usual
from invariscope.export.record import altered, flat
from invariscope.outside import tracker_name, tracker_names
from invariscope.results import Result
from oracles.made_runs import made_run

TAKEN = re.compile(r"[A-Za-z0-9_.\-]+(/[A-Za-z0-9_.\-]+)*")


def test_every_number_of_the_run_at_embedding_and_logits(run):
    (record,) = open_record([run])
    result = Result.load(run)
    curves: dict[Any, Any] = {curve.name: dict(curve.points) for curve in record.curves}
    frame: Any = result.frame[result.frame["class"].isna()]
    for row in frame.itertuples():
        name = (row.metric, row.transformation, row.layer)
        if name in curves:
            assert curves[name][row.level] == row.value
            if np.isfinite(row.ci_low):
                assert curves["ci_low", *name][row.level] == row.ci_low
                assert curves["ci_high", *name][row.level] == row.ci_high
    wanted = frame[frame["layer"].isin(["embedding", "logits"]) & (frame["n"] > 0)]
    assert {(r.metric, r.transformation, r.layer) for r in wanted.itertuples()} <= set(curves)
    assert ("relative_invariance", "rotate", "conv") not in curves
    assert curves["magnitude", "rotate"] == {0: 0.0, 1: 45.0, 2: 90.0}
    shuffled: Any = result.controls[result.controls["control"] == "shuffled"]
    assert curves["shuffled", "relative_invariance", "rotate", "embedding"] == {
        int(r.level): r.value
        for r in shuffled.itertuples()
        if (r.metric, r.transformation, r.layer) == ("relative_invariance", "rotate", "embedding")
    }
    averages = result.averages("relative_invariance", "rotate")
    own = averages[averages["layer"] == "embedding"]["value"].iloc[0]
    assert record.numbers["average", "relative_invariance", "rotate", "embedding"] == own
    assert record.settings["levels"]["rotate"] == "0°, 45°, 90°"
    assert record.settings["images_used"] == 8


def test_metrics_of_feature_maps_go_out_at_every_layer():
    """Neither the embedding nor the logits have a map: rows without an image do not count."""
    rows = [
        ("a", "conv", 8), ("a", "embedding", 8), ("a", "logits", 8),
        ("b", "conv", 8), ("b", "embedding", 0), ("b", "logits", 0), ("c", "conv", 8),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["metric", "layer", "n"])
    found = _usual(frame, Choice())
    assert {(m, layer) for m, layer, n in found.itertuples(index=False) if n} == {
        ("a", "embedding"), ("a", "logits"), ("b", "conv"), ("c", "conv"),
    }  # fmt: skip
    assert len(_usual(frame, Choice(layers=("*",)))) == len(frame)


def test_a_curve_of_the_identity_alone_is_left_out():
    """A tracker shows the last point of a curve: 1 there would be read as invariance."""
    nothing = {"shear_x=10": np.nan, "shear_x=20": np.nan, "rotate=20": np.nan}
    found, undefined = _curves(made_run(nothing).summary.query("`class`.isna()"))
    curves = {curve.name: curve.points for curve in found}
    assert [step for step, _ in curves["relative_invariance", "rotate", "embedding"]] == [0, 1]
    assert not [name for name in curves if "shear_x" in name]
    assert undefined == 4  # shear_x has 20° twice


def test_a_choice(run):
    choice = Choice(("relative_invariance",), ("rotate",), ("c*",))
    (record,) = open_record([run], choice)
    names = {curve.name for curve in record.curves}
    own = ("relative_invariance", "rotate", "conv")
    assert names == {own, ("ci_low", *own), ("ci_high", *own), ("magnitude", "rotate")}
    assert set(record.table["layer"]) == {"conv"}
    for wrong, match in (
        (Choice(metrics=("relative_invarianc",)), "metric of this run 'relative_invarianc'"),
        (Choice(transformations=("turn",)), "transformation of this run 'turn'"),
        (Choice(layers=("block*",)), "layer of this run 'block"),
    ):
        with pytest.raises(InputError, match=match):
            open_record([run], wrong)


def test_names_are_taken_and_never_two_the_same(run):
    (record,) = open_record([run])
    names = record.names()
    assert len(set(names.values())) == len(names)
    assert all(TAKEN.fullmatch(name) and len(name) <= 250 for name in names.values())
    assert altered(names)["relative_invariance_l2/shift_1..2/embedding"] == (
        "relative_invariance:l2/shift(1..2)/embedding"
    )
    odd = [("a", "Katze 猫"), ("a", "Katze 犬"), ("..", "x/y"), ("", "n" * 300), ("", "n" * 301)]
    shown = list(tracker_names(odd).values())
    assert len(set(shown)) == 5
    assert all(TAKEN.fullmatch(name) and len(name) <= 250 for name in shown)
    assert not any(part in (".", "..") for name in shown for part in name.split("/"))
    assert tracker_name("\ud800x") == "_x"


def test_settings_are_flat_and_short():
    found = flat({"a": {"b:c": [1, 2]}, "long": "x" * 50}, 10)
    assert found == {"a.b_c": "1, 2", "long": "xxxxxxxxx…"}


def test_a_comparison(run, other):
    (record,) = open_record([run, other])
    differences = Result.load(run).compare(Result.load(other)).frame
    assert record.command == "compare"
    row = differences.iloc[3]
    name = ("difference", row.metric, row.transformation, row.layer)
    curve = next(curve for curve in record.curves if curve.name == name)
    assert dict(curve.points)[row.level] == pytest.approx(row.difference)
    assert len(record.table) == len(differences)
    (back,) = open_record([other, run])
    assert back.identity != record.identity


def test_trainings(trained, run):
    records = open_record([trained])
    assert [record.settings["seed"] for record in records] == [0, 1]
    assert records[0].identity != records[1].identity
    loss = next(curve for curve in records[0].curves if curve.name == ("loss",))
    assert loss.points[-1][0] == 4
    assert open_record([trained / "seed-1"])[0].identity == records[1].identity
    with pytest.raises(InputError, match=r"trained is no folder of `invariscope measure`"):
        open_record([run, trained])


def test_what_is_no_finished_run_is_refused(tmp_path, run):
    with pytest.raises(InputError, match="no run folder at"):
        open_record([tmp_path / "none"])
    result = Result.load(run)
    result.manifest["execution"]["status"] = "running"
    unfinished = result.save(tmp_path / "half")
    with pytest.raises(InputError, match="half is not finished: go on with its run"):
        open_record([unfinished])
