"""Models are measured at what their rules need, until these are decided."""

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.errors import InputError
from invariscope.gate import Rule, checking, measuring, parse_rule
from invariscope.transformations import from_function

LABELS = (np.arange(400) % 4).tolist()


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (400, 12, 12, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
        nn.Linear(54, 4),
    )  # fmt: skip


@pytest.fixture
def runs(monkeypatch):
    """The results of the sweeps that a check carries out."""
    kept = []

    def carry_out(sweep, **how):
        kept.append(real(sweep, **how))
        return kept[-1]

    real = measuring.carry_out
    monkeypatch.setattr(measuring, "carry_out", carry_out)
    return kept


def levels(result):
    return {
        (cell["transformation"], round(cell["magnitude"], 3))
        for cell in result.manifest["settings"]["cells"]
        if cell["level"]
    }


def test_only_what_the_rules_need_is_measured(network, pictures, runs):
    verdict = invariscope.check(
        network,
        [
            "rotate@<=15deg relative_invariance >= -9",
            "posterize@=4bits prediction_consistency >= 0.01",
        ],
        pictures, workers=0,
    )  # fmt: skip
    (result,) = runs
    assert levels(result) == {("rotate", 5), ("rotate", 10), ("rotate", 15), ("posterize", 4)}
    settings = result.manifest["settings"]
    assert settings["metrics"] == ["relative_invariance", "prediction_consistency"]
    assert {layer["name"] for layer in settings["layers"]} == {"embedding", "logits"}
    assert verdict.outcome == "held"
    assert [rule.text.split("@")[0] for rule in verdict.rules] == ["rotate", "posterize"]


def test_it_stops_as_soon_as_every_rule_is_decided(network, pictures, runs):
    clear = ["rotate@=90deg relative_invariance >= 0.99", "posterize relative_invariance >= -9"]
    verdict = invariscope.check(network, clear, pictures, workers=0)
    (result,) = runs
    assert verdict.outcome == "failed"
    assert verdict.images == 64
    execution = result.manifest["execution"]
    assert execution["forward_passes"] == 64 * (1 + 1 + len(levels(result)) - 1)
    assert execution["events"] == ["stopped after 64 images: all 2 rules are decided"]


def test_a_decided_rule_costs_no_more_passes(network, pictures, runs):
    value = invariscope.check(
        network, "rotate@=45deg relative_invariance >= -9", pictures, workers=0, num_images=400
    ).frame["value"][0]
    both = [
        "posterize@=1bits relative_invariance >= -9",
        f"rotate@=45deg relative_invariance >= {value:.4f}",
    ]
    verdict = invariscope.check(network, both, pictures, workers=0)
    assert [rule.outcome for rule in verdict.rules] == ["held", "undecided"]
    assert verdict.frame["n"].tolist() == [64, 400]
    assert runs[-1].manifest["execution"]["forward_passes"] == 400 * 2 + 64


def test_the_budget_is_kept_and_undecided_said(network, pictures):
    one = invariscope.check(
        network, "rotate@=45deg relative_invariance >= -9", pictures, workers=0
    ).frame["value"][0]
    verdict = invariscope.check(
        network, f"rotate@=45deg relative_invariance >= {one:.2f}", pictures, num_images=96,
        workers=0,
    )  # fmt: skip
    assert (verdict.images, verdict.exit_code) == (96, 3)
    assert verdict.rules[0].remedy
    assert verdict.rules[0].remedy in " ".join(verdict.to_text().split())


def test_intervals_hold_whenever_one_looks(network, pictures):
    rule = "rotate@=45deg relative_invariance >= -9"
    cell = invariscope.check(network, rule, pictures[:64], workers=0).rules[0].cells[0]
    fixed = invariscope.measure(
        network, pictures[:64], transformations="rotate", metrics="relative_invariance", workers=0
    )
    widths = fixed.frame["ci_high"] - fixed.frame["ci_low"]
    moved = widths[(fixed.frame["level"] > 0) & (fixed.frame["layer"] == "embedding")]
    assert cell.high - cell.low > 1.3 * moved.min()
    plain = invariscope.check(fixed, "rotate@=40deg relative_invariance >= -9").rules[0].cells[0]
    assert cell.high - cell.low > 1.2 * (plain.high - plain.low)


def test_one_block_is_judged_at_the_end(network, pictures):
    rule = "posterize@=1bits relative_invariance >= -9"
    assert invariscope.check(network, rule, pictures[:20], workers=0).outcome == "held"


def test_a_rule_does_not_depend_on_its_company(network, pictures):
    rule = "rotate@<=60deg relative_invariance >= 0.5"
    alone = invariscope.check(network, rule, pictures, workers=0)
    company = ["rotate@=7deg relative_invariance >= 2e-9", "C4 relative_invariance >= -9"]
    among = invariscope.check(network, [*company, rule], pictures, workers=0)
    mine, theirs = alone.rules[0], among.rules[-1]
    assert [cell.shown for cell in mine.cells] == [cell.shown for cell in theirs.cells]
    assert mine.outcome == theirs.outcome
    assert [cell.value for cell in mine.cells] == [cell.value for cell in theirs.cells]


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("C4 channel_equivariance at 0 >= 0.999", "failed"),
        ("C4 channel_equivariance at 0 >= 0.1", "held"),
        ("C4 latent_eed <= 0.001", "failed"),
        ("C4@=180deg latent_eed <= 9", "held"),
        ("C4@=180° relative_invariance >= 0.999", "failed"),
        ("rotate lie_derivative:relative <= 1e-9", "failed"),
        ("rotate lie_derivative:relative <= 1e9", "held"),
        ("rotate normalized_variance <= 1e-9", "failed"),
        ("flip_horizontal prediction_consistency >= 0.999", "failed"),
        ("rotate@=90deg accuracy for 2 >= 0.999", "failed"),
        ("shift(1..2) relative_invariance at 0 >= -9", "held"),
    ],
)
def test_every_kind_of_metric_blocks(network, pictures, rule, outcome):
    data = (pictures[:200], LABELS[:200])
    verdict = invariscope.check(network, rule, data, workers=0, model_classes="order")
    assert verdict.outcome == outcome, verdict.to_text()


def test_kinds_that_cannot_share_passes_are_measured_apart(network, pictures, runs):
    rules = [
        "C4 latent_eed <= 9",
        "C4@=90deg relative_invariance >= -9",
        "C4@=90deg channel_equivariance at 0 >= 0.001",
    ]
    verdict = invariscope.check(network, rules, pictures[:64], workers=0)
    assert [rule.outcome for rule in verdict.rules] == ["held"] * 3
    metrics = [result.manifest["settings"]["metrics"][0] for result in runs]
    assert metrics == ["latent_eed", "relative_invariance", "channel_equivariance"]
    assert [len(levels(result)) for result in runs] == [3, 1, 1]


def test_a_transformation_of_one_s_own(network, pictures):
    darken = from_function("darken", lambda x, f: x * f, (1.0, 0.5, 0.0), unit="×")
    rule = "darken@>=0.5 prediction_consistency >= 0.01"
    verdict = invariscope.check(network, rule, pictures, transformations=[darken], workers=0)
    assert verdict.outcome == "held"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("rotat relative_invariance >= 0.8", "unknown transformation 'rotat': did you mean rotate"),
        ("rotate relative >= 0.8", "unknown metric 'relative': did you mean relative_invariance"),
        ("rotate@<=200deg relative_invariance >= 0.8", "the table 'standard' has rotate at 20deg"),
        ("rotate@<=200deg relative_invariance >= 0.8", "nearest that works is rotate@<=180deg"),
        ("brightness_down@<=0.5 relative_invariance >= 0.8", "write brightness_down@>=0.5"),
        ("C4@=45deg relative_invariance >= 0.8", "C4 has the elements 90deg, 180deg, 270deg"),
        ("C4@<=90deg relative_invariance >= 0.8", "C4 has the elements 90deg, 180deg, 270deg"),
        ("rotate latent_eed <= 0.8", "latent_eed needs a group"),
        ("rotate@<=40deg normalized_variance <= 1", "is of all levels of rotate together"),
        ("rotate@<=40deg lie_derivative <= 1", "is taken at the identity: write rotate without"),
        ("C4 channel_equivariance >= 0.8", "is of feature maps: name the layer"),
        ("rotate accuracy >= 0.8", "accuracy cannot be measured here"),
        ("rotate relative_invariance for cat >= 0.8", "the images have no labels"),
        ("rotate relative_invariance at conv >= 0.8", "unknown layer 'conv'"),
    ],
)
def test_wrong_input(network, pictures, runs, rule, message):
    with pytest.raises(InputError) as raised:
        invariscope.check(network, ["posterize relative_invariance >= 0", rule], pictures)
    assert message in str(raised.value)
    assert not runs, "nothing is measured before all rules are known to work"


def test_a_model_needs_images(network):
    with pytest.raises(InputError, match="give `images`, or a run folder"):
        invariscope.check(network, "rotate relative_invariance >= 0.8")


def test_rules_as_values():
    rule = parse_rule("rotate@<=15deg relative_invariance >= 0.8", name="small")
    assert isinstance(rule, Rule)
    assert rule.title == "small"
    assert checking.BUDGET == invariscope.gate.BUDGET
