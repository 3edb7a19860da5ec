import numpy as np
import pandas as pd
import pytest

from invariscope.studies.paper003.learned_vs_built_in import claims
from invariscope.studies.paper003.rotated_digits import (
    BLOCKS,
    CHANNELWISE,
    CNN,
    FAMILIES,
    LATENT,
    LATENT_COSINE,
    PLACES,
    STEERABLE,
)
from smoke import run_smoke, verdict

ITERATIONS = (0, 100, 200)


def table(better=-0.3, decay=0.02, change=0.01, fall=-0.2, gap=-0.1):
    """The paper's picture, unless one of its signs is turned."""
    rows, draw = [], np.random.default_rng(0)

    def wiggle():
        return 0.0005 * draw.normal()

    for family in FAMILIES:
        ours = better if family == STEERABLE else 0.0
        for seed in range(4):
            for iteration in ITERATIONS:
                for number, block in enumerate(BLOCKS):
                    later = change if family == CNN and iteration == 200 else 0.0
                    value = -0.5 + ours + decay * number + later + wiggle()
                    rows.append((family, seed, iteration, CHANNELWISE, block, value))
                for metric, place in PLACES.items():
                    sign = -1 if metric == LATENT_COSINE else 1
                    built = sign * gap if family == STEERABLE else 0.0
                    value = 0.6 + fall * iteration / 200 + built + wiggle()
                    rows.append((family, seed, iteration, metric, place, value))
    columns = ["family", "seed", "iteration", "metric", "place", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_claims_follow_the_numbers():
    assert [claim.verdict for claim in claims(table(), "toys")] == ["supported"] * 4


def test_a_seed_whose_channels_are_dead_has_no_number():
    """A block of dead channels has no row; its seed is left out of what needs it."""
    whole = table()
    died = (whole["family"] == STEERABLE) & (whole["seed"] == 1)
    died &= (whole["place"] == BLOCKS[0]) & (whole["iteration"] == 200)
    found = claims(whole[~died], "toys")
    assert [claim.verdict for claim in found] == ["supported"] * 4
    counts = {part.name: part.n for claim in found for part in claim.parts}
    assert counts[f"channelwise EED, C8-CNN − CNN, {BLOCKS[0]}"] == 3
    assert counts[f"channelwise EED, C8-CNN − CNN, {BLOCKS[1]}"] == 4
    assert counts[f"slope over blocks, {STEERABLE}"] == 3


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"better": 0.3}, "003.c1"),
        ({"decay": -0.02}, "003.c1"),
        ({"change": -0.05}, "003.c2"),
        ({"fall": 0.2}, "003.c3"),
        ({"gap": 0.1}, "003.c4"),
    ],
)
def test_a_turned_sign_is_contradicted(changed, claim):
    found = claims(table(**changed), "toys")
    assert verdict(found, claim) == "contradicted"
    assert sum(one.verdict == "contradicted" for one in found) == 1


def test_one_metric_alone_contradicts():
    turned = table()
    chosen = (turned["metric"] == LATENT) & (turned["family"] == STEERABLE)
    turned.loc[chosen & (turned["iteration"] == 200), "value"] += 1.0
    assert verdict(claims(turned, "toys"), "003.c4") == "contradicted"


@pytest.mark.long
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("e2cnn")
    run = run_smoke("learned-vs-built-in", tmp_path)
    course = run.findings.tables["course"]
    assert set(course["place"]) == {*BLOCKS, "embedding", "logits"}
    blocks = course[(course["metric"] == CHANNELWISE) & (course["iteration"] == 0)]
    means = blocks.groupby("family")["value"].mean()
    # before any training too, the steerable network is the more equivariant
    assert means["C8-CNN"] < means["CNN"] - 0.1
