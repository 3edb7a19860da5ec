"""The table of parts against the rows that it is made from."""

import numpy as np
import pytest
import torch

import invariscope
from invariscope.errors import InputError
from invariscope.studies.paper002.parts import METRICS, by_part, by_part_of_each, per_seed


@pytest.fixture(scope="module")
def result():
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, 16, 16, generator=draw)
    return invariscope.measure(
        "small:cnn7?width=0.2&size=16&channels=3", images, groups="C4", metrics=list(METRICS)
    )


def test_a_part_is_the_mean_of_its_layers_over_the_turns(result):
    table = by_part(result).set_index(["part", "kind"])
    rows = result.rows
    for part, layers, suffix in (
        ("Early", ("blocks.0.0", "blocks.1.0", "blocks.2.0"), ""),
        ("Middle", ("blocks.3.0", "blocks.4.0"), ""),
        ("Late", ("blocks.5.0", "blocks.6.0"), ""),
    ):
        for kind in ("invariance", "equivariance"):
            chosen = rows[(rows["metric"] == f"channel_{kind}{suffix}") & (rows["control"] == "")]
            by_hand = [
                chosen[(chosen["layer"] == layer) & (chosen["cell"] == f"rotate={turn}")]["value"]
                .astype(float)
                .mean()
                for layer in layers
                for turn in (90, 180, 270)
            ]
            assert table.loc[(part, kind), "value"] == pytest.approx(np.mean(by_hand), abs=1e-6)
    averages = result.averages(metrics=["channel_equivariance:pooled"])
    final = averages[(averages["part"] == "Final") & averages["layer"].isna()]["value"].iloc[0]
    assert table.loc[("Final", "equivariance"), "value"] == pytest.approx(final, abs=1e-6)


def test_equivariance_is_not_below_invariance_before_pooling(result):
    table = by_part(result)
    table = table[table["part"].isin(["Early", "Middle", "Late"])]
    for column in ("value", "null", "matched"):
        both = table.pivot_table(index="part", columns="kind", values=column)
        assert (both["equivariance"] > both["invariance"]).all()


def test_columns_say_which_run_and_seeds_are_in_order(result):
    table = by_part_of_each([result, result], [{"task": "a", "seed": 3}, {"task": "a", "seed": 1}])
    assert list(table.columns[:2]) == ["task", "seed"]
    values = per_seed(table.assign(value=table["seed"]), "Early", "invariance", task="a")
    assert values.tolist() == [1, 3]


def test_runs_without_channel_measures_are_refused():
    other = invariscope.measure(
        "small:cnn7?width=0.2&size=16&channels=3", torch.rand(3, 3, 16, 16), groups="C4",
        metrics="relative_invariance",
    )  # fmt: skip
    with pytest.raises(InputError, match="no channel measures: measure it with METRICS"):
        by_part(other)
