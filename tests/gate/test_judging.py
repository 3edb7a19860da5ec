"""Each kind of rule on rows of known laws: it blocks, it holds, it stays undecided."""

import math

import numpy as np
import pytest
import torch

import invariscope
from invariscope.errors import InputError
from oracles.made_runs import made_run

RULE = "rotate@<=20deg relative_invariance >= 0.8"


@pytest.mark.parametrize(
    ("means", "outcome", "code"),
    [
        ({"rotate=10": 0.9, "rotate=20": 0.85}, "held", 0),
        ({"rotate=10": 0.9, "rotate=20": 0.75}, "failed", 1),
        ({"rotate=10": 0.75, "rotate=20": 0.9}, "failed", 1),
        ({"rotate=10": 0.9, "rotate=20": 0.803}, "undecided", 3),
        ({"rotate=10": 0.7, "rotate=20": 0.803}, "failed", 1),
        ({"rotate=10": 0.9, "shear_x=10": 0.1}, "held", 0),
    ],
)
def test_a_rule_holds_only_if_every_cell_does(means, outcome, code):
    verdict = invariscope.check(made_run(means), RULE)
    assert (verdict.outcome, verdict.exit_code) == (outcome, code)
    (rule,) = verdict.rules
    assert [cell.shown for cell in rule.cells] == ["10°", "20°"]
    frame = verdict.frame
    expected = [means.get(cell, 0.9) for cell in ("rotate=10", "rotate=20")]
    assert frame["value"].tolist() == pytest.approx(expected, abs=0.02)
    assert (frame["slack"] == frame["value"] - 0.8).all()


def test_the_numbers_are_those_of_the_summary():
    result = made_run({"rotate=10": 0.8})
    verdict = invariscope.check(result, "rotate relative_invariance >= 0.8")
    summary = result.frame.query("transformation == 'rotate' and level > 0")
    summary = summary[summary["class"].isna()]
    for mine, theirs in (("value", "value"), ("low", "ci_low"), ("high", "ci_high"), ("n", "n")):
        np.testing.assert_array_equal(verdict.frame[mine], summary[theirs])


@pytest.mark.parametrize(
    ("metric", "rule", "means", "outcome"),
    [
        ("accuracy", "rotate@=10deg accuracy >= 80%", {"rotate=10": 0.95}, "held"),
        ("accuracy", "rotate@=10deg accuracy >= 80%", {"rotate=10": 0.65}, "failed"),
        ("accuracy", "rotate@=10deg accuracy >= 80%", {"rotate=10": 0.79}, "undecided"),
        ("latent_eed", "rotate latent_eed <= 0.5", {"rotate=10": 0.2, "rotate=20": 0.3}, "held"),
        ("latent_eed", "rotate latent_eed <= 0.5", {"rotate=10": 0.2, "rotate=20": 0.6}, "failed"),
    ],
)
def test_shares_and_metrics_of_which_less_is_better(metric, rule, means, outcome):
    other = {"rotate=10": 0.2, "rotate=20": 0.2, "identity": 0.1} if metric == "latent_eed" else {}
    verdict = invariscope.check(made_run({**other, **means}, metric=metric), rule)
    assert verdict.outcome == outcome, verdict.frame


def test_layers_by_name_and_glob():
    means = {("b.1", "rotate=20"): 0.5}
    result = made_run(means, layers=("a", "b.0", "b.1", "embedding"))
    ends = {
        layer: invariscope.check(result, f"rotate relative_invariance{layer} >= 0.8").outcome
        for layer in ("", " at a", " at b.0", " at b.1", " at b.*", " at *")
    }
    assert ends == {"": "held", " at a": "held", " at b.0": "held"} | dict.fromkeys(
        (" at b.1", " at b.*", " at *"), "failed"
    )
    (rule,) = invariscope.check(result, "rotate relative_invariance at b.* >= 0.8").rules
    assert len(rule.cells) == 4
    assert rule.worst[0].layer == "b.1"


def test_classes():
    result = made_run({"rotate=10": 0.9, "rotate=20": 0.9})
    values = result.store.dense("embedding")[0]
    (column,) = [k for k, cell in enumerate(values.cells) if cell == "rotate=20"]
    rows = values.values.copy()
    rows[result.store.labels == 1, column] -= 0.2
    result = with_values(result, rows)
    ends = {
        who: invariscope.check(result, f"rotate relative_invariance{who} >= 0.75").outcome
        for who in ("", " for cat", " for dog", " for every class")
    }
    assert list(ends.values()) == ["held", "held", "failed", "failed"]
    (rule,) = invariscope.check(result, "rotate relative_invariance for every class >= 0.75").rules
    assert [cell.class_name for cell in rule.cells] == ["cat", "cat", "dog", "dog"]
    assert {cell.n for cell in rule.cells} == {100}


def with_values(result, values):
    """The same run with other rows."""
    from invariscope.results import Result, RowBuilder, RowStore

    (series,) = result.store.dense("embedding")
    rows = RowBuilder(list(result.store.images), result.store.labels.tolist())
    for k, cell in enumerate(series.cells):
        rows.add(
            cell=cell, layer="embedding", metric=series.metric, control="", values=values[:, k]
        )
    return Result(result.manifest, RowStore([rows.table()]))


def test_a_level_that_is_shown_twice_counts_once():
    verdict = invariscope.check(made_run({}), "shear_x relative_invariance >= 0.8")
    assert [cell.cell for cell in verdict.rules[0].cells] == ["shear_x=10", "shear_x=20"]


def test_many_cells_share_the_level_at_which_a_rule_fails():
    """Just beyond the 95 % interval, one cell fails by itself and not as one of eight."""
    layers = ("a", "b", "c", "embedding")
    result = made_run({("embedding", "rotate=20"): 0.7}, layers=layers)
    high = invariscope.check(result, "rotate@=20deg relative_invariance >= 0.8").frame["high"][0]
    value = high + 0.001
    alone = invariscope.check(result, f"rotate@=20deg relative_invariance >= {value}")
    among = invariscope.check(result, f"rotate relative_invariance at * >= {value}")
    assert alone.outcome == "failed"
    (cell,) = [c for c in among.rules[0].cells if c.layer == "embedding" and c.level == 2]
    assert (cell.outcome, cell.high < value) == ("undecided", True)


def test_cells_without_a_value_never_let_a_rule_hold():
    result = made_run({})
    (series,) = result.store.dense("embedding")
    values = series.values.copy()
    values[:, series.cells.index("rotate=20")] = np.nan
    verdict = invariscope.check(with_values(result, values), RULE)
    assert verdict.outcome == "undecided"
    assert verdict.rules[0].remedy == "1 of 2 cells have no value to judge by"
    assert math.isnan(verdict.rules[0].worst[0].value)
    assert "no value" in verdict.to_text()
    values[10:, series.cells.index("rotate=20")] = 0.9
    verdict = invariscope.check(with_values(result, values), RULE)
    assert verdict.outcome == "held"
    assert "note: " + RULE + ": up to 10 images have no value in a cell" in " ".join(
        verdict.to_text().split()
    )


def test_what_would_decide():
    near = invariscope.check(made_run({"rotate=20": 0.79}, images=60, spread=0.2), RULE)
    assert near.outcome == "undecided"
    cell = near.rules[0].worst[0]
    arm = (cell.high - cell.value) if cell.value < 0.8 else (cell.value - cell.low)
    assert cell.needs == pytest.approx(60 * (arm / (cell.value - 0.8)) ** 2, rel=0.05)
    assert " images would decide it, if the value stays" in near.rules[0].remedy
    exactly = invariscope.check(made_run({}), f"rotate relative_invariance >= {cell.value:.3f}")
    assert exactly.outcome == "held"
    value = invariscope.check(made_run({}), RULE).frame["value"][0]
    at_it = invariscope.check(made_run({}), f"rotate@=10deg relative_invariance >= {value:.6f}")
    assert at_it.outcome == "undecided"
    assert "no number of images at hand decides" in at_it.rules[0].remedy


def test_a_run_that_looked_has_wider_intervals():
    fixed, looked = made_run({}), made_run({}, looked=True)
    rule = "rotate@=10deg relative_invariance >= "
    lows = [invariscope.check(run, f"{rule}0.8").frame["low"][0] for run in (looked, fixed)]
    assert lows[0] < lows[1]
    between = f"{rule}{sum(lows) / 2}"
    assert invariscope.check(fixed, between).outcome == "held"
    assert invariscope.check(looked, between).outcome == "undecided"


INVARIANCE = "relative_invariance"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (f"rotat {INVARIANCE} >= 0.8", "unknown transformation of the run 'rotat': did you mean"),
        ("rotate accuracy >= 0.8", "unknown metric of the run 'accuracy' (known: relative"),
        (f"rotate@<=15deg {INVARIANCE} >= 0.8", "the run has rotate at 10deg, 20deg, not at 15deg"),
        (f"rotate@<=15deg {INVARIANCE} >= 0.8", "the nearest that works is rotate@<=10deg; or "),
        (f"rotate@<=15deg {INVARIANCE} >= 0.8", "invariscope measure … -t rotate=15"),
        (f"rotate {INVARIANCE} <= 0.8", "so this would let the worst pass: write relative_"),
        (f"rotate {INVARIANCE} >= 80", "relative_invariance goes to 1, not to 80: 80% is 0.8"),
        (f"rotate {INVARIANCE} at c >= 0.8", "layer of relative_invariance 'c' (known: embed"),
        (f"rotate {INVARIANCE} for cow >= 0.8", "unknown class 'cow'"),
    ],
)
def test_what_the_run_lacks(rule, message):
    with pytest.raises(InputError) as raised:
        invariscope.check(made_run({}), rule)
    assert message in str(raised.value)


def test_a_share_is_never_shown_to_be_1():
    with pytest.raises(InputError, match="no number of images shows that a share is exactly 1"):
        invariscope.check(made_run({}, metric="accuracy"), "rotate accuracy >= 1")


def test_nothing_to_check():
    with pytest.raises(InputError, match="there is nothing to check: give a rule, such as"):
        invariscope.check(made_run({}), [])


@pytest.mark.parametrize("rule", ["for every class", 'for "crane (2)"'])
def test_two_classes_of_one_name_are_two(rule):
    """As two of ImageNet are called "crane"; here the second one alone does not hold."""
    pictures = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)

    class Birds:
        def __init__(self):
            self.classes = ["crane", "dog", "crane"]
            self.targets = [k % 3 for k in range(60)]

        def __len__(self):
            return 60

        def __getitem__(self, index):
            return pictures[index] * np.uint8(index % 3 != 2), self.targets[index]

    class Corner(torch.nn.Module):
        def forward(self, images):
            values = images[:, 0, 0, 0] - 0.5 * images[:, 0, 7, 7]
            return torch.stack([values - 9 * (images.sum((1, 2, 3)) > 0), -values], 1)

    result = invariscope.measure(Corner(), Birds(), transformations="invert", preprocessing="none")
    own = result.frame.query("metric == 'prediction_consistency' and level == 1").set_index("class")
    assert own["value"].dropna().drop(np.nan).to_dict() == {"crane": 1, "dog": 1, "crane (2)": 0}
    verdict = invariscope.check(result, f"invert prediction_consistency {rule} >= 0.5")
    assert verdict.outcome == "failed"
    first = invariscope.check(result, "invert prediction_consistency for crane >= 0.5")
    assert first.outcome == "held"


@pytest.mark.parametrize("side", ["<=", "="])
def test_a_rule_at_the_identity_says_nothing(side):
    with pytest.raises(InputError, match="0deg is rotate's identity"):
        invariscope.check(made_run({}), f"rotate@{side}0 relative_invariance >= 0.5")
