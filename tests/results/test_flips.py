"""Flips, classes, lost confidence, and what flipped images share, against naive forms."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import invariscope
from invariscope.data import open_source, select
from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.results import Result, RowBuilder, RowStore
from invariscope.results.answers import KEPT, PREDICTED, SCORE, answers_of
from invariscope.results.flips import fisher
from invariscope.results.row_table import ANSWER
from invariscope.transformations import get_transformation
from oracles.flips import (
    reference_adjusted,
    reference_confidence_lost,
    reference_fisher,
    reference_flips,
)
from oracles.runs import manifest_of

ROTATE = "rotate=60/10/30"  # in no order: the nearest to the identity counts


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 8, 5, stride=2)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return 8 * self.fc(self.conv(6 * (x - 0.5)).relu().amax((2, 3)))


def pictures(count=40):
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    smooth = nn.functional.interpolate(coarse, (16, 16), mode="bicubic").clamp(0, 1)
    return (255 * smooth).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def images():
    return pictures()


@pytest.fixture(scope="module")
def result(images):
    labels = np.arange(len(images)) % 4
    return invariscope.measure(Net(), (images, labels), transformations=ROTATE)


@pytest.fixture(scope="module")
def logits(images):
    """(ids in the run's order, logits of the images, of the moved images [level, image, class])."""
    source = open_source(images)
    order = select(open_source((images, np.arange(len(images)) % 4)), None, 0)
    ids = [source.ids[index] for index in order]
    x = torch.from_numpy(images[order]).permute(0, 3, 1, 2).float() / 255
    family, model = get_transformation(ROTATE), Net().eval()
    with torch.no_grad():
        moved = [model(family(x, k, seed=0, image_ids=ids)).numpy() for k in (1, 2, 3)]
        return ids, model(x).numpy(), np.stack(moved)


def test_flips_are_those_of_the_logits(result, logits):
    ids, before, after = logits
    magnitudes = [60.0, 10.0, 30.0]
    oracle = reference_flips(before, after, magnitudes)
    table = result.flips().set_index("image")
    assert 5 < len(oracle) < len(ids)  # some flip, some do not
    assert set(table.index) == {ids[image] for image in oracle}
    for image, (level, first, now, score_before, score_after) in oracle.items():
        row = table.loc[ids[image]]
        assert (row["level"], row["magnitude"]) == (level + 1, magnitudes[level])
        assert (row["before"], row["after"]) == (str(first), str(now))
        assert row["score_before"] == pytest.approx(score_before, abs=1e-5)
        assert row["score_after"] == pytest.approx(score_after, abs=1e-5)
        assert row["label"] == str(int(ids[image]) % 4)
    assert (np.diff(table["magnitude"]) >= 0).all()  # the first ones first
    nearest = table[table["magnitude"] == table["magnitude"].iloc[0]]
    assert (np.diff(nearest["score_before"]) <= 0).all()


def test_lost_confidence_is_that_of_the_logits(result, logits):
    _, before, after = logits
    table = result.confidence_lost().set_index("level")
    assert table["magnitude"].tolist() == [10, 30, 60]
    for level, lost in enumerate(reference_confidence_lost(before, after), start=1):
        assert table.loc[level, "value"] == pytest.approx(lost, abs=1e-6)
        assert table.loc[level, "ci_low"] < lost < table.loc[level, "ci_high"]
        assert table.loc[level, "n"] == 40


def test_the_affected_classes_are_means_over_levels(result, logits):
    ids, before, after = logits
    table = result.affected_classes().set_index("class")
    assert set(table["by"]) == {"label"}
    flipped = after.argmax(-1) != before.argmax(-1)  # [level, image]
    labels = np.array([int(image) % 4 for image in ids])
    for name in range(4):
        row = table.loc[str(name)]
        assert row["flipped"] == pytest.approx(flipped[:, labels == name].mean())
        assert row["ci_low"] <= row["flipped"] <= row["ci_high"]
        assert row["n"] == 10
    assert (np.diff(table["flipped"]) <= 0).all()
    with pytest.raises(InputError, match="rotat"):
        result.affected_classes("rotat")


def test_flips_agree_with_prediction_consistency(result):
    frame = result.frame[result.frame["class"].isna()]
    kept = frame[(frame["metric"] == "prediction_consistency") & (frame["level"] == 2)]
    assert (result.flips()["magnitude"] == 10).sum() == round(40 * (1 - kept["value"].iloc[0]))
    assert not {PREDICTED, SCORE, KEPT} & set(result.summary["metric"])


def test_without_labels_classes_are_the_predicted_ones(images):
    result = invariscope.measure(Net(), images, transformations=ROTATE)
    assert set(result.affected_classes()["by"]) == {"predicted class"}
    assert set(result.flipped_share()["by"]) == {"predicted class"}
    assert result.flips()["label"].isna().all()


@pytest.mark.parametrize("batch", [1, 7])
def test_nothing_depends_on_the_batch(images, result, batch):
    labels = np.arange(len(images)) % 4
    again = invariscope.measure(Net(), (images, labels), transformations=ROTATE, batch_size=batch)
    pd.testing.assert_frame_equal(again.flips(), result.flips(), atol=1e-6)
    ours, theirs = answers_of(again), answers_of(result)
    np.testing.assert_array_equal(ours.predicted, theirs.predicted)  # of every image and level
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    np.testing.assert_allclose(ours.kept, theirs.kept, atol=1e-6)
    assert len(again.flip_pictures) == len(result.flip_pictures) == 3
    for one, other in zip(again.flip_pictures, result.flip_pictures, strict=True):
        assert one.image == other.image
        np.testing.assert_array_equal(one.after, other.after)


def test_a_model_without_classes_has_no_flips(images):
    result = invariscope.measure(lambda x: x.flatten(1), images, task="embedding")
    assert result.manifest["settings"]["answers"] is False
    with pytest.raises(InputError, match="no answers: the model is no classifier of one class"):
        result.flips()


def test_the_exact_test_counts_ways():
    cases = [(0, 5, 7, 20), (5, 5, 7, 20), (2, 5, 7, 20), (3, 3, 10, 11), (9, 30, 40, 200)]
    for case in cases:
        assert fisher(*([number] for number in case))[0] == pytest.approx(reference_fisher(*case))


def made(flipping, classes, images=300, seed=0):
    """A run of two levels whose images of class c flip with probability ``flipping[c]``."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    manifest = manifest_of(images, "toy")
    settings = manifest["settings"]
    settings["answers"] = True
    rows = RowBuilder([f"i{k:04}" for k in range(images)], labels.tolist())
    cells = {entry["cell"] for entry in settings["cells"]}
    for cell in sorted(cells):
        chance = 0 if cell == "identity" else np.array([flipping[c] for c in labels])
        answer = (rng.random(images) < chance).astype(float)
        for name, values in ((PREDICTED, answer), (SCORE, 0.9), (KEPT, np.where(answer, 0.1, 0.9))):
            values = np.broadcast_to(values, images)
            rows.add(cell=cell, layer="logits", metric=name, control=ANSWER, values=values)
    return Result(manifest, RowStore([rows.table()]))


def test_a_class_that_flips_more_is_found_and_others_are_not():
    table = made([0.3] * 9 + [0.9], 10).flipped_share()
    found = table[table["q"] < 0.05]
    assert set(found["class"]) == {"9"}
    assert len(found) == table["transformation"].nunique()
    for _, row in table.iterrows():
        assert row["n"] == 30
        some = round(row["flipped"] + row["others"] * 270)
        oracle = reference_fisher(int(row["flipped"]), 30, some, 300)
        assert row["p"] == pytest.approx(oracle)
        assert row["ci_low"] <= row["share"] <= row["ci_high"]
    np.testing.assert_allclose(table["q"], reference_adjusted(table["p"]))


def test_classes_are_compared_where_nearest_to_half_of_all_images_flip(result, logits):
    _, before, after = logits
    shares = (after.argmax(-1) != before.argmax(-1)).mean(1)
    assert len(set(np.abs(shares - 0.5))) == 3
    nearest = (60, 10, 30)[int(np.argmin(np.abs(shares - 0.5)))]
    table = result.flipped_share()
    assert set(table["magnitude"]) == {nearest}
    assert table["flipped"].sum() == round(shares.tolist()[(60, 10, 30).index(nearest)] * 40)


def test_where_classes_do_not_matter_few_are_found():
    false = sum(
        bool((made([0.4] * 10, 10, 100, seed).flipped_share()["q"] < 0.05).any())
        for seed in range(40)
    )
    assert false <= 5  # 5 % of 40 is 2; the exact test keeps below


def test_a_result_that_is_saved_has_the_pictures(result, tmp_path):
    again = Result.load(result.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(again.flips(), result.flips())
    assert len(again.flip_pictures) == 3
    np.testing.assert_array_equal(again.flip_pictures[0].after, result.flip_pictures[0].after)


def test_pictures_are_what_the_model_saw(result, images):
    first = result.flip_pictures[0]
    np.testing.assert_array_equal(first.before, images[int(first.image)])
    level = int(result.flips().iloc[0]["level"])
    x = torch.from_numpy(images[int(first.image)]).permute(2, 0, 1)[None].float() / 255
    moved = get_transformation(ROTATE)(x, level, seed=0, image_ids=[first.image])[0]
    expected = (moved.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(first.after, expected)


def test_the_model_gives_the_pictures_their_answers(result):
    """The saved pictures, shown to the model, have the answers of the table (but for rounding)."""
    table, probe = result.flips().set_index("image"), load_model(Net())
    for picture in result.flip_pictures:
        x = torch.from_numpy(np.stack([picture.before, picture.after]))
        answers = probe.predict(x.permute(0, 3, 1, 2).float() / 255).argmax(1).tolist()
        row = table.loc[picture.image]
        assert [str(answer) for answer in answers] == [row["before"], row["after"]]
