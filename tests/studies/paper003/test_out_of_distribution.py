import pandas as pd
import pytest

from invariscope.studies.paper003.out_of_distribution import MODELS, SEEN, UNTRAINED, ordering_claim
from invariscope.studies.paper003.rotated_digits import LATENT, SOFTMAX
from smoke import run_smoke


def table(latent=0.2, softmax=-0.2, sets=9):
    rows = []
    for number in range(sets):
        for model in MODELS:
            for seed in range(2):
                own = (latent, softmax) if model == UNTRAINED else (0.0, 0.0)
                for metric, shift in zip((LATENT, SOFTMAX), own, strict=True):
                    value = 0.5 + shift + 0.01 * seed + 0.001 * number
                    rows.append((f"data {number}", model, seed, metric, value))
    columns = ["data", "model", "seed", "metric", "value"]
    seen = [(SEEN, model, 0, metric, 99.0) for model in MODELS for metric in (LATENT, SOFTMAX)]
    return pd.DataFrame([*rows, *seen], columns=columns)


def test_claim():
    found = ordering_claim(table(), "toys")
    assert found.verdict == "supported"
    assert {part.n for part in found.parts} == {9}  # what the networks have seen does not count
    assert ordering_claim(table(latent=-0.2), "toys").verdict == "contradicted"
    assert ordering_claim(table(softmax=0.2), "toys").verdict == "contradicted"
    assert ordering_claim(table(sets=4), "toys").verdict == "undecided"


@pytest.mark.slow
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("e2cnn")
    run = run_smoke("out-of-distribution", tmp_path)
    seeds = run.findings.tables["deviations"]
    untrained = seeds[(seeds["model"] == UNTRAINED) & (seeds["metric"] == SOFTMAX)]
    assert untrained.groupby("data")["value"].nunique().min() == 2  # other weights for each seed
