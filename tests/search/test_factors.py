"""The table of what varies: on real photographs, and what it must not depend on."""

import numpy as np
import pandas as pd
import pytest
import torch

import invariscope
from invariscope.data import open_source
from invariscope.search.families import UNCHANGED, axes
from invariscope.search.operations import get_operations, unique_operations

POOL = "flip_horizontal,flip_vertical,invert,rotate=-20/20/90,zoom_in,zoom_out,blur"


def small(images):
    return torch.nn.functional.adaptive_avg_pool2d(images, 12).flatten(1)


def photographs(count=3, side=32):
    """uint8 [photograph, side, side, 3], of different photographs."""
    source = open_source("samples")
    first = [k for k, image in enumerate(source.ids) if image.endswith("/0")]
    return [np.asarray(source.load(k).resize((side, side))) for k in first[:count]]


@pytest.fixture(scope="module")
def data():
    """Three classes of one photograph each: mirrored, inverted, and with nothing but noise."""
    rng = np.random.default_rng(0)
    images, labels = [], []
    for name, picture in zip(("mirrored", "inverted", "plain"), photographs(), strict=True):
        for _ in range(16):
            other = rng.random() < 0.5
            made = picture[:, ::-1] if name == "mirrored" and other else picture
            made = 255 - made if name == "inverted" and other else made
            noisy = made + rng.normal(0, 5, made.shape)
            images.append(np.clip(noisy, 0, 255).round().astype(np.uint8))
            labels.append(name)
    return np.stack(images), labels


@pytest.fixture(scope="module")
def found(data):
    return invariscope.find_factors(small, data, operations=POOL)


def test_what_was_planted_is_found_and_nothing_else(found):
    table = found.factors
    assert list(table.columns[:7]) == [
        "class", "family", "statistic", "ci_low", "ci_high", "p", "q",
    ]  # fmt: skip
    sure = table[table["q"] < 0.05]
    assert dict(zip(sure["class"], sure["family"], strict=True)) == {
        "mirrored": "flip_horizontal", "inverted": "invert",
    }  # fmt: skip
    assert len(sure) == 2
    assert (sure["ci_low"] > 0.2).all()
    assert (sure["low"] == 1).all()
    assert (table["rests_on"] <= table["images"]).all()
    # the mean change of eq. 2 does not show it
    flips = found.frame.query("operation == 'flip_horizontal' and `class` == 'mirrored'")
    assert (flips["q"] > 0.05).all()


def test_q_is_holms_over_classes_and_axes(found):
    table = found.factors
    once = table[~table["family"].isin(["zoom_out"])]  # one axis with zoom_in
    zoom = table[table["family"].isin(["zoom_in", "zoom_out"])].groupby("class")
    assert (zoom[["statistic", "p", "q"]].nunique() == 1).all(axis=None)
    p = np.sort(once["p"].to_numpy())
    expected = np.minimum(1, np.maximum.accumulate(p * np.arange(len(p), 0, -1)))
    assert np.allclose(np.sort(once["q"].to_numpy()), expected)


def test_what_loses_images_is_said(data):
    """A class upside down beside the class: turning it by half takes every image to the other."""
    images, labels = data
    upright = images[np.array(labels) == "plain"]
    both = np.concatenate([upright, upright[:, ::-1, ::-1]]), ["up"] * 16 + ["down"] * 16
    table = invariscope.find_factors(small, both, operations="rotate=180").factors
    turned = table[table["family"] == "rotate"]
    assert (turned["lost"] == 1).all()
    assert (turned["lost_low"] > 0.7).all()
    assert not (table["q"] < 0.05).any()


def test_the_order_of_images_and_the_batch_do_not_matter(data, found):
    images, labels = data
    for size in (5, 300):
        again = invariscope.find_factors(small, data, operations=POOL, batch_size=size)
        pd.testing.assert_frame_equal(again.factors, found.factors, rtol=1e-4, atol=1e-4)
    assert len(images) == len(labels)


def test_one_class_alone_and_small_classes(data):
    images, labels = data
    alone = invariscope.find_factors(small, (images[:8], labels[:8]), operations="invert")
    assert alone.factors[["statistic", "p", "q"]].isna().all(axis=None)
    assert any("of other classes: what varies is told against" in warning
               for warning in alone.manifest["warnings"])  # fmt: skip
    few = [0, 1, 2, *range(16, 21), *range(32, 37)]
    part = invariscope.find_factors(
        small, (images[few], [labels[k] for k in few]), operations="invert"
    )
    known = part.factors.set_index("class")["statistic"].notna()
    assert known.to_dict() == {"mirrored": False, "inverted": True, "plain": True}
    assert any("fewer than 4 images that are transformed" in warning
               for warning in part.manifest["warnings"])  # fmt: skip


def test_an_image_that_cannot_be_compared_counts_nowhere(data):
    images, labels = data
    blank = images.copy()
    blank[0] = 0  # an embedding without a direction

    table = invariscope.find_factors(small, (blank, labels), operations="flip_horizontal").factors
    assert table["statistic"].notna().all()
    assert table.set_index("class")["rests_on"].to_dict() == {
        "mirrored": 15, "inverted": 16, "plain": 16,
    }  # fmt: skip


@pytest.mark.parametrize("pairs", [128, 129, 200])
def test_of_a_large_class_those_that_meet_decide(pairs):
    """128 images of a class meet each other; with more pairs nothing varies that did not before."""
    rng = np.random.default_rng(1)
    images, labels = [], []
    for name, picture in zip(("mirrored", "plain"), photographs(2), strict=True):
        for place in range(210 if name == "mirrored" else 20):
            made = picture[:, ::-1] if name == "mirrored" and place % 2 else picture
            images.append(np.clip(made + rng.normal(0, 5, made.shape), 0, 255).astype(np.uint8))
            labels.append(name)
    asked = {"operations": "flip_horizontal,invert,rotate=20", "classes": ["mirrored"]}
    table = invariscope.find_factors(small, (np.stack(images), labels), pairs=pairs, **asked)
    rows = table.factors.set_index("family")
    assert rows[["statistic", "p", "ci_low", "ci_high"]].notna().all(axis=None)
    assert (rows["q"] < 0.05).to_dict() == {
        "flip_horizontal": True, "invert": False, "rotate": False,
    }  # fmt: skip
    assert rows["statistic"]["flip_horizontal"] == pytest.approx(0.9, abs=0.1)
    assert set(rows["images"]) == {pairs}
    assert set(rows["rests_on"]) == {128}


def test_axes_and_neighbours():
    pool = get_operations("rotate=-20/20/40,zoom_in=1.5/2,zoom_out=0.5,invert,shear_x 4 + invert 3")
    columns = {key: column for column, key in enumerate(unique_operations(pool))}
    made = axes([{**op.as_dict(), "column": columns.get(op.key)} for op in pool])
    assert [axis.families for axis in made] == [("rotate",), ("zoom_in", "zoom_out"), ("invert",)]
    by_magnitude = {level.magnitude: level for axis in made for level in axis.levels}
    neighbour = {m: level.neighbour for m, level in by_magnitude.items()}
    assert neighbour[-20] == neighbour[20] == neighbour[1.5] == neighbour[0.5] == UNCHANGED
    assert neighbour[40] == by_magnitude[20].column
    assert neighbour[2] == by_magnitude[1.5].column
    assert neighbour[1] is None  # inverted or not: nothing lies in between
