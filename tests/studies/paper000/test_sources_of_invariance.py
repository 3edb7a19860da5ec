"""The claims of 000 §3 on made-up numbers, and the smoke preset."""

import numpy as np
import pandas as pd
import pytest

from invariscope.report.study.page import page
from invariscope.studies.paper000.sources_of_invariance import (
    APPEARANCE,
    AUGMENTED,
    CLAIMS_HERE,
    FAMILIES,
    PLAIN,
    PRETRAINED,
    RESNET,
    TRANSLATIONS,
    TURNS,
    UNTRAINED,
    VIT,
    decide_claims,
    over_levels,
)
from smoke import run_smoke

# What the paper says, as (network, training) -> families -> invariance.
AS_CLAIMED = {
    (RESNET, AUGMENTED): {"translate": 0.60, "zoom_in": 0.30, "turn": 0.10, "look": 0.70},
    (RESNET, PLAIN): {"translate": 0.55, "zoom_in": 0.30, "turn": 0.10, "look": 0.70},
    (RESNET, UNTRAINED): {"translate": 0.20, "zoom_in": 0.31, "turn": 0.30, "look": 0.40},
    (VIT, AUGMENTED): {"translate": 0.65, "zoom_in": 0.32, "turn": 0.15, "look": 0.80},
    (VIT, UNTRAINED): {"translate": 0.30, "zoom_in": 0.30, "turn": 0.30, "look": 0.50},
}
SPREAD = {AUGMENTED: 0.2, PLAIN: 0.25, UNTRAINED: 0.4}
KIND = {
    **dict.fromkeys(TRANSLATIONS, "translate"),
    **dict.fromkeys(TURNS, "turn"),
    **dict.fromkeys(APPEARANCE, "look"),
}


def made_up(change=None, seeds=4, noise=0.002):
    """Rows as `over_levels` gives them; `change` edits them."""
    random = np.random.default_rng(0)
    rows = []
    for (network, training), means in AS_CLAIMED.items():
        for seed in range(seeds):
            for family in FAMILIES:
                value = means.get(KIND.get(family, family), 0.5)
                aligned = 0.3 if (network, training) == (RESNET, UNTRAINED) else 0.0
                rows.append(
                    {
                        "network": network, "training": training, "seed": seed, "family": family,
                        "invariance": value + noise * random.normal(),
                        "spread": SPREAD[training] + noise * random.normal(),
                        "alignment": aligned + noise * random.normal(),
                        "ratio_of_means": value,
                    }
                )  # fmt: skip
    table = pd.DataFrame(rows)
    if change is not None:
        change(table)
    return table


def verdicts(table):
    return {claim.id: claim.verdict for claim in decide_claims(table, "made up")}


def test_what_the_paper_says_is_supported():
    assert verdicts(made_up()) == dict.fromkeys(CLAIMS_HERE, "supported")


def chosen(table, network=None, training=None, families=FAMILIES):
    found = table["family"].isin(families)
    found &= (table["network"] == network) if network else True
    return found & ((table["training"] == training) if training else True)


def put(column, value, **where):
    def change(table):
        table.loc[chosen(table, **where), column] += value

    return change


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("000.c5", put("invariance", -0.6, network=RESNET, training=AUGMENTED,
                       families=("translate_x",))),
        ("000.c5", put("invariance", -0.6, network=VIT, training=AUGMENTED, families=APPEARANCE)),
        ("000.c6", put("invariance", 0.2, network=VIT, training=AUGMENTED,
                       families=("zoom_in",))),
        ("000.c6", put("spread", 0.5, training=AUGMENTED, families=("zoom_in",))),
        ("000.c7", put("invariance", 0.4, training=AUGMENTED, families=("shear_y",))),
        ("000.c8", put("invariance", 0.2, network=RESNET, training=UNTRAINED,
                       families=TRANSLATIONS)),
        ("000.c8", put("invariance", -0.2, network=VIT, training=AUGMENTED,
                       families=TRANSLATIONS)),
        ("000.c9", put("invariance", 0.1, network=RESNET, training=PLAIN, families=TRANSLATIONS)),
        ("000.c9", put("invariance", 0.3, network=RESNET, training=AUGMENTED,
                       families=TRANSLATIONS)),
        ("000.c10", put("alignment", -0.6, network=RESNET, training=UNTRAINED)),
        ("000.c10", put("alignment", 0.6, network=VIT, training=UNTRAINED)),
    ],
)  # fmt: skip
def test_each_claim_falls_when_its_numbers_turn(claim, change):
    assert verdicts(made_up(change))[claim] == "contradicted"


def test_one_seed_decides_nothing():
    assert set(verdicts(made_up(seeds=1)).values()) == {"undecided"}


def test_a_pretrained_network_takes_part_in_the_claims_about_training():
    table = made_up()
    own = table[table["network"] == RESNET].assign(network=PRETRAINED)
    both = pd.concat([table, own[own["training"] != PLAIN]])
    before, after = (decide_claims(rows, "")[0].parts for rows in (table, both))
    assert [part.name for part in after[len(before) :]] == [
        "pretrained, translate_x", "pretrained, translate_y", "pretrained, appearance",
    ]  # fmt: skip


def test_the_order_of_rows_does_not_matter():
    table = made_up()
    shuffled = table.sample(frac=1, random_state=0)
    assert repr(decide_claims(table, "")) == repr(decide_claims(shuffled, ""))


def test_levels_3_to_7_count():
    levels = pd.DataFrame({"network": "a", "training": "b", "seed": 0, "family": "rotate",
                           "level": range(1, 10)})  # fmt: skip
    for column in ("invariance", "spread", "alignment", "ratio_of_means"):
        levels[column] = levels["level"] * 1.0
    assert over_levels(levels)["invariance"].tolist() == [5.0]
    levels.loc[levels["level"] > 7, "invariance"] = 100
    assert over_levels(levels)["invariance"].tolist() == [5.0]


@pytest.mark.slow
def test_the_smoke_preset_runs(tmp_path):
    run = run_smoke("sources-of-invariance", tmp_path)
    assert [claim.id for claim in run.findings.claims] == list(CLAIMS_HERE)
    assert len(run.about["jobs"]) == 16
    assert set(run.findings.tables["means"]["family"]) == set(FAMILIES)
    assert "This is the smoke preset." in page(run)
