"""Recommendations: the rules, and that the code runs and does what it says."""

import numpy as np
import pandas as pd
import pytest
import torch

import invariscope
from invariscope.advice.recommendation import recommend
from invariscope.advice.snippet import _TRANSFORMS, snippet
from invariscope.search import Factors
from invariscope.transformations import FAMILIES, get_transformation


@pytest.fixture(scope="module")
def searched():
    images = torch.rand(24, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return invariscope.find_factors(
        lambda x: x.flatten(1),
        (images, [0] * 8 + [1] * 8 + [2] * 8),
        operations="rotate=-20/10/20,invert,translate_x,solarize",
    )


def varied(searched, found, lost):
    """The same search, had it found some families in some classes, and others lost."""
    table = searched.factors.copy()
    table["q"], table["lost_low"] = 0.5, 0.0
    table["low"], table["high"] = np.nan, np.nan
    for (family, name), bounds in found.items():
        here = (table["family"] == family) & (table["class"] == name)
        table.loc[here, "q"] = 0.01
        table.loc[here, ["low", "high"]] = bounds
    for family, names in lost.items():
        table.loc[(table["family"] == family) & table["class"].isin(names), "lost_low"] = 0.2
    return Factors(searched.manifest, searched.frame, table, searched._rows)


@pytest.fixture(scope="module")
def found(searched):
    return varied(
        searched,
        {
            ("rotate", "0"): (-20.0, 10.0),
            ("rotate", "1"): (10.0, 10.0),
            ("solarize", "2"): (0.2, 0.6),
            ("translate_x", "0"): (np.nan, np.nan),  # its twin in the other direction does it
        },
        {"invert": ["0", "1"], "solarize": ["0", "1", "2"]},
    )


def test_the_rules(found):
    table = recommend(found).table.set_index("family")
    assert table["advice"].to_dict() == {
        "rotate": "add",
        "solarize": "add for some classes",
        "invert": "would hurt",
        "translate_x": "no evidence",
    }
    assert (table.loc["rotate", "low"], table.loc["rotate", "high"]) == (-20.0, 10.0)
    assert table.loc["rotate", "classes"] == ["0", "1"]
    assert table.loc["solarize", "classes"] == ["2"]
    assert table.loc["rotate", "varying"] == pytest.approx(2 / 3)
    assert table.loc["invert", "lost"] == pytest.approx(2 / 3)
    assert table.loc["rotate", "reason"] == "2 of 3 classes vary along it"
    assert "loses images of 2 to others" in str(table.loc["invert", "reason"])
    assert next(iter(table.index)) == "rotate"


def test_what_the_model_ignores_already_is_not_added(found):
    images = torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    run = invariscope.measure(
        lambda x: x.flatten(1) - 0.5, images, transformations="rotate=20,contrast_up", layers="last"
    )
    seeing = recommend(found, run).table.set_index("family")
    invariance = run.frame.query(
        "metric == 'relative_invariance' and layer == 'embedding' and transformation == 'rotate'"
    )
    expected = invariance[invariance["level"] > 0]["value"].mean()
    assert seeing.loc["rotate", "invariance"] == pytest.approx(expected)
    assert seeing["gap"].isna().all()  # no twin
    assert np.isnan(float(str(seeing.loc["invert", "invariance"])))
    frame = run.frame
    run.frame = frame.assign(value=frame["value"].where(frame["level"] == 0, 0.95))
    blind = recommend(found, run).table.set_index("family")
    assert blind.loc["rotate", "advice"] == "has it"
    assert "the model's invariance is 0.95" in str(blind.loc["rotate", "reason"])


def executed(code):
    made = {}
    exec(compile(code, "snippet", "exec"), made)
    return made


def test_the_code_runs_on_what_it_recommends(found):
    made = executed(recommend(found).code)
    image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    out = made["augment"](image)
    assert (out.shape, out.dtype) == (image.shape, image.dtype)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_has_a_transform_that_runs(family):
    """In both places of the code, at both ends of the standard table."""
    if FAMILIES.get(family).members or family.startswith("doc_"):
        pytest.skip("a group, or a family of a docstring")
    magnitudes = get_transformation(family).magnitudes[1:]
    row = {"family": family, "low": min(magnitudes), "high": max(magnitudes)}
    row |= {"signed": get_transformation(family).signed, "classes": ["a", "b's"]}
    assert family in _TRANSFORMS
    rows = [row | {"advice": advice} for advice in ("add", "add for some classes")]
    made = executed(snippet(pd.DataFrame(rows)))
    image = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    for transform in (made["augment"], made["per_class"]["a"], made["per_class"]["b's"]):
        assert transform(image).shape == image.shape


@pytest.mark.parametrize(
    ("family", "low", "high", "signed", "text"),
    [
        ("rotate", 10.0, 30.0, True, "RandomRotation((-30, 30))"),
        ("rotate", 10.0, 30.0, False, "RandomRotation((0, 30))"),
        ("rotate", -20.0, 10.0, False, "RandomRotation((-20, 10))"),
        ("zoom_out", 0.4, 0.85, False, "scale=(0.4, 1)"),
        ("rescale", 1.5, 2.0, True, "scale=(0.5, 2)"),
        ("saturation", 1.2, 1.4, True, "saturation=(0.6, 1.4)"),
        ("brightness_down", 0.5, 0.9, False, "brightness=(0.5, 1)"),
        ("posterize", 4.0, 6.0, False, "RandomPosterize(4"),
        ("solarize", 0.5, 0.9, False, "RandomSolarize(127"),
        ("translate_x", 0.1, 0.3, True, "translate=(0.3, 0)"),
    ],
)
def test_ranges(family, low, high, signed, text):
    row = {"family": family, "advice": "add", "low": low, "high": high, "signed": signed}
    assert text in snippet(pd.DataFrame([row | {"classes": []}]))


def test_nothing_to_add_is_still_code():
    frame = pd.DataFrame(columns=["family", "advice", "low", "high", "signed", "classes"])
    image = torch.zeros(3, 4, 4)
    assert executed(snippet(frame))["augment"](image) is image
