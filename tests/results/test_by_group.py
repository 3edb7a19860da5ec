"""Groups of images in a run: values, differences, what flipped images share, files, pages."""

import numpy as np
import pandas as pd
import pytest
import torch

import invariscope
from invariscope.data import open_source, select
from invariscope.data.image_groups import read_image_groups
from invariscope.errors import InputError
from invariscope.export.destinations import export_run
from invariscope.export.of_run import Choice, record_of_run
from invariscope.results import Result
from invariscope.results.membership import IMAGE_GROUPS
from oracles.flips import reference_adjusted, reference_fisher

COUNT, LEVELS = 60, (0.8, 0.5)


def dark_or_bright(x):
    mean = x.mean((1, 2, 3))
    return torch.stack([0.4 - mean, mean - 0.4], 1) + 1e-3 * x.flatten(1)[:, :2]


def pictures():
    """Grey pictures from dark to bright; those in the middle flip when they are darkened."""
    values = np.linspace(40, 240, COUNT).round().astype(np.uint8)
    noise = np.random.default_rng(0).integers(-8, 9, (COUNT, 8, 8, 3))
    return (values[:, None, None, None] + noise).clip(0, 255).astype(np.uint8)


def table(**more):
    middle = [int(20 <= k < 36) for k in range(COUNT)]
    coin = [None if k % 10 == 3 else ("heads", "tails")[k * 7 % 11 % 2] for k in range(COUNT)]
    few = [int(k < 3) for k in range(COUNT)]
    return pd.DataFrame({"image": range(COUNT), "middle": middle, "coin": coin, "few": few, **more})


def measured(**how):
    return invariscope.measure(
        dark_or_bright, pictures(), transformations="brightness_down=0.8/0.5",
        task="classification", **how,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run") / "run"


@pytest.fixture(scope="module")
def result(folder):
    return measured(image_groups=table(), output=folder)


def flipped_of(result):
    """image -> (flips at each level), straight from the pictures."""
    x = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() / 255
    first = dark_or_bright(x).argmax(1)
    moved = [dark_or_bright(x * level).argmax(1) != first for level in LEVELS]
    return {str(k): [bool(own[k]) for own in moved] for k in range(COUNT)}


def test_values_of_groups_are_those_of_their_images(result):
    flips, rows = flipped_of(result), result.by_group("prediction_consistency").set_index("group")
    assert set(rows.index) == {"middle", "coin: heads", "coin: tails", "few"}
    known = table().astype(object)
    for name, row in rows[rows["transformation"].notna()].iterrows():
        column, _, value = str(name).partition(": ")
        own = known[column].map(lambda cell, value=value: cell == (value or 1))
        there = known[column].notna()
        inside = [1 - np.mean(flips[str(k)]) for k in np.flatnonzero(own & there)]
        outside = [1 - np.mean(flips[str(k)]) for k in np.flatnonzero(~own & there)]
        assert row["n"] == len(inside)
        assert row["n_others"] == len(outside)
        assert row["value"] == pytest.approx(np.mean(inside))
        assert row["others"] == pytest.approx(np.mean(outside))
        assert row["difference"] == pytest.approx(np.mean(inside) - np.mean(outside))
        assert row["ci_low"] <= row["value"] <= row["ci_high"]
    assert rows.loc["coin: heads", "n"].iloc[0] + rows.loc["coin: tails", "n"].iloc[0] == 54


def test_a_group_that_flips_is_found_and_the_others_are_not(result):
    rows = result.by_group()
    tested = rows[rows["p"].notna()]
    np.testing.assert_allclose(tested["q"], reference_adjusted(tested["p"]))
    own = rows[rows["metric"] == "prediction_consistency"].dropna(subset=["transformation"])
    own = own.set_index("group")
    assert own.loc["middle", "q"] < 1e-3
    assert own.loc["middle", "difference_high"] < 0
    assert own.loc[["coin: heads", "coin: tails"], "q"].min() > 0.2
    assert np.isnan(own.loc["few", "p"])
    assert own.loc["few", "n"] == 3
    assert np.isfinite(own.loc["few", "value"])
    with pytest.raises(InputError, match="accurac"):
        result.by_group("accurac")


def test_what_flipped_images_share_knows_the_groups(result):
    flips = np.array([flipped_of(result)[str(k)] for k in range(COUNT)])
    shares = result.flipped_share()
    rows = shares[shares["by"] == "group"].set_index("class")
    level = int(rows["level"].iloc[0])
    moved, middle = flips[:, level - 1], table()["middle"].to_numpy() == 1
    row = rows.loc["middle"]
    assert row["flipped"] == moved[middle].sum()
    assert row["of_flipped"] == pytest.approx(middle[moved].mean())
    assert row["of_flipped_low"] < row["of_flipped"] <= row["of_flipped_high"]
    assert row["of_all"] == pytest.approx(middle.mean())
    oracle = reference_fisher(int(moved[middle].sum()), int(middle.sum()), int(moved.sum()), COUNT)
    assert row["p"] == pytest.approx(oracle)
    known = table()["coin"].notna().to_numpy()
    assert rows.loc["coin: heads", "of_all"] == pytest.approx(
        (table()["coin"] == "heads").sum() / known.sum()
    )
    np.testing.assert_allclose(shares["q"], reference_adjusted(shares["p"]))


def test_where_groups_do_not_matter_few_are_found(result):
    found = 0
    for seed in range(20):
        draws = np.random.default_rng(seed).integers(0, 2, (COUNT, 6))
        frame = pd.DataFrame(draws, columns=[f"g{k}" for k in range(6)]).assign(
            image=[str(k) for k in range(COUNT)]
        )
        result_with = Result(
            result.manifest, result.store, result.summary,
            image_groups=read_image_groups(frame[["image", *frame.columns[:-1]]],
                                           result.store.images),
        )  # fmt: skip
        rows = result_with.by_group("prediction_consistency", "brightness_down")
        found += bool((rows["q"] < 0.05).any())
    assert found <= 3  # one in twenty is expected


def test_the_folder_keeps_the_groups_and_refuses_others(result, folder):
    again = Result.load(folder)
    pd.testing.assert_frame_equal(again.by_group(), result.by_group())
    saved = Result.load(again.save(folder.parent / "copy"))
    pd.testing.assert_frame_equal(saved.flipped_share(), result.flipped_share())
    measured(image_groups=table(), output=folder)  # the same run
    other = table(middle=[0] * COUNT)
    with pytest.raises(InputError, match="other settings: image_groups is '"):
        measured(image_groups=other, output=folder)
    with pytest.raises(InputError, match="no groups of images: measure with image_groups=FILE"):
        measured().by_group()


def test_a_changed_file_of_groups_is_refused(result, folder, tmp_path):
    run = Result.load(folder).save(tmp_path / "run")
    changed = table(middle=[1] * COUNT)
    other = measured(image_groups=changed, output=tmp_path / "other")
    assert other.manifest["identity"] != result.manifest["identity"]
    (run / IMAGE_GROUPS).write_bytes((tmp_path / "other" / IMAGE_GROUPS).read_bytes())
    with pytest.raises(InputError, match="image groups of another run"):
        Result.load(run)
    (run / IMAGE_GROUPS).write_bytes(b"no table")
    with pytest.raises(InputError, match=r"cannot read .*image_groups\.parquet"):
        Result.load(run)
    (run / IMAGE_GROUPS).unlink()
    with pytest.raises(InputError, match=r"cannot read .*image_groups\.parquet"):
        Result.load(run)


def test_the_page_and_the_export_have_them(result, folder, tmp_path):
    page = result.to_html(tmp_path / "report.html").read_text()
    assert "Groups of images" in page
    assert "coin: heads" in page
    assert "Of fewer than 5 images, and so not compared: few." in page
    record = record_of_run(result, Choice(metrics=("prediction_consistency",)))
    rows = result.by_group("prediction_consistency")
    value = rows[(rows["group"] == "middle") & rows["transformation"].isna()]["value"].iloc[0]
    name = ("group", "middle", "prediction_consistency", "all", "logits")
    assert record.numbers[name] == value
    export_run(folder, "csv", output=tmp_path / "frame.csv")
    written = pd.read_csv(tmp_path / "frame-groups.csv")
    assert len(written) == len(result.by_group())


def test_groups_that_are_the_labels_give_the_numbers_of_the_classes():
    """On pictures of clothes: two ways to say the same."""
    source = open_source("fashion-mnist")
    chosen = select(source, 60, 0)
    assert source.labels is not None
    assert source.class_names is not None
    kinds = [source.class_names[source.labels[k]] for k in chosen]
    frame = pd.DataFrame({"image": [source.ids[k] for k in chosen], "kind": kinds})
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(10)
    ).eval()
    network(torch.zeros(1, 3, 28, 28))
    result = invariscope.measure(
        network, "fashion-mnist", num_images=60, transformations="rotate=20/90",
        model_classes="order", image_groups=frame,
    )  # fmt: skip
    shares = result.flipped_share()
    labels, groups = (shares[shares["by"] == by].set_index("class") for by in ("label", "group"))
    assert 4 < len(labels) == len(groups)
    for column in ("n", "flipped", "p"):
        ours = groups[column].rename(lambda name: name.removeprefix("kind: "))
        np.testing.assert_allclose(ours.loc[labels.index], labels[column])
    own = result.by_group("prediction_consistency", "rotate").dropna(subset="transformation")
    own = own.set_index("group")
    for _, row in result.affected_classes().iterrows():
        assert own.loc[f"kind: {row['class']}", "value"] == pytest.approx(1 - row["flipped"])
