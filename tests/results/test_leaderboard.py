"""Many runs: standings, ties, ranks, correlation with accuracy, what the runs must share."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from invariscope.errors import InputError
from invariscope.metrics import METRICS
from invariscope.report.leaderboard.text import letters_of
from invariscope.results import Leaderboard, leaderboard
from invariscope.terminal import short
from oracles.many import (
    numbers_of,
    places_of,
    reference_rank_interval,
    reference_spearman,
    run_of,
)

STRENGTHS = (0.3, 0.45, 0.6, 0.75, 0.9)


def planted(strengths=STRENGTHS, **settings):
    """Runs of models m0, m1, …; the more invariant, the more accurate."""
    return [
        run_of(strength, f"m{k}", correct=3 + k, seed=k, **settings)
        for k, strength in enumerate(strengths)
    ]


def test_a_planted_relation_is_found_exactly():
    board = Leaderboard(planted(noise=0.001))
    found = board.correlations[board.correlations["metric"] != "accuracy"]
    # 2 metrics × (2 transformations + all) × 3 parts
    assert len(found) == 18
    assert (found["rho"] == 1).all()
    assert np.allclose(found["p_value"], 2 / math.factorial(5), rtol=1e-12)
    assert (found["models"] == 5).all()
    known = board.correlations["p_value"].notna()
    adjusted = stats.false_discovery_control(board.correlations["p_value"][known])
    assert np.allclose(board.correlations["p_adjusted"][known], adjusted, rtol=1e-12)
    first = board.standings[board.standings["metric"] == "relative_invariance"]
    assert first["model"].tolist() == ["m4", "m3", "m2", "m1", "m0"]
    assert first["rank"].tolist() == [1, 2, 3, 4, 5]
    assert (first["rank_low"] == first["rank"]).all()
    assert (first["rank_high"] == first["rank"]).all()


def test_p_is_corrected_over_the_whole_table():
    found = Leaderboard(planted((0.5, 0.45, 0.6, 0.55, 0.62), noise=0.3)).correlations
    p = found["p_value"][found["p_value"].notna()]
    assert p.nunique() > 3
    adjusted = found["p_adjusted"][found["p_value"].notna()]
    assert np.allclose(adjusted, stats.false_discovery_control(p), rtol=1e-12)
    assert (adjusted > p).any()


def test_lower_is_better_where_the_metric_says_so():
    board = Leaderboard(planted(noise=0.001, direction="lower is more invariant"))
    first = board.standings[board.standings["metric"] == "relative_invariance"]
    assert first["model"].tolist() == ["m0", "m1", "m2", "m3", "m4"]
    assert first["rank"].tolist() == [1, 2, 3, 4, 5]
    assert "lower is more invariant" in board.to_text()
    assert (board.correlations[board.correlations["metric"] != "accuracy"]["rho"] == 1).all()


def test_identical_models_tie():
    board = Leaderboard([run_of(0.5, "one", seed=3), run_of(0.5, "other", seed=3)])
    for _, own in board.standings.groupby("metric"):
        assert own["rank"].tolist() == [1, 1]
        assert own["rank_low"].tolist() == [1, 1]
        assert own["rank_high"].tolist() == [1, 1]
        assert own["value"].nunique() == 1
    one, other = (
        board.averages[board.averages["model"] == name].drop(columns="model").reset_index(drop=True)
        for name in ("one", "other")
    )
    assert one.equals(other)


def test_ranks_of_models_that_images_do_not_tell_apart_overlap():
    board = Leaderboard(
        [run_of(0.5, "one", seed=1, noise=0.5), run_of(0.5, "two", seed=2, noise=0.5)]
    )
    own = board.standings[board.standings["metric"] == "relative_invariance"]
    assert own["rank"].tolist() == [1, 2]
    assert own["rank_low"].tolist() == [1, 1]
    assert own["rank_high"].tolist() == [2, 2]


@pytest.mark.parametrize("metric", ["relative_invariance", "mean_relative_invariance"])
def test_intervals_resample_images_jointly_as_the_oracle_does(metric):
    strengths = (0.50, 0.52, 0.49, 0.55)
    board = Leaderboard(planted(strengths, noise=0.2))
    numbers = [numbers_of(s, seed=k, noise=0.2) for k, s in enumerate(strengths)]
    right = [(np.arange(12) < 3 + k).astype(float) for k in range(4)]
    paired = metric == "relative_invariance"
    for name, part, layer in ((None, "Pool", "embedding"), ("rotate", "Early", "a")):
        names = ["rotate", "shear_x"] if name is None else [name]
        places = [places_of(own, metric, [layer], names) for own in numbers]
        expected = reference_rank_interval(
            places, right, kind=METRICS.get(metric).estimate, neighbours=paired, seed=0
        )
        rows = board.correlations
        rows = rows[(rows["metric"] == metric) & (rows["part"] == part)]
        row = rows[
            rows["transformation"].isna() if name is None else rows["transformation"] == name
        ]
        assert np.allclose(row[["ci_low", "ci_high"]].to_numpy()[0], expected, atol=1e-9)
        values = board.averages
        values = values[(values["metric"] == metric) & (values["layer"] == layer)]
        values = values[
            values["transformation"].isna() if name is None else values["transformation"] == name
        ]
        rho = reference_spearman(values["value"], [3, 4, 5, 6])
        assert np.isclose(row["rho"].iloc[0], rho, atol=1e-12)


def test_given_accuracies_take_the_place_of_measured_ones():
    given = {f"m{k}": 0.9 - 0.1 * k for k in range(5)} | {"another": 0.1}
    board = Leaderboard(planted(noise=0.001), accuracy=given, source="zoo.csv")
    found = board.correlations[board.correlations["metric"] == "relative_invariance"]
    assert (found["rho"] == -1).all()
    assert board.accuracy is not None
    assert board.accuracy["accuracy"].tolist() == [given[f"m{k}"] for k in range(5)]
    assert board.accuracy["ci_low"].isna().all()
    assert board.accuracy_source == "from zoo.csv"
    assert "The accuracies are given, and not resampled." in " ".join(board.to_text().split())


def test_measured_accuracies_are_those_of_the_untouched_common_images():
    board = Leaderboard(planted())
    assert board.accuracy is not None
    assert np.allclose(board.accuracy["accuracy"], [(3 + k) / 12 for k in range(5)])
    assert (board.accuracy["ci_low"] < board.accuracy["accuracy"]).all()
    assert board.accuracy_source == "measured in the runs, on 12 untouched images"


@pytest.mark.parametrize(
    ("accuracy", "message"),
    [
        ({"m0": 0.5}, r"zoo.csv has no accuracy of 'm1': add it \(there are: m0\)"),
        ({}, r"no accuracy of 'm0': add it \(there are: none\)"),
        ({"m0": 75, "m1": 80}, r"zoo.csv has 75 as the accuracy of 'm0': give a share from 0 to 1"),
        ({"m0": math.nan, "m1": 0.5}, "has nan as the accuracy of 'm0'"),
    ],
)
def test_accuracies_that_are_missing_or_no_shares(accuracy, message):
    with pytest.raises(InputError, match=message):
        Leaderboard(planted(STRENGTHS[:2]), accuracy=accuracy, source="zoo.csv")


def test_few_models_have_no_rank_correlation():
    board = Leaderboard(planted(STRENGTHS[:3]))
    assert board.correlations.empty
    assert "over 3 models it is not meaningful; 4 are needed" in " ".join(board.to_text().split())
    unknown = Leaderboard([run_of(0.5, f"m{k}", seed=k) for k in range(4)])
    assert unknown.correlations.empty
    assert "`accuracy` gives it" in " ".join(unknown.to_text().split())


def test_tied_models_have_no_rank_correlation():
    runs = [run_of(0.1 * k, f"m{k}", correct=4, seed=k) for k in range(4)]
    text = " ".join(Leaderboard(runs).to_text().split())
    assert "undefined, because the models are tied in accuracy or in every measure" in text


def test_common_images_alone_count_in_any_order():
    whole = run_of(0.5, "whole", seed=1, noise=0.3, correct=4)
    turned = run_of(0.5, "whole", seed=1, noise=0.3, correct=4, order=[7, 3, 11, 0, 5, 2])
    board = Leaderboard([whole, turned])
    assert board.images == 6
    assert "compared on the 6 images that all runs have" in board.notes
    assert board.models == ["whole", "whole (2)"]
    one, other = (
        board.averages[board.averages["model"] == name]["value"].to_numpy() for name in board.models
    )
    assert one.tolist() == other.tolist()
    assert board.accuracy is not None
    assert np.allclose(board.accuracy["accuracy"], 3 / 6)  # images 3, 0 and 2 of the six
    assert board.accuracy["ci_low"].nunique() == 1
    curve, same = (
        board.curves[board.curves["model"] == name]["value"].to_numpy() for name in board.models
    )
    assert curve.tolist() == same.tolist()
    assert (board.curves["n"] == 6).all()


def test_levels_metrics_and_settings_that_differ_are_noted():
    one, other = run_of(0.4, "one", correct=3), run_of(0.5, "other", seed=1)
    settings = other.manifest["settings"]
    settings["cells"] = [entry for entry in settings["cells"] if entry["level"] < 2]
    settings["seed"] = 5
    settings["border"] = "reflect"
    board = Leaderboard([one, other])
    assert board.notes == [
        "levels that not all runs have are left out: 2",
        "metrics that not all runs have are left out: accuracy",
        "the seeds differ: directions drawn per image are not the same in all runs",
        "border differs between the runs: None, reflect",
    ]
    assert {entry["cell"] for entry in board.entries} == {"identity", "rotate=10", "shear_x=10"}


def test_equal_levels_of_other_numbers_are_compared():
    """Measured as 10/20 and as 20/10, or as 5/10 and 10, a level is the same one."""
    before = Leaderboard([run_of(0.4, "one"), run_of(0.5, "other", seed=1)])
    runs = [run_of(0.4, "one"), run_of(0.5, "other", seed=1)]
    for entry in runs[1].manifest["settings"]["cells"]:
        if entry["level"]:
            entry["level"] = 9 - entry["level"]
    board = Leaderboard(runs)
    assert board.entries == before.entries
    assert board.notes == []
    assert board.standings.equals(before.standings)
    assert board.curves.equals(before.curves)
    assert board.comparison is not None
    assert before.comparison is not None
    assert board.comparison.frame.equals(before.comparison.frame)


def test_orbits_of_other_levels_are_noted():
    one, other = run_of(0.4, "one"), run_of(0.5, "other", seed=1)
    for run in (one, other):
        run.manifest["metrics"]["relative_invariance"]["at_identity"] = True
    assert Leaderboard([one, other]).notes == []
    settings = other.manifest["settings"]
    settings["cells"] = [entry for entry in settings["cells"] if entry["cell"] != "rotate=20"]
    note = "relative_invariance under rotate: the runs have other levels and so other orbits"
    assert any(text.startswith(note) for text in Leaderboard([one, other]).notes)


def test_curves_find_the_cells_of_orbits():
    runs = [run_of(0.5, "one"), run_of(0.5, "other", seed=1)]
    before = Leaderboard(runs).curves
    for run in runs:
        for entry in run.manifest["settings"]["cells"]:
            entry["orbit_cell"], entry["cell"] = entry["cell"], f"else {entry['cell']}"
    assert Leaderboard(runs).curves.equals(before)


def test_runs_that_have_nothing_in_common():
    run, other = run_of(0.4, "one"), run_of(0.5, "other", seed=1)
    with pytest.raises(InputError, match="1 run: give two or more"):
        Leaderboard([run])
    other.manifest["settings"]["data"] = "others"
    with pytest.raises(InputError, match=r"on different data \(toys and others\)"):
        Leaderboard([run, other])
    with pytest.raises(InputError, match="share 1 images"):
        Leaderboard([run, run_of(0.5, "few", order=[4])])
    levels = run_of(0.5, "levels")
    levels.manifest["settings"]["cells"] = levels.manifest["settings"]["cells"][:1]
    with pytest.raises(InputError, match="no level above 0 in common"):
        Leaderboard([run, levels])
    both = [run_of(0.4, "one"), levels]
    for own in both:  # a derivative at level 0, of a metric that is measured at other levels
        own.manifest["settings"]["cells"][0]["derivative_cell"] = "d(rotate)"
    with pytest.raises(InputError, match="no level above 0 of relative_invariance in common"):
        Leaderboard(both)


def test_a_model_without_a_value_stands_last_and_is_noted():
    empty = run_of(math.nan, "empty")
    board = Leaderboard([empty, run_of(0.5, "full")])
    own = board.standings[board.standings["metric"] == "relative_invariance"]
    assert own["model"].tolist() == ["full", "empty"]
    assert own["rank"].tolist() == [1, 2]
    note = "empty: relative_invariance has no value in Early, Pool, Final"
    assert any(text.startswith(note) for text in board.notes)


def test_batches_of_metrics_change_nothing(monkeypatch):
    whole = Leaderboard(planted())
    monkeypatch.setattr(leaderboard, "_BATCH_BYTES", 1)
    batched = Leaderboard(planted())
    assert whole.averages.equals(batched.averages)
    assert whole.standings.equals(batched.standings)
    assert whole.correlations.equals(batched.correlations)


@pytest.mark.parametrize("models", [2, 5, 9])
def test_the_text_fits_a_terminal(models):
    runs = [
        run_of(
            0.1 * k, f"timm:a_rather_long_name_of_a_model_number_{k}.with_tag", correct=k, seed=k
        )
        for k in range(models)
    ]
    board = Leaderboard(runs)
    text = board.to_text()
    assert max(map(len, text.splitlines())) <= 80
    assert f"{models} models on toys, 12 images" in text
    letters = list("BA" if models == 2 else "ABCDEFGHI"[:models])
    assert list(letters_of(board).values()) == letters
    assert next(iter(letters_of(board))).endswith(f"_{models - 1}.with_tag")
    if models == 9:
        assert "9,999 random orders of the 9" in " ".join(text.split())


def test_letters_go_on_after_z():
    names = [f"x{k}" for k in range(28)]
    standings = pd.DataFrame({"metric": "m", "model": names})
    board: Any = SimpleNamespace(models=tuple(names), metrics=("m",), standings=standings)
    assert list(letters_of(board).values())[24:] == ["Y", "Z", "AA", "AB"]


def test_two_models_keep_their_letters_from_the_table_of_differences():
    board = Leaderboard([run_of(0.2, "worse"), run_of(0.8, "better", seed=1)])
    assert letters_of(board) == {"better": "B", "worse": "A"}
    assert list(letters_of(board)) == ["better", "worse"]


def test_short_numbers():
    assert [short(n) for n in (0.0004, -0.0004, 12.344, 123456.7)] == [
        "0.000", "0.000", "12.34", "123457",
    ]  # fmt: skip
    assert short(0.5, "+", 2) == "+0.50"
