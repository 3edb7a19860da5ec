import pandas as pd
import pytest

from invariscope.studies.paper003.out_of_distribution import (
    DATA_SETS,
    MODELS,
    SEEN,
    UNTRAINED,
    _short,
    ordering_claim,
    source_of,
)
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


def test_corruptions_of_the_same_digits_have_one_vote():
    """Nine data sets of three sources, as they were, decide nothing, whatever they say."""
    kinds = ("noise", "impulse", "blur", "contrast", "invert", "blocks")
    names = ["rotated nines", *(f"digits, {kind}" for kind in kinds), "fashion-mnist", "samples"]
    rows = table()
    rows = rows.assign(data=rows["data"].replace({f"data {k}": n for k, n in enumerate(names)}))
    found = ordering_claim(rows, "toys")
    assert found.verdict == "undecided"
    assert {part.n for part in found.parts} == {3}
    assert {part.unit for part in found.parts} == {"sources"}


def test_the_laptop_preset_has_six_sources():
    assert len({source_of(_short(spec.format(of="mnist5k"))) for spec in DATA_SETS}) == 6
    assert _short("corrupted:blur?of=fashion-mnist") == "fashion-mnist, blur"


@pytest.mark.long
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("e2cnn")
    run = run_smoke("out-of-distribution", tmp_path)
    seeds = run.findings.tables["deviations"]
    untrained = seeds[(seeds["model"] == UNTRAINED) & (seeds["metric"] == SOFTMAX)]
    assert untrained.groupby("data")["value"].nunique().min() == 2  # other weights for each seed
