"""The claims of 000 §2 and its appendices on made-up numbers, and the smoke presets."""

import math
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from invariscope.effects.on_classes import class_effects as effects_of
from invariscope.errors import InputError
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.studies.lab.study import get_study
from invariscope.studies.paper000 import (
    class_effects,
    rrc_beta,
    rrc_decomposition,
    validation_scale,
)
from invariscope.studies.paper000.augerino import REGULARISERS, Settings, augerino_methods, summary
from invariscope.studies.paper000.methods import (
    HALVES,
    METHODS,
    NONE,
    RRC,
    SHIFT,
    SHIFT_AND_SCALE,
    SMOKE,
    TrainingSettings,
    by_seed,
    ratio,
    recipe_of,
    train_methods,
)

#: Accuracies as the paper has them, roughly.
AS_CLAIMED = {
    RRC: 0.70,
    HALVES[0]: 0.679,
    HALVES[1]: 0.679,
    SHIFT: 0.690,
    SHIFT_AND_SCALE: 0.691,
    f"{SHIFT_AND_SCALE} w/o a.r.": 0.692,
    NONE: 0.635,
}


def runs(means, seeds=5, noise=0.001, sign=1):
    """Rows as `methods.accuracies` gives them; seeds share half of their noise."""
    random = np.random.default_rng(0)
    shared = noise * random.normal(size=seeds)
    rows = [
        {"method": method, "seed": seed,
         "accuracy": 0.6 + sign * (mean - 0.6) + shared[seed] + noise * random.normal()}
        for method, mean in means.items() for seed in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def verdicts(claims):
    return {claim.id: claim.verdict for claim in claims}


def test_decomposition_as_claimed():
    found = rrc_decomposition.decide_claims(runs(AS_CLAIMED), "made up")
    assert verdicts(found) == dict.fromkeys(("000.c1", "000.c2", "000.c3"), "supported")
    c1, c2, c3 = found
    names = [*(f"{RRC} − {half}" for half in HALVES), *(f"{half} − none" for half in HALVES)]
    assert [part.name for part in c1.parts] == names
    assert c2.statistic == pytest.approx(0.055 / 0.065, abs=0.03)
    assert c3.statistic == pytest.approx(0.001 / 0.065, abs=0.03)


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("000.c1", {RRC: 0.66}),
        ("000.c1", {HALVES[1]: 0.62}),
        ("000.c2", {SHIFT: 0.65, SHIFT_AND_SCALE: 0.651}),
        ("000.c3", {SHIFT_AND_SCALE: 0.73}),
        ("000.c3", {SHIFT_AND_SCALE: 0.64}),
    ],
)
def test_decomposition_falls_when_its_numbers_turn(claim, change):
    found = verdicts(rrc_decomposition.decide_claims(runs({**AS_CLAIMED, **change}), ""))
    assert found[claim] == "contradicted"


def test_decomposition_with_the_sign_turned():
    found = verdicts(rrc_decomposition.decide_claims(runs(AS_CLAIMED, sign=-1), ""))
    assert found == {"000.c1": "contradicted", "000.c2": "undecided", "000.c3": "undecided"}


def test_a_share_of_no_gain_is_undecided_and_says_why():
    found = rrc_decomposition.decide_claims(runs({**AS_CLAIMED, RRC: 0.635}), "")
    assert found[1].verdict == found[2].verdict == "undecided"
    assert "not surely above 0" in found[1].parts[0].note
    alone = rrc_decomposition.decide_claims(runs(AS_CLAIMED, seeds=1), "")
    assert {claim.verdict for claim in alone} == {"undecided"}


def test_fieller_holds_what_a_t_test_does_not_reject():
    random = np.random.default_rng(1)
    gain = 0.1 + 0.01 * random.normal(size=6)
    part = 0.7 * gain + 0.01 * random.normal(size=6)
    found = ratio(part, gain)
    for share, rejected in ((found.low, 0.05), (found.high, 0.05)):
        test = stats.ttest_1samp(part - share * gain, 0.0)
        assert test.pvalue == pytest.approx(rejected, abs=1e-9)
    assert found.low < part.mean() / gain.mean() < found.high


def test_fieller_covers_as_often_as_it_says():
    random = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        gain = 0.1 + 0.02 * random.normal(size=5)
        found = ratio(0.06 + 0.02 * random.normal(size=5), gain)
        held += found.low <= 0.6 <= found.high
    assert held / 400 == pytest.approx(0.95, abs=0.035)


BETA = {rrc_beta.method_of(alpha): 0.7 for alpha in rrc_beta.ALPHAS} | {
    "Beta(1, 0.1)": 0.66,
    "Beta(1, 10)": 0.65,
}


def test_beta():
    (supported,) = rrc_beta.decide_claims(runs(BETA), "made up")
    assert supported.verdict == "supported"
    for name in ("Beta(1, 0.1)", "Beta(1, 10)"):
        (turned,) = rrc_beta.decide_claims(runs({**BETA, name: 0.74}), "")
        assert turned.verdict == "contradicted"
    (missing,) = rrc_beta.decide_claims(runs({RRC: 0.7}), "")
    assert missing.verdict == "not run"
    assert "leaves out 0.1" in missing.note


@pytest.mark.parametrize(
    ("alpha", "variance"),
    [(0.1, 0.828), (0.5, 3.188), (1, 4.963), (2, 6.809), (3, 7.633), (10, 7.321)],
)
def test_table_a1(alpha, variance):
    mean, found = rrc_beta.law_moments(alpha)
    assert found == pytest.approx(variance, abs=1e-3)
    assert mean == pytest.approx(0.08 + 0.92 / (1 + alpha))


@pytest.mark.parametrize(("alpha", "variance"), [(0.1, 2.93), (1, 5.3), (10, 7.35)])
def test_the_boxes_that_are_drawn_vary_more_than_their_law(alpha, variance):
    """A whole image of another shape does not fit: naive draws of ten tries in a unit square."""
    mean, found = rrc_beta.box_moments(alpha)
    assert found == pytest.approx(variance, rel=0.02)
    random = np.random.default_rng(0)
    area = 0.08 + 0.92 * random.beta(1, alpha, size=(40_000, 10))
    shape = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3), size=area.shape))
    fits = (area * shape <= 1) & (area / shape <= 1)
    first = area[np.arange(len(area)), fits.argmax(axis=1)]
    drawn = np.where(fits.any(axis=1), first, 1.0)
    assert mean == pytest.approx(drawn.mean(), abs=0.01)
    assert found == pytest.approx((1 / drawn).var(), rel=0.06)


def scales(slope_none=-0.08, slope_rrc=-0.03, seeds=4):
    random = np.random.default_rng(0)
    rows = [
        {"method": method, "seed": seed, "scale": zoom, "test_seed": test_seed,
         "accuracy": 0.8 + slope * (zoom - 1) + 0.003 * random.normal()}
        for method, slope in ((NONE, slope_none), (RRC, slope_rrc))
        for seed in range(seeds) for zoom in validation_scale.ZOOMS for test_seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def rewards(spread=0.05, seeds=4, noise=0.003):
    random = np.random.default_rng(0)
    rows = [
        {"regulariser": reward, "seed": seed, "accuracy": 0.7 + spread * reward + noise * z}
        for seed in range(seeds)
        for reward, z in zip(REGULARISERS, random.normal(size=7), strict=True)
    ]
    return pd.DataFrame(rows)


def test_scale_and_regulariser_as_claimed():
    found = validation_scale.decide_claim(scales(), rewards(), "made up")
    assert found.verdict == "supported"
    assert [part.value for part in found.parts[:3]] == pytest.approx([-0.03, -0.08, 0.05], abs=2e-3)
    assert found.parts[3].value == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("table", "learned", "verdict"),
    [
        (scales(slope_none=0.02), rewards(), "contradicted"),
        (scales(slope_rrc=0.02), rewards(), "contradicted"),
        (scales(slope_none=-0.03, slope_rrc=-0.08), rewards(), "contradicted"),
        (scales(), rewards(spread=0.0), "undecided"),
        (scales(seeds=1), rewards(seeds=1), "undecided"),
    ],
)
def test_scale_and_regulariser_fall_when_their_numbers_turn(table, learned, verdict):
    assert validation_scale.decide_claim(table, learned, "").verdict == verdict


def test_noise_over_the_regulariser_is_seldom_called_an_effect():
    random = np.random.default_rng(0)
    called = 0
    for _ in range(60):
        table = rewards(spread=0.0)
        table["accuracy"] = random.normal(size=len(table))
        part = validation_scale.depends_on_regulariser(table)
        called += part.verdict == "supported" and part.p <= 0.05
    assert called <= 8


def test_slopes_are_least_squares():
    table = scales()
    for method in (NONE, RRC):
        expected = [
            np.polyfit(rows["scale"], rows["accuracy"], 1)[0]
            for _, rows in table[table["method"] == method].groupby("seed")
        ]
        assert validation_scale.slopes(table, method) == pytest.approx(expected)


def answers(hurt_classes, seeds=5, classes=12, images=40):
    """Right and wrong: RRC helps all classes but the first ones, which it hurts."""
    random = np.random.default_rng(0)
    rows = []
    for method in (NONE, RRC):
        for seed in range(seeds):
            for c in range(classes):
                effect = 0.0 if method == NONE else -0.25 if c < hurt_classes else 0.1
                right = random.random(images) < 0.6 + effect
                rows += [
                    (f"{c}-{k}", f"class {c}", method, str(seed), int(ok))
                    for k, ok in enumerate(right)
                ]
    return pd.DataFrame(rows, columns=["image", "class", "method", "seed", "correct"])


def test_hurt_classes():
    hurt = class_effects.decide_claim(effects_of(answers(8), NONE).summary, "made up")
    assert hurt.verdict == "supported"
    assert "8 of 12 classes are hurt" in hurt.note
    helped = effects_of(answers(0), NONE).summary
    assert class_effects.decide_claim(helped, "").verdict != "supported"
    # The sign turned: whom RRC helps is now hurt, which is nearly all; and nobody by chance.
    turned = helped.assign(excess=-5.0, excess_low=-6.0, excess_high=-4.0)
    assert class_effects.decide_claim(turned, "").verdict == "contradicted"


def test_augerino_methods_say_group_and_reward():
    found = augerino_methods(Settings(regularisers=(0.1, 1.0), zoom_regularisers=(0.2,)))
    assert list(found.values()) == [
        ("translation", 0.1), ("translation", 1.0), ("translation", None),
        ("translation and zoom", 0.2), ("translation and zoom", None),
    ]  # fmt: skip
    assert next(iter(found)) == (NONE, "tx,ty; regulariser=0.1; copies=4; fill=-1")
    rows = [
        {"method": "translation", "regulariser": 0.1, "accuracy": a, "alone": a + 0.1, "tx": 0.2}
        for a in (0.5, 0.7)
    ]
    (row,) = summary(pd.DataFrame(rows)).to_dict("records")
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["sem"] == pytest.approx(0.1)
    assert row["alone"] == pytest.approx(0.7)
    assert row["tx"] == pytest.approx(0.2)


def test_studies_that_train_the_same_have_the_same_recipes():
    presets = {name: get_study(name).presets for name in (
        "rrc-decomposition", "rrc-beta", "class-effects", "validation-scale", "augerino",
    )}  # fmt: skip
    for preset in ("smoke", "laptop", "paper"):
        data = {"train": "a", "test": "b"}
        recipes = {
            recipe_of(type(settings[preset])(**{**vars(settings[preset]), **data}))
            for settings in presets.values()
        }
        assert len(recipes) == 1


def test_the_paper_preset_says_what_it_needs(tmp_path):
    with pytest.raises(InputError, match=r"needs ImageNet's training images.*'train': 'PATH'"):
        run_study("rrc-decomposition", "paper", lab=Lab(tmp_path))


@pytest.mark.slow
def test_each_method_has_its_own_learning_rate(tmp_path):
    settings = replace(
        TrainingSettings(**SMOKE), learning_rates=(1e-9, 0.05), weight_decays=(0.0,), seeds=(3,)
    )
    lab = Lab(tmp_path)
    trained = train_methods(lab, settings, [NONE, RRC], {RRC: NONE})
    chosen = trained[NONE][0].recipe.learning_rate
    assert chosen in settings.learning_rates
    assert trained[RRC][0].recipe.learning_rate == chosen
    tried = [r for r in lab.used.values() if r.job.settings["recipe"]["test"] == "held out"]
    assert len({r.job.settings["recipe"]["learning_rate"] for r in tried}) == 2


STUDIES = {
    "rrc-decomposition": ["000.c1", "000.c2", "000.c3"],
    "rrc-beta": ["000.c4"],
    "class-effects": ["000.c14"],
    "validation-scale": ["000.c18"],
    "augerino": [],
}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_smoke(name, jobs, tmp_path):
    started = time.perf_counter()
    run = run_study(name, "smoke", output=tmp_path / "out", lab=Lab(jobs))
    assert [claim.id for claim in run.findings.claims] == STUDIES[name]
    assert run.findings.figures
    assert all(figure.svg.count("<svg ") == 2 for figure in run.findings.figures)
    assert time.perf_counter() - started < 30
    again = Lab(jobs)
    run_study(name, "smoke", output=tmp_path / "again", lab=again)
    assert all(result.reused for result in again.used.values())
    for path in (tmp_path / "out" / "tables").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "tables" / path.name).read_bytes()
    if name in ("class-effects", "rrc-beta"):
        shared = sum(job["reused"] for job in run.about["jobs"])
        assert shared >= 2


def test_by_seed_is_in_the_order_of_the_seeds():
    table = runs({NONE: 0.5}).sample(frac=1, random_state=0)
    assert by_seed(table, NONE).tolist() == by_seed(table.sort_values("seed"), NONE).tolist()
    assert math.isnan(ratio(np.array([0.1]), np.array([0.2])).low)
    assert METHODS[0] == RRC
