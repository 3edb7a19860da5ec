"""The search as a whole: against the formulas, and what must not change a number."""

import math
import pathlib
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats

import invariscope
from invariscope.errors import InputError, RunError
from invariscope.search import Factors, get_operations
from invariscope.statistics.estimates import mean_interval
from invariscope.statistics.sign_flips import sign_flip_p
from oracles.factors import (
    reference_factors,
    reference_flip_p,
    reference_pair,
    reference_q,
)
from small_searches import Small, pictures

POOL = (
    "singles,shear_x 4 + invert 3,rotate 8 + saturation 0,rescale 6 + rescale 7,brightness_down=0.5"
)
PLAIN = ("change", "relative_change", "proportion_boosted", "boost", "weighted_boost",
         "first_half", "second_half")  # fmt: skip
COUNTS = ("n", "n_guarded", "n_negative", "n_undefined")


@pytest.fixture(scope="module")
def found(labelled):
    return invariscope.find_factors(Small(), labelled, operations=POOL, pairs=12)


def by_hand(images, frame, pool, seed=0):
    """(s₀ [pair], {operation: change [pair]}) of a class, image by image, in the order of pairs."""
    network = Small().eval()

    def embed(pixels):
        with torch.no_grad():
            return network.features(pixels)[0].numpy()

    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    before, changes = [], {operation.name: [] for operation in pool}
    for first, second in zip(frame["first"], frame["second"], strict=True):
        anchor, other = x[int(first)][None], x[int(second)][None]
        before.append(reference_pair(embed(anchor), embed(other), embed(other))[0])
        for operation in pool:
            moved = operation(other, seed, [second])
            same = bool((moved - other).abs().max() <= 1e-6)
            change = reference_pair(embed(anchor), embed(other), embed(moved))[1]
            changes[operation.name].append(0.0 if same else change)
    return before, changes


def test_every_number_is_that_of_the_formulas(labelled, found):
    pool = get_operations(POOL)
    means = {}
    for name in found.classes:
        before, changes = by_hand(labelled[0], found.pairs(name), pool)
        assert np.allclose(found.pairs(name)["before"], before, atol=1e-6)
        rows = found.frame[found.frame["class"] == name].set_index("operation")
        assert list(rows.index) == [operation.name for operation in pool]
        for operation in pool:
            row, change = rows.loc[operation.name], changes[operation.name]
            # changes are kept as float32; boosted or not must not hang on their last digit
            kept = found.pairs(name)[operation.name].to_numpy()
            assert np.allclose(kept, change, atol=2e-6), operation.name
            wanted = reference_factors(before, kept.tolist())
            for column in PLAIN:
                assert np.isclose(row[column], wanted[column], atol=1e-5, equal_nan=True), column
            for column in COUNTS:
                assert row[column] == wanted[column], column
            _, low, high, _ = mean_interval(np.column_stack([kept, kept / before]), seed=0)
            ends = ["change", "relative_change"]
            assert np.allclose([row[f"{end}_low"] for end in ends], low, atol=1e-5)
            assert np.allclose([row[f"{end}_high"] for end in ends], high, atol=1e-5)
            raised = row["proportion_boosted"], row["proportion_boosted_high"]
            if operation.kind == "identity":
                assert np.isnan(row["p"])
                assert raised == (0, 0)
            else:
                assert row["p"] == reference_flip_p(kept.tolist())
                share = stats.binomtest(int((kept > 0).sum()), len(kept))
                assert raised[1] == pytest.approx(share.proportion_ci().high, abs=1e-9)
            means.setdefault(operation.name, []).append(row)
    overall = found.frame[found.frame["class"] == ""].set_index("operation")
    for operation in pool:
        rows = pd.DataFrame(means[operation.name])
        for column in PLAIN:
            wanted = rows[column].mean()
            assert np.isclose(overall.loc[operation.name, column], wanted, equal_nan=True), column
        for column in COUNTS:
            assert overall.loc[operation.name, column] == rows[column].sum()


def test_q_is_that_of_the_whole_table(found):
    for part in (found.frame["class"] == "", found.frame["class"] != ""):
        rows = found.frame[part].drop_duplicates(["class", "key"])
        rows = rows[rows["kind"] != "identity"]
        assert np.allclose(rows["q"], reference_q(rows["p"].tolist()))
    identities = found.frame[found.frame["kind"] == "identity"]
    assert identities["q"].isna().all()


def test_identities_are_null_controls(found):
    rows = found.frame[found.frame["kind"] == "identity"]
    assert set(rows["operation"]) == {"saturation 0", "rescale 0"}
    for column in ("change", "change_low", "change_high", "relative_change", "weighted_boost"):
        assert (rows[column] == 0).all(), column
    assert found.ranks.null == 0
    assert found.ranks.nulls == 2


def test_equal_operations_have_equal_rows(found):
    rows = found.frame[found.frame["operation"].str.match(r"equalize \d$")]
    numbers = rows.drop(columns="operation").groupby("class").nunique(dropna=False)
    assert (numbers == 1).all(axis=None)
    a, b = (found.frame.query(f"operation == '{name}'").drop(columns=["operation"])
            for name in ("rotate 8", "rotate 8 + saturation 0"))  # fmt: skip
    numbers = [name for name in a.columns if name not in ("families", "magnitude", "policy")]
    pd.testing.assert_frame_equal(
        a[numbers].reset_index(drop=True), b[numbers].reset_index(drop=True)
    )


def test_each_image_is_embedded_once_and_once_for_each_operation(labelled):
    images, labels = labelled
    batches = []

    def model(x):
        batches.append(len(x))
        return x.flatten(1)

    search = invariscope.find_factors(model, (images, labels), operations="singles", pairs=10)
    passes = search.manifest["execution"]["forward_passes"]
    # The dry run sees 2 images; whether the model holds still is seen in passes of 4, 4 and 2.
    assert sum(batches) - 12 == passes
    pairs = pd.concat([search.pairs(name) for name in search.classes], ignore_index=True)
    assert len(pairs) == 10 + 10 + 10
    # of 20, 13 and 6 images, 10, 10 and 6 are moved, and meet all images of the other classes
    looked = sum(len(set(p["first"]) | set(p["second"])) for p in map(search.pairs, "abc"))
    assert passes == looked + 47 * (10 + 10 + 6) + (40 - 20) + (40 - 13) + (40 - 6)


def test_what_an_operation_leaves_alone_has_no_change_at_all():
    """Pictures whose contrast is full already: autocontrast gives them back, in another batch."""
    images = pictures(12)
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    found = invariscope.find_factors(
        Small(), (images, [0] * 12), operations="autocontrast,invert", batch_size=5
    )
    row = found.frame.query("operation == 'autocontrast 1' and `class` == '0'").iloc[0]
    assert (row["change"], row["proportion_boosted"], row["weighted_boost"]) == (0, 0, 0)
    assert math.isnan(row["boost"])
    assert row["p"] == 1


def assert_same(a, b, tolerance):
    assert list(a.frame.columns) == list(b.frame.columns)
    for column in a.frame.columns:
        one, other = a.frame[column], b.frame[column]
        if one.dtype == np.float64 and column not in ("p", "q"):
            assert np.allclose(one, other, rtol=0, atol=tolerance, equal_nan=True), column
        elif one.dtype != np.float64:
            assert (one == other).all(), column


def test_the_forward_batch_size_does_not_matter(labelled, found):
    for size in (7, 64, 1000):
        other = invariscope.find_factors(
            Small(), labelled, operations=POOL, pairs=12, batch_size=size
        )
        assert_same(found, other, 1e-5)


def test_loader_workers_do_not_matter(labelled, found):
    other = invariscope.find_factors(Small(), labelled, operations=POOL, pairs=12, workers=2)
    pd.testing.assert_frame_equal(found.frame, other.frame)


def test_the_order_of_the_source_does_not_matter(tmp_path):
    for number, image in enumerate(pictures(10)):
        folder = tmp_path / ("x" if number % 2 else "y")
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    one = invariscope.find_factors(Small(), tmp_path, operations="shear_x,rotate")
    Image.fromarray(pictures(1)[0]).save(tmp_path / "0.png")  # beside the classes: left out
    (tmp_path / "a").mkdir()
    Image.fromarray(pictures(1)[0]).save(tmp_path / "a" / "0.png")  # a class of one image
    other = invariscope.find_factors(Small(), tmp_path, operations="shear_x,rotate")
    assert_same(one, other, 1e-6)
    assert "left out 1 of 3 classes, which have a single image: a" in other.manifest["warnings"]


def test_classes_by_name_and_pairs_capped_by_what_there_is(labelled):
    found = invariscope.find_factors(
        Small(), labelled, operations="invert", classes=["c", "a"], pairs=1000
    )
    assert found.classes == ("a", "c")
    assert len(found.pairs("c")) == 15
    assert len(found.pairs("a")) == 190
    assert any("2 of 2 classes have fewer images than two for each pair" in warning
               for warning in found.manifest["warnings"])  # fmt: skip


class Odd(torch.nn.Module):
    """Embeddings by the brightness of the first pixel: across, not finite, none, opposite."""

    def forward(self, x):
        level = (x[:, 0, 0, 0] * 255).round()
        out = torch.zeros(len(x), 3)
        out[level == 0] = torch.tensor([1.0, 0.0, 0.0])
        out[level == 1] = torch.tensor([0.0, 1.0, 0.0])
        out[level == 2] = torch.nan
        out[level == 4] = torch.tensor([-1.0, 0.5, 0.0])
        out[level >= 200] = torch.tensor([1.0, 1.0, 0.0])
        return out


@pytest.mark.parametrize(("level", "column"), [(1, "n_guarded"), (2, "n_undefined"),
                                               (3, "n_undefined"), (4, "n_negative")])  # fmt: skip
def test_pairs_that_have_no_relative_change(level, column):
    images = np.zeros((6, 6, 6, 3), dtype=np.uint8)
    images[1:4:2] = level
    found = invariscope.find_factors(Odd(), (images, [0, 0, 1, 1, 2, 2]), operations="invert")
    rows = found.frame.query("operation == 'invert' and `class` in ['0', '1']")
    assert (rows[column] == 1).all()
    assert (rows["n"] == (0 if column == "n_undefined" else 1)).all()
    if column == "n_guarded":
        assert rows["relative_change"].isna().all()
        assert np.allclose(rows["change"], 0.5**0.5)
        assert (rows["proportion_boosted"] == 1).all()
    if column == "n_undefined":
        assert rows[["change", "p", "weighted_boost"]].isna().all(axis=None)
    if column == "n_negative":
        assert (rows["relative_change"] < 0).all()
        assert (rows["change"] > 0).all()


def test_unlabelled_images_are_refused_with_what_labels_are_for():
    with pytest.raises(
        InputError, match=r"has no labels: factors pairs images of the same class.*sub-folder"
    ):
        invariscope.find_factors(Small(), pictures(4))

    class Late(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return pictures(4)[index], index % 2

    with pytest.raises(InputError, match="tells no label before an image is decoded: factors"):
        invariscope.find_factors(Small(), Late())


def test_messages(labelled):
    for wrong, message in (
        ({"pairs": 0}, "pairs must be at least 1 per class, not 0"),
        ({"classes": ["e"]}, r"unknown class 'e' \(known: a, b, c, d\)"),
        ({"classes": []}, "no class is named"),
        ({"classes": ["d"]}, "no class has two images, so there are no pairs"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"device": "tpu"}, "device tpu cannot be used"),
    ):
        asked: dict[str, Any] = {"operations": "invert", **wrong}
        with pytest.raises(InputError, match=message):
            invariscope.find_factors(Small(), labelled, **asked)


def test_images_that_cannot_be_read(tmp_path):
    for number, image in enumerate(pictures(12)):
        folder = tmp_path / "xy"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:02}.png")
    (tmp_path / "x" / "04.png").write_bytes(b"\x89PNG broken")
    found = invariscope.find_factors(Small(), tmp_path, operations="invert", pairs=3)
    assert [entry["image"] for entry in found.manifest["images"]["skipped"]] == ["x/04.png"]
    assert [len(found.pairs(name)) for name in "xy"] == [2, 3]
    for path in pathlib.Path(tmp_path).glob("x/*.png"):
        path.write_bytes(b"\x89PNG broken")
    found = invariscope.find_factors(Small(), tmp_path, operations="invert", pairs=3)
    rows = found.frame.query("operation == 'invert'").set_index("class")
    assert rows["n"].to_dict() == {"": 3, "x": 0, "y": 3}
    assert rows["change"].isna().to_dict() == {"": False, "x": True, "y": False}

    def silent(x):
        return torch.full((len(x), 3), torch.nan)

    with pytest.raises(RunError, match=r"no pair of .* can be read and compared"):
        invariscope.find_factors(silent, tmp_path, operations="invert", pairs=3)


def test_saved_and_loaded(labelled, found, tmp_path):
    found.save(tmp_path / "saved")
    again = Factors.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.frame, found.frame)
    pd.testing.assert_frame_equal(again.pairs("b"), found.pairs("b"))
    assert again.ranks.tops.equals(found.ranks.tops)
    with pytest.raises(InputError, match="is not empty: give a new or empty folder"):
        found.save(tmp_path / "saved")
    with pytest.raises(InputError, match="unknown class 'x'"):
        found.pairs("x")
    written = invariscope.find_factors(
        Small(), labelled, operations=POOL, pairs=12, output=tmp_path / "run"
    )
    pd.testing.assert_frame_equal(written.frame, found.frame)
    pd.testing.assert_frame_equal(again.factors, found.factors)
    for file in ("factors.parquet", "operations.parquet"):
        one, other = (tmp_path / name / file for name in ("saved", "run"))
        assert one.read_bytes() == other.read_bytes()
    with pytest.raises(
        InputError,
        match=r"holds a run of `invariscope factors` by its manifest.json: give .* `invari",
    ):
        invariscope.Result.load(tmp_path / "run")
    table = tmp_path / "run" / "factors.parquet"
    table.write_bytes(table.read_bytes()[:-300])
    with pytest.raises(InputError, match=re.escape(f"cannot read {table} (damaged)")):
        Factors.load(tmp_path / "run")
    table.unlink()
    with pytest.raises(InputError, match=r"has no factors\.parquet yet"):
        Factors.load(tmp_path / "run")


def test_the_sign_flip_test():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 4)) + np.array([0, 0.5, 1, 4])
    values[2, 1] = np.nan
    exact = sign_flip_p(values, seed=0)
    assert np.allclose(exact, [reference_flip_p(column.tolist()) for column in values.T])
    # drawn signs: uniform under the null, small where the mean is not 0
    null = sign_flip_p(rng.normal(size=(30, 400)), seed=0)
    assert 0.02 < (null < 0.05).mean() < 0.09
    assert sign_flip_p(rng.normal(size=(30, 1)) + 3, seed=0)[0] == 1e-4
