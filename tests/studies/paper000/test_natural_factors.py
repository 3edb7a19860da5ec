"""The claims of 000 §4 on made-up searches, and the smoke preset."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.effects.wordnet import WordNet
from invariscope.report.study.page import page
from invariscope.search import find_factors
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.studies.paper000.natural_factors import decide_claims
from invariscope.studies.paper000.pair_searches import (
    relative_changes,
    resample_pairs,
    summarise_search,
)
from invariscope.studies.paper000.sources_of_invariance import AUGMENTED, PLAIN, PRETRAINED

HERE = ["000.c11", "000.c12", "000.c13", "000.c15", "000.c16", "000.c17"]

# What the paper says, as a search of 100 classes finds it.
AS_CLAIMED: dict[str, Any] = {
    "classes": 100, "pairs": 800, "operations": 50, "variance": 0.01, "held_out": 98,
    "appearance": 80, "tops": 100, "pool": 0.5,
    "everywhere": 0.0, "everywhere_low": 0.0, "everywhere_high": 0.0,
    "everywhere_p": 0.004,
    "best": 0.001, "best_low": -0.002, "best_high": 0.004,
    "aligned": 0.1, "aligned_low": 0.05, "aligned_high": 0.15, "aligned_p": 0.01,
    "similar": 0.3, "similar_low": 0.1, "similar_high": 0.5, "similar_p": 0.01, "similar_n": 90,
}  # fmt: skip


COUNTS = ("classes", "held_out", "appearance", "everywhere", "aligned_p", "similar_p")


def made_up(*, seeds: int = 6, **changes: float):
    """Rows as the study makes them; changes of the searches that are decided on."""
    rows = []
    for network in (AUGMENTED, PLAIN, PRETRAINED):
        for seed in range(1 if network == PRETRAINED else seeds):
            row: dict[str, Any] = {"network": network, "seed": seed, **AS_CLAIMED}
            for number in ("best", "aligned", "similar"):
                row[number] += 0.0001 * seed
            row["variance"] *= (0.5 if network == AUGMENTED else 1) * (1 + 0.01 * seed)
            row["variance"] *= 1.001 ** (seed * (network == AUGMENTED))
            if network != AUGMENTED:
                row |= {
                    number: value + 0.0001 * seed * (number not in COUNTS)
                    for number, value in changes.items()
                }
            rows.append(row)
    return pd.DataFrame(rows)


def verdicts(table):
    return {claim.id: claim.verdict for claim in decide_claims(table, "made up")}


def test_what_the_paper_says_is_supported():
    assert verdicts(made_up()) == dict.fromkeys(HERE, "supported")


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("000.c11", {"everywhere": 2.0, "everywhere_low": 1.0, "everywhere_high": 3.0}),
        ("000.c11", {"best": 0.02, "best_low": 0.015, "best_high": 0.03}),
        ("000.c12", {"variance": 0.004}),
        ("000.c13", {"held_out": 70}),
        ("000.c15", {"appearance": 20}),
        ("000.c16", {"aligned": -0.1, "aligned_low": -0.15, "aligned_high": -0.05}),
        ("000.c17", {"similar": -0.3, "similar_low": -0.5, "similar_high": -0.1}),
    ],
)
def test_each_claim_falls_when_its_numbers_turn(claim, changes):
    table = made_up()
    assert verdicts(table)[claim] == "supported"
    assert verdicts(made_up(**changes))[claim] == "contradicted"


@pytest.mark.parametrize(("claim", "p"), [("000.c16", "aligned_p"), ("000.c17", "similar_p")])
def test_the_permutation_test_has_a_say(claim, p):
    assert verdicts(made_up(seeds=6, **{p: 0.3}))[claim] == "undecided"


def test_few_classes_leave_the_share_open():
    assert verdicts(made_up(classes=10, held_out=10))["000.c13"] == "undecided"


def test_without_wordnet_its_claim_is_not_run():
    table = made_up()
    table = table.drop(columns=[name for name in table if str(name).startswith("similar")])
    found = {claim.id: claim for claim in decide_claims(table, "")}["000.c17"]
    assert found.verdict == "not run"
    assert "WordNet" in found.note


def test_one_seed_decides_nothing_about_trained_networks():
    table = made_up(seeds=1)
    table = table[table["network"] != PRETRAINED]
    assert set(verdicts(table).values()) == {"undecided"}


@pytest.fixture(scope="module")
def search():
    """A real search, of three classes of noise."""
    images = torch.rand(36, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    labels = [place % 3 for place in range(36)]
    return find_factors(
        lambda x: x.flatten(1), (images, labels), operations="rotate,invert,posterize", pairs=6
    )


def test_a_search_is_summarised_as_its_table_says(search):
    row = summarise_search(search, None, [])
    names, changes = relative_changes(search)
    frame = search.frame[search.frame["class"] != ""].drop_duplicates(["class", "key"])
    frame = frame[frame["kind"] != "identity"]
    means = frame.pivot(index="class", columns="operation", values="relative_change")
    np.testing.assert_allclose(
        np.stack([one.mean(axis=0) for one in changes]),
        means.loc[list(search.classes), names].to_numpy(), rtol=1e-6, atol=1e-9,
    )  # fmt: skip
    assert row["everywhere"] == (means > 0).all().sum()
    assert row["best"] == pytest.approx(means.mean().max(), rel=1e-6)
    assert row["best_low"] <= row["best_high"]
    assert row["variance"] == pytest.approx(np.var(means.to_numpy()), rel=1e-6)
    ranks = search.ranks
    assert row["held_out"] / row["classes"] == pytest.approx(ranks.above_zero_held_out.value)
    shares = ranks.shares.set_index("kind")
    assert row["appearance"] / row["tops"] == pytest.approx(shares.loc["appearance", "tops"])
    assert row["pool"] == shares.loc["appearance", "pool"]
    assert row["pairs"] == 18


def test_resampling_pairs_is_that_of_class_means():
    random = np.random.default_rng(1)
    changes = [0.3 + random.normal(size=(400, 1)) for _ in range(4)]
    found = resample_pairs(changes)
    half = 1.96 / np.sqrt(1600)
    assert found["best_high"] - found["best_low"] == pytest.approx(2 * half, rel=0.15)
    assert found["everywhere"] == 1.0
    constant = resample_pairs([np.full((5, 2), -0.1)] * 3)
    assert [constant[f"everywhere{end}"] for end in ("", "_low", "_high")] == [0.0, 0.0, 0.0]
    assert constant["best"] == pytest.approx(-0.1)


def test_classes_that_wordnet_does_not_know_are_noted(search):
    try:
        nouns = WordNet()
    except Exception:
        pytest.skip("WordNet is not installed: apt-get install wordnet-base")
    notes: list[str] = []
    row = summarise_search(search, nouns, notes)
    assert "similar" not in row
    assert notes[0].startswith("WordNet does not know the classes of ")


@pytest.mark.long
def test_the_smoke_preset_runs(tmp_path, one_core):
    run = run_study("natural-factors", "smoke", output=tmp_path / "run", lab=Lab(tmp_path / "jobs"))
    assert [claim.id for claim in run.findings.claims] == HERE
    assert set(run.findings.tables["tops"]["class"]) == {"Trouser", "Sandal", "Bag"}
    assert len(run.about["jobs"]) == 4 + 4 + 4
    assert "Each class’s own" in page(run) or "Each class&#39;s own" in page(run)
