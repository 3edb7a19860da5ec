"""Invariance gaps against what varies in the data (paper 000 §4.4)."""

import itertools

import numpy as np
import pytest
import torch

import invariscope
from invariscope.advice.alignment import LEVELS, TOP, align, family_gap, invariance_gaps
from invariscope.errors import InputError
from invariscope.search import Factors


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(24, 3, 12, 12, generator=generator)
    return images, [0] * 8 + [1] * 8 + [2] * 8


@pytest.fixture(scope="module")
def found(data):
    names = "rotate,translate_x,zoom_in,invert,solarize,brightness_down"
    return invariscope.find_factors(lambda x: x.flatten(1), data, operations=names)


def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(432, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4)
    )


@pytest.fixture(scope="module")
def runs(data):
    names = "rotate,translate_x,zoom_in,solarize,brightness_down"
    return [
        invariscope.measure(network(seed), data, transformations=names, layers="last")
        for seed in (0, 1)
    ]


def reference(found, trained, untrained):
    """The formula, loop by loop."""
    gaps = {}
    for name in ("rotate", "translate_x", "zoom_in", "solarize", "brightness_down"):
        each = []
        for level in LEVELS:
            medians = []
            for run in (trained, untrained):
                rows = run.rows
                cells = {
                    entry["cell"]
                    for entry in run.manifest["settings"]["cells"]
                    if (entry["transformation"], entry["level"]) == (name, level)
                }
                chosen = rows[
                    rows["cell"].isin(cells)
                    & (rows["metric"] == "relative_invariance")
                    & (rows["layer"] == "embedding")
                    & (rows["control"].fillna("") == "")
                ]
                medians.append(np.median(chosen["value"].astype(float)))
            each.append(medians[0] - medians[1])
        gaps[name] = np.mean(each)
    shares = {name: [] for name in gaps}
    frame = found.frame
    for name in found.classes:
        rows = frame[(frame["class"] == name) & (frame["kind"] != "identity")]
        rows = rows.drop_duplicates("key")
        ordered = sorted(
            rows.to_dict("records"),
            key=lambda row: (-row["proportion_boosted"], -row["relative_change"]),
        )
        best = {row["operation"] for row in ordered[:TOP]}
        for family, of_class in shares.items():
            own = rows[rows["families"] == family]["operation"]
            of_class.append(np.mean([operation in best for operation in own]))
    return gaps, {name: np.mean(each) for name, each in shares.items()}


def test_against_the_formula_loop_by_loop(found, runs):
    aligned = align(found, *runs)
    gaps, shares = reference(found, *runs)
    for row in aligned.families.to_dict("records"):
        assert row["gap"] == pytest.approx(gaps[row["family"]], abs=1e-6)
        assert row["share"] == pytest.approx(shares[row["family"]], abs=1e-12)
    up = [shares[name] for name in gaps if gaps[name] > 0]
    down = [shares[name] for name in gaps if gaps[name] <= 0]
    assert aligned.left_out == ("invert",)
    assert aligned.classes == 3
    assert aligned.difference == pytest.approx(np.mean(up) - np.mean(down), abs=1e-12)
    assert aligned.low <= aligned.difference <= aligned.high
    every = list(itertools.combinations(shares.values(), len(up)))
    as_large = sum(sum(some) >= sum(up) - 1e-12 for some in every)
    assert aligned.p == pytest.approx(as_large / len(every))


def test_the_twin_of_a_run_stands_in_for_the_untrained_run(data, found):
    run = invariscope.measure(
        network(0), data, transformations="rotate,solarize", layers="last", twin=True
    )
    gaps = invariance_gaps(run)
    assert set(gaps) == {"rotate", "solarize"}
    controls = run.controls
    chosen = controls[
        (controls["control"] == "untrained")
        & (controls["metric"] == "relative_invariance")
        & (controls["layer"] == "embedding")
        & controls["class"].isna()
    ]
    assert set(chosen["level"]) & set(LEVELS)
    assert set(align(found, run).families["family"]) == {"rotate", "solarize"}


def test_equal_models_have_no_gap_and_no_difference(found, runs):
    aligned = align(found, runs[0], runs[0])
    assert (aligned.families["gap"] == 0).all()
    assert np.isnan([aligned.difference, aligned.p, aligned.rho]).all()


def test_names_that_differ(found):
    assert family_gap("contrast", {"contrast_up": 1.0}) == 1.0
    assert np.isnan(family_gap("sharpness", {"contrast_up": 1.0}))


def test_what_is_missing_is_said(found, runs, data):
    with pytest.raises(InputError, match=r"untrained model: measure with `twin=True`"):
        align(found, runs[0])
    other = invariscope.measure(network(0), data, transformations="hue", layers="last", twin=True)
    with pytest.raises(InputError, match=r"none of the search's families .*measure with"):
        align(found, other)


def test_only_policies(data, runs):
    policies = invariscope.find_factors(
        lambda x: x.flatten(1), data, operations="rotate 3 + invert 3"
    )
    assert isinstance(policies, Factors)
    with pytest.raises(InputError, match="no single operations"):
        align(policies, *runs)


def test_the_five_best_are_by_the_share_of_pairs_that_come_closer(found, runs):
    """Not by how much closer, which decides among equals only."""
    frame = found.frame.copy()
    turns = frame["operation"].isin([f"rotate={angle}" for angle in (-40, -25, -12, 12)])
    frame["proportion_boosted"] = np.where(turns, 0.9, 0.1)
    frame["relative_change"] = np.where(turns, -1.0, 0.5)
    zoomed = frame["operation"] == frame.loc[frame["families"] == "zoom_in", "operation"].iloc[0]
    frame.loc[zoomed, "relative_change"] = 0.6
    families = align(Factors(found.manifest, frame, found.factors, found._rows), *runs).families
    shares = families.set_index("family")["share"].to_dict()
    operations = families.set_index("family")["operations"].to_dict()
    assert (shares["rotate"], operations["rotate"]) == (pytest.approx(4 / 9), 9)
    assert shares["zoom_in"] == pytest.approx(1 / operations["zoom_in"])
    assert shares["translate_x"] == shares["solarize"] == 0
