"""The sweep as a whole: against the metric functions, and what must not change a number."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import invariscope
from invariscope.data import open_source, select
from invariscope.errors import InputError, RunError
from invariscope.models import load_model
from invariscope.transformations import get_transformation
from oracles.metrics import (
    reference_mean_relative_invariance,
    reference_prediction_consistency,
    reference_relative_invariance,
)


class Small(nn.Module):
    """A small convolutional network with a head, never square in anything."""

    def __init__(self, outputs=5):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU()
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, outputs)

    def forward(self, x):
        return self.fc(self.features(x))

    def features(self, x):
        return self.pool(self.body(8 * (x - 0.5))).flatten(1)


def pictures(count=40, size=20):
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return (255 * smooth).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def value(frame, **conditions):
    for column, wanted in conditions.items():
        frame = frame[frame[column] == wanted]
    frame = frame[frame["class"].isna()]
    assert len(frame) == 1, frame
    return frame.iloc[0]


SWEEP: dict[str, Any] = {"transformations": "rotate,brightness_down,posterize", "layers": "auto"}


@pytest.fixture(scope="module")
def labelled():
    images = pictures()
    return images, np.arange(len(images)) % 5


@pytest.fixture(scope="module")
def result(labelled):
    return invariscope.measure(Small(), labelled, twin=True, floor=True, **SWEEP)


def embeddings_by_hand(images, level, seed=0):
    """What the sweep should have seen, in the run's order, in one batch and without hooks."""
    source = open_source(images)
    order = select(source, None, seed)
    ids = [source.ids[index] for index in order]
    x = torch.from_numpy(images[order]).permute(0, 3, 1, 2).float() / 255
    moved = get_transformation("rotate")(x, level, seed=seed, image_ids=ids)
    model = Small().eval()
    with torch.no_grad():
        z, t = model.features(x), model.features(moved)
        return z, t, model.fc(z), model.fc(t)


def test_the_numbers_are_those_of_the_formulas(labelled, result):
    z, moved, logits, moved_logits = embeddings_by_hand(labelled[0], level=4)
    first, second = slice(0, 32), slice(32, 40)  # blocks
    at = {"transformation": "rotate", "level": 4}
    for metric, distance in (("relative_invariance", "cosine"),):
        oracle = np.concatenate(
            [
                reference_relative_invariance(
                    z[part].numpy(),
                    moved[part].numpy(),
                    np.roll(np.arange(len(z[part])), -1),
                    distance,
                )
                for part in (first, second)
            ]
        )
        row = value(result.frame, metric=metric, layer="embedding", **at)
        assert np.isclose(row["value"], oracle.mean(), atol=2e-5)
        assert row["n"] == 40
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert row["magnitude"] == 80
        assert row["unit"] == "°"
    row = value(result.frame, metric="prediction_consistency", layer="logits", **at)
    assert row["value"] == reference_prediction_consistency(logits, moved_logits).mean()


def test_mean_relative_invariance_of_one_block_is_the_formula():
    images = pictures(32)
    frame = invariscope.measure(Small(), images, transformations="rotate").frame
    z, moved, _, _ = embeddings_by_hand(images, level=4)
    row = value(
        frame,
        metric="mean_relative_invariance",
        layer="embedding",
        transformation="rotate",
        level=4,
    )
    oracle = reference_mean_relative_invariance(z.numpy(), moved.numpy(), "cosine")
    assert np.isclose(row["value"], oracle, atol=2e-5)


def test_the_identity_is_exactly_one_everywhere(result):
    identity = result.frame[
        (result.frame.level == 0) & (result.frame.metric != "accuracy") & (result.frame.n > 0)
    ]
    assert len(identity) > 20
    assert (identity[["value", "ci_low", "ci_high"]] == 1).all(axis=None)


def test_equal_cells_are_reported_at_both_levels(result):
    at = {"metric": "relative_invariance", "layer": "embedding", "transformation": "posterize"}
    second, third = (value(result.frame, level=level, **at) for level in (2, 3))
    assert second["value"] == third["value"]
    assert value(result.frame, level=4, **at)["value"] != third["value"]


def test_accuracy_is_that_of_the_model(labelled, result):
    images, labels = labelled
    model = Small().eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    row = value(result.frame, metric="accuracy", layer="logits", transformation="rotate", level=0)
    assert row["value"] == pytest.approx((logits.argmax(1).numpy() == labels).mean())
    classes = result.frame[(result.frame.metric == "accuracy") & result.frame["class"].notna()]
    assert sorted(classes["class"].unique()) == list("01234")
    assert (classes["n"] == 8).all()


def test_controls(result):
    controls = result.controls
    assert set(controls["control"]) == {"shuffled", "floor", "untrained"}
    assert set(controls["layer"]) <= {"embedding", "logits"}
    at = {"metric": "relative_invariance", "layer": "embedding", "transformation": "rotate"}
    null = value(controls, control="shuffled", level=9, **at)
    assert abs(null["median"]) < 0.5
    assert value(controls, control="floor", level=9, **at)["value"] == 1  # a half turn is exact
    floor = value(controls, control="floor", level=3, **at)
    assert floor["value"] > value(result.frame, level=3, **at)["value"]
    # posterize shows level 3's 6 bits at level 2 as well
    assert set(controls[controls.control == "untrained"].level) == {0, 2, 3, 6, 7, 9}
    assert not set(controls[controls.control == "floor"].transformation) & {"brightness_down"}


def test_the_null_is_what_unrelated_images_score(labelled, result):
    """Each transformed embedding is replaced by that of the image after the next of its block."""
    z, moved, _, _ = embeddings_by_hand(labelled[0], level=4)
    oracle = []
    for part in (slice(0, 32), slice(32, 40)):
        strangers = np.roll(moved[part].numpy(), -2, axis=0)
        partner = np.roll(np.arange(len(strangers)), -1)
        oracle.append(reference_relative_invariance(z[part].numpy(), strangers, partner, "cosine"))
    null = value(
        result.controls, control="shuffled", metric="relative_invariance", layer="embedding",
        transformation="rotate", level=4,
    )  # fmt: skip
    assert np.isclose(null["median"], np.median(np.concatenate(oracle)), atol=1e-3)


def test_the_twin_scores_what_it_scores_alone(labelled, result):
    alone = invariscope.measure(load_model(Small()).untrained(0), labelled, **SWEEP).frame
    twin = result.controls[result.controls.control == "untrained"]
    keys = ["metric", "transformation", "level", "layer"]
    merged = twin.merge(alone[alone["class"].isna()], on=keys, suffixes=("", "_alone"))
    assert len(merged) == len(twin) > 20
    assert np.allclose(merged["value"], merged["value_alone"], atol=1e-5, equal_nan=True)
    assert (merged[merged.level > 0]["value"] != 1).any()


def assert_same(a, b, tolerance):
    keys = ["metric", "transformation", "level", "layer", "class"]
    a, b = (r.frame.sort_values(keys).reset_index(drop=True) for r in (a, b))
    assert len(a) == len(b)
    for column in ("value", "ci_low", "ci_high"):
        assert np.allclose(a[column], b[column], atol=tolerance, rtol=0, equal_nan=True)


def test_the_forward_batch_size_does_not_matter(labelled, result):
    for size in (16, 64, 7):
        other = invariscope.measure(
            Small(), labelled, twin=True, floor=True, batch_size=size, **SWEEP
        )
        assert_same(result, other, 1e-5)


def test_loader_workers_do_not_matter(labelled, result):
    other = invariscope.measure(Small(), labelled, twin=True, floor=True, workers=4, **SWEEP)
    assert_same(result, other, 0)


def test_the_order_of_the_source_does_not_matter_for_what_happens_to_an_image(tmp_path):
    """A folder with one more image: the others get the same directions and the same values."""
    from PIL import Image

    images = pictures(6)
    for name, image in zip("abcdef", images, strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    few = invariscope.measure(Small(), tmp_path, transformations="rotate").rows
    Image.fromarray(images[0]).rotate(90).save(tmp_path / "0.png")
    many = invariscope.measure(Small(), tmp_path, transformations="rotate").rows
    keys = ["image", "cell"]
    at = "metric == 'prediction_consistency' and control == ''"
    merged = few.query(at).merge(many.query(at), on=keys, suffixes=("", "_more"))
    assert len(merged) == 60
    assert (merged["value"] == merged["value_more"]).all()


def test_l2_metrics_by_name(labelled):
    frame = invariscope.measure(
        Small(), labelled, transformations="rotate=30",
        metrics="relative_invariance:l2,mean_relative_invariance:l2",
    ).frame  # fmt: skip
    assert set(frame.metric) == {"relative_invariance:l2", "mean_relative_invariance:l2"}
    assert set(frame.level) == {0, 1}


class Counting(nn.Module):
    """Counts the images that it sees."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def forward(self, x):
        self.seen += len(x)
        return x.flatten(1)


def test_each_cell_is_computed_once():
    counts = []

    def model(x):
        counts.append(len(x))
        return x.flatten(1)

    invariscope.measure(model, pictures(8), transformations="rotate,zoom_in,posterize")
    # the dry run sees 2 images; whether the model holds still is seen in passes of 4, 4 and 2
    assert sum(counts) - 12 == 8 * (1 + 9 + 9 + 7)


def test_each_image_is_decoded_once_but_the_few_that_show_whether_images_are_random():
    fetched = []

    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 70

        def __getitem__(self, index):
            fetched.append(index)
            return torch.from_numpy(pictures(70)[index]).permute(2, 0, 1), index % 3

    invariscope.measure(Small(), Data(), transformations="rotate=10", workers=0)
    times = Counter(fetched)
    assert set(times) == set(range(70))
    assert sum(times.values()) <= 70 + 10


class Nan(Small):
    """Gives NaN for dark images."""

    def forward(self, x):
        out = super().forward(x)
        return torch.where(x.mean((1, 2, 3))[:, None] < 0.05, torch.nan, out)


def test_a_model_that_returns_nan_is_counted_not_averaged():
    result = invariscope.measure(Nan(), pictures(), transformations="brightness_down")
    at = {"metric": "prediction_consistency", "transformation": "brightness_down"}
    bright, black = (value(result.frame, level=level, **at) for level in (1, 9))
    assert bright["n"] == 40
    assert bright["n_undefined"] == 0
    assert black["n"] == 0
    assert black["n_undefined"] == 40
    assert pd.isna(black["value"])
    seen = result.frame[result.frame.n > 0]
    assert np.isfinite(seen["value"]).all()


def test_out_of_memory_halves_the_batch(labelled, result):
    class Greedy(Small):
        def forward(self, x):
            if len(x) > 5:
                raise torch.OutOfMemoryError("no room")
            return super().forward(x)

    other = invariscope.measure(Greedy(), labelled, twin=True, floor=True, **SWEEP)
    assert_same(result, other, 1e-5)
    assert other.manifest["execution"]["batch_size"] == 4  # 32, 16, 8, 4
    assert any("out of memory" in event for event in other.manifest["execution"]["events"])

    class Hopeless(Small):
        tries = 0

        def forward(self, x):
            self.tries += 1
            if self.tries > 2:  # after the dry run
                raise torch.OutOfMemoryError("no room")
            return super().forward(x)

    with pytest.raises(RunError, match="runs out of memory with a single image of 20×20"):
        invariscope.measure(Hopeless(), labelled, **SWEEP)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transformations": "rotat"}, "unknown transformation 'rotat': did you mean rotate"),
        ({"metrics": "invariance"}, "unknown metric 'invariance': did you mean .*relative_inv"),
        ({"layers": "bodi.0"}, "unknown layer 'bodi.0': did you mean body.0"),
        ({"metrics": "accuracy"}, "none of the metrics can be measured: the images have no"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"device": "cuda:99"}, "device cuda:99 cannot be used"),
        ({"table": "papers"}, "unknown table 'papers'"),
    ],
)
def test_messages(arguments, message):
    with pytest.raises(InputError, match=message):
        invariscope.measure(Small(), pictures(4), **arguments)


def test_one_image_is_not_enough():
    with pytest.raises(InputError, match="gives 1 image: a baseline needs at least two"):
        invariscope.measure(Small(), pictures(1))


def test_images_of_different_sizes_need_a_size(tmp_path):
    from PIL import Image

    Image.fromarray(pictures(1, 20)[0]).save(tmp_path / "a.png")
    Image.fromarray(pictures(1, 24)[0]).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"different sizes \(20×20, 24×24, …\)"):
        invariscope.measure(Small(), tmp_path, transformations="rotate=10")
    result = invariscope.measure(
        Small(), tmp_path, transformations="rotate=10", preprocessing={"size": 16}
    )
    assert result.manifest["settings"]["preprocessing"]["size"] == [16, 16]


def test_groups_are_swept_by_element():
    """Average-pooled pixels do not change under quarter turns and flips."""
    frame = invariscope.measure(lambda x: x, pictures(4), groups="C4,D2").frame
    assert list(dict.fromkeys(frame.transformation)) == ["C4", "D2"]
    at = frame[(frame.metric == "relative_invariance") & (frame.layer == "embedding")]
    assert at.groupby("transformation")["level"].max().tolist() == [3, 3]
    assert np.allclose(at.value, 1, atol=1e-4)
    both = invariscope.measure(lambda x: x, pictures(4), groups=["C4"], transformations="rotate=90")
    assert both.manifest["execution"]["cells"] == 4
    with pytest.raises(InputError, match="unknown group 'Z4'"):
        invariscope.measure(lambda x: x, pictures(4), groups="Z4")
    with pytest.raises(InputError, match="named twice: C4"):
        invariscope.measure(lambda x: x, pictures(4), groups="C4", transformations="C4")


def test_a_headless_callable_has_no_predictions():
    result = invariscope.measure(lambda x: x, pictures(4), transformations="rotate=90")
    assert "prediction_consistency" not in set(result.frame.metric)
    # average-pooled pixels do not change under a quarter turn
    row = value(
        result.frame, metric="relative_invariance", layer="embedding",
        transformation="rotate", level=1,
    )  # fmt: skip
    assert row["value"] == pytest.approx(1, abs=1e-4)
