"""The channel measures and orbit metrics of a sweep against a computation by hand.

By hand: images are transformed in one batch, go through the network without hooks, maps are moved
by NumPy where the motion is exact, and the metrics are the functions in float64.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

import invariscope
from invariscope.data import open_source, select
from invariscope.metrics import (
    channel_equivariance,
    channel_invariance,
    class_distance_ratio,
    latent_eed,
    latent_normalizer,
    normalized_variance,
    response_alignment,
    softmax_eed_from_logits,
)
from invariscope.models import load_model
from invariscope.transformations import Resampling, get_group, get_transformation, warp
from invariscope.transformations.geometry import at_grid, rotation, translation
from oracles.channel_sums import reference_pooled, reference_pooled_correlation

SIDE = 16
MAPS = (
    "channel_invariance,channel_equivariance,channel_invariance:cosine,"
    "channel_equivariance:cosine,channel_invariance:literal,channel_eed"
)
OTHERS = (
    "latent_eed,latent_eed:cosine,softmax_eed,normalized_variance,response_alignment,"
    "class_distance_ratio"
)
LAYERS = {"body.1": 6, "body.3": 8, "embedding": 8, "logits": 5}


class Small(nn.Module):
    """Two convolutions with dead channels, and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)
        with torch.no_grad():
            for convolution in (self.body[0], self.body[2]):
                assert isinstance(convolution, nn.Conv2d)
                convolution.weight[1] = 0
                assert convolution.bias is not None
                convolution.bias[1] = -1  # dead after the ReLU

    def forward(self, x):
        return self.fc(self.pool(self.body(8 * (x - 0.5))).flatten(1))

    def by_hand(self, x):
        """What each layer says, as maps [N, C, H, W] in float64."""
        with torch.no_grad():
            first = self.body[1](self.body[0](8 * (x - 0.5)))
            second = self.body[3](self.body[2](first))
            embedding = second.mean((2, 3))
            said = (first, second, embedding, self.fc(embedding))
        return {
            name: maps.double().reshape(*maps.shape[:2], *(maps.shape[2:] or (1, 1)))
            for name, maps in zip(LAYERS, said, strict=True)
        }


def pictures(count=70, height=SIDE, width=SIDE):
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (255 * smooth).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def in_order(images):
    """Pixels [N, 3, H, W] and ids in the run's order."""
    source = open_source(images)
    order = select(source, None, 0)
    pixels = torch.from_numpy(np.asarray(source_images(images))[order]).permute(0, 3, 1, 2)
    return pixels.float() / 255, [source.ids[index] for index in order], order


def source_images(images):
    return images[0] if isinstance(images, tuple) else images


def shifted(maps, cells):
    """Moved right and down, zeros come in."""
    moved = torch.zeros_like(maps)
    moved[..., cells:, cells:] = maps[..., : maps.shape[-2] - cells, : maps.shape[-1] - cells]
    return moved


def turned(maps, quarters):
    return torch.from_numpy(np.rot90(maps.numpy(), quarters, (2, 3)).copy())


#: cell: what it does to the images and, at strides 2, to the maps.
EXACT = {
    "rotate=90": (lambda x: turned(x, 1), lambda m: turned(m, 1)),
    "rotate=180": (lambda x: turned(x, 2), lambda m: turned(m, 2)),
    "rotate=270": (lambda x: turned(x, 3), lambda m: turned(m, 3)),
    "flip_horizontal=1": (lambda x: x.flip(3), lambda m: m.flip(3)),
    "shift=+2,+2": (lambda x: shifted(x, 2), lambda m: shifted(m, 1)),
    "shift=+4,+4": (lambda x: shifted(x, 4), lambda m: shifted(m, 2)),
}


def signed(name, level, pixels, ids):
    """A transformation whose direction is drawn per image: images, maps, images there and back."""
    transformation = get_transformation(name)
    signs = np.sign(transformation.drawn(level, 0, ids))
    assert set(signs) == {-1, 1}
    size = transformation.magnitudes[level]
    if name == "rotate":
        forward = rotation(size * signs)
    else:
        forward = translation(size * signs * SIDE, 0 * signs)
    grid = at_grid(forward, (SIDE, SIDE), (SIDE // 2, SIDE // 2))
    there = warp(pixels, forward)
    inverse = (
        rotation(-size * signs) if name == "rotate" else translation(-forward[:, 0, 2], 0 * signs)
    )
    return there, (lambda maps: warp(maps, grid)), warp(there, inverse)


@pytest.fixture(scope="module")
def images():
    return pictures(), np.arange(70) % 5


@pytest.fixture(scope="module")
def run(images):
    some = [
        replace(get_transformation(name), levels=(0, level, 9))
        for name, level in (("rotate", 3), ("translate_x", 6))
    ]
    return invariscope.measure(
        Small(), images, groups="C4,flip,shift(0..4:2)",
        transformations=[*some, "brightness_down=0.7/0.2"],
        metrics=f"{MAPS},{OTHERS}", floor=True, layers="body.1,body.3", workers=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rows(run):
    return {
        (str(cell), str(layer), str(metric), str(control)): part["value"].to_numpy(np.float64)
        for (cell, layer, metric, control), part in run.rows.groupby(
            ["cell", "layer", "metric", "control"], observed=True, sort=False
        )
    }


@pytest.fixture(scope="module")
def cells(images):
    """(cell, control): maps of the moved images and moved maps, by layer."""
    pixels, ids, _ = in_order(images)
    model = Small().eval()
    still = model.by_hand(pixels)
    found: dict[tuple[str, str], Any] = {}

    def put(cell, moved, act, back=None):
        seen = model.by_hand(moved)
        acted = {n: act(m) if m.shape[-1] > 1 else m for n, m in still.items()}
        # in parts: the maps of the next image of the part, moved as the image itself is
        strangers = {n: torch.cat([p.roll(-1, 0) for p in m.split(16)]) for n, m in still.items()}
        strangers = {n: act(m) if m.shape[-1] > 1 else m for n, m in strangers.items()}
        found[cell, ""] = seen, acted
        found[cell, "shuffled"] = seen, strangers
        if back is not None:
            found[cell, "floor"] = model.by_hand(back), still

    for cell, (move, act) in EXACT.items():
        put(cell, move(pixels), act, pixels if cell.startswith("rotate") else None)
    put("brightness=0.2", 0.2 * pixels, lambda maps: maps)
    for name, level, cell in (("rotate", 3, "rotate=±60"), ("translate_x", 6, None)):
        cell = cell or get_transformation(name).operation(level)
        moved, act, back = signed(name, level, pixels, ids)
        put(cell, moved, act, back)
    return still, found


def mean(values):
    return values.nanmean(1).numpy()


def wanted(seen, acted, still):
    cosine = {"similarity": "cosine"}
    pearson = channel_invariance(acted, seen)
    return {
        "channel_invariance": mean(pearson),
        "channel_equivariance": mean(channel_equivariance(acted, seen)),
        "channel_invariance:cosine": mean(channel_invariance(acted, seen, **cosine)),
        "channel_equivariance:cosine": mean(channel_equivariance(acted, seen, **cosine)),
        "channel_eed": -mean(channel_invariance(acted, seen, **cosine)),
        "channel_invariance:literal": mean(channel_invariance(still, seen)),
        "dead_channels": pearson.isnan().double().mean(1).numpy(),
    }


def test_cells_by_hand_are_cells_of_the_run(run, cells):
    names = {entry["cell"] for entry in run.manifest["settings"]["cells"]}
    assert {cell for cell, _ in cells[1]} <= names, names


@pytest.mark.parametrize("layer", ["body.1", "body.3"])
def test_values_image_by_image(rows, cells, layer):
    still, found = cells
    compared = 0
    for (cell, control), (seen, acted) in found.items():
        for metric, oracle in wanted(seen[layer], acted[layer], still[layer]).items():
            if (metric.endswith("literal") and control) or (
                cell,
                layer,
                metric,
                control,
            ) not in rows:
                assert control, (cell, metric)  # controls at some levels only
                continue
            values = rows[cell, layer, metric, control]
            assert np.allclose(values, oracle, rtol=0, atol=2e-5, equal_nan=True), (cell, metric)
            compared += 1
    assert compared > 9 * 7 + 3 * 6
    assert np.nanmin(rows["rotate=90", layer, "dead_channels", ""]) >= 1 / LAYERS[layer]


def test_the_identity(rows, cells):
    dead = channel_invariance(*[cells[0]["body.1"]] * 2).isnan().double().mean(1)
    for metric in MAPS.split(","):
        one = -1 if metric == "channel_eed" else 1
        assert (rows["identity", "body.1", metric, ""] == one).all()
        assert ("identity", "embedding", metric, "") not in rows
    assert np.allclose(rows["identity", "body.1", "dead_channels", ""], dead)


@pytest.mark.parametrize("layer", list(LAYERS))
def test_the_mean_of_the_rows_is_the_value_over_the_data_set(rows, cells, layer):
    """Over one block, two and three: a run of fewer blocks has the same first rows."""
    compared = 0
    for (cell, control), (seen, acted) in cells[1].items():
        for count in (32, 64, 70):
            names = ("channel_invariance:pooled", "channel_equivariance:pooled")
            if (cell, layer, names[0], control) not in rows:
                assert control
                continue
            oracle = reference_pooled(acted[layer][:count].numpy(), seen[layer][:count].numpy())
            for name, value in zip(names, oracle[:2], strict=True):
                first = rows[cell, layer, name, control][:count]
                assert first.mean() == pytest.approx(np.nanmean(value), abs=2e-5), (cell, name)
            compared += 1
    assert compared >= 3 * 12


def test_the_table_of_channels(run, cells):
    table = run.channels
    for (cell, control), (seen, acted) in cells[1].items():
        for layer, count in LAYERS.items():
            part = table[(table.cell == cell) & (table.layer == layer) & (table.control == control)]
            if control and not len(part):
                continue
            assert part.channel.tolist() == list(range(count))
            assert (part.images == 70).all()
            exact = control == "floor" or cell in EXACT or "brightness" in cell or layer in (
                "embedding", "logits",
            )  # fmt: skip
            if control != "floor":
                assert (part.exact == exact).all(), (cell, layer)
            correlations = reference_pooled_correlation(acted[layer].numpy(), seen[layer].numpy())
            invariance, equivariance, _ = reference_pooled(
                acted[layer].numpy(), seen[layer].numpy()
            )
            assert np.allclose(part.invariance, invariance, atol=2e-5, equal_nan=True)
            assert np.allclose(part.equivariance, equivariance, atol=2e-5, equal_nan=True)
            match = part.match.to_numpy()
            assert ((match == -1) == np.isnan(equivariance)).all()
            chosen = correlations[np.arange(count), match]
            alive = match >= 0
            assert np.allclose(chosen[alive], equivariance[alive], rtol=0, atol=2e-5)
            if count == 8 and layer == "body.3" and not control:
                by_image = channel_invariance(acted[layer], seen[layer])
                assert np.allclose(
                    part.image_invariance, by_image.nanmean(0), atol=2e-5, equal_nan=True
                )
                assert part.living_images.tolist() == by_image.isfinite().sum(0).tolist()
            else:
                assert part.image_invariance.isna().all() == bool(
                    control or layer in ("embedding", "logits")
                )


def test_literal_differs_from_the_aligned_form_where_places_move(rows):
    at = ("body.3", "channel_invariance:literal", "")
    assert (
        np.nanmean(rows["rotate=90", *at])
        < np.nanmean(rows["rotate=90", "body.3", "channel_invariance", ""]) - 0.1
    )
    assert np.allclose(
        rows["brightness=0.2", *at], rows["brightness=0.2", "body.3", "channel_invariance", ""]
    )


@pytest.mark.parametrize("layer", list(LAYERS))
def test_orbits(run, images, layer):
    """The mean over elements of the first block's Σ value·weight / Σ weight is the metric."""
    pixels, _, _ = in_order(images)
    model = Small().eval()
    orbit = torch.stack(
        [model.by_hand(turned(pixels[:32], k))[layer].mean((2, 3)) for k in range(4)], 1
    )
    order = ["identity", "rotate=90", "rotate=180", "rotate=270"]

    def value(metric):
        part = run.rows[(run.rows.metric == metric) & (run.rows.layer == layer)]
        sums = []
        for cell in order:
            some = part[part.cell == f"C4: {cell}"][:32]
            sums.append((some.value * some.weight).sum() / some.weight.sum())
        return np.mean(sums)

    for name, distance in (("latent_eed", "l2"), ("latent_eed:cosine", "cosine")):
        normalizer = latent_normalizer(orbit[:, 0], distance=distance)
        oracle = latent_eed(orbit, normalizer=normalizer, distance=distance).mean()
        assert value(name) == pytest.approx(float(oracle), abs=1e-4)
    # Without the bias of a variance over 32 images: the jackknife, each image left out in turn.
    without = [normalized_variance(orbit[torch.arange(32) != k]).nanmean() for k in range(32)]
    oracle = 32 * normalized_variance(orbit).nanmean() - 31 * torch.stack(without).mean()
    assert value("normalized_variance") == pytest.approx(float(oracle), abs=1e-4)
    if layer == "logits":
        oracle = softmax_eed_from_logits(orbit).mean()
        assert value("softmax_eed") == pytest.approx(float(oracle), abs=1e-7)
    frame = run.frame[(run.frame.metric == "latent_eed") & run.frame["class"].isna()]
    assert set(frame.transformation) == {"C4", "flip", "shift(0..4:2)"}  # groups only
    variance = run.frame[run.frame.metric == "normalized_variance"]
    assert {"rotate", "brightness_down", "translate_x"} < set(variance.transformation)


def test_alignment_and_class_distances_of_the_first_block(rows, run, images, cells):
    still, found = cells
    z, moved = (
        still["embedding"][:32, :, 0, 0],
        found["rotate=±60", ""][0]["embedding"][:32, :, 0, 0],
    )
    shuffle = torch.rand(32, 8, generator=torch.Generator().manual_seed(0)).argsort(0)
    oracle = response_alignment(z, moved, pairing=torch.arange(32).roll(-1), shuffle=shuffle)
    assert np.allclose(
        rows["rotate=±60", "embedding", "response_alignment", ""][:32], oracle, rtol=0, atol=1e-3
    )
    labels = torch.from_numpy(images[1])[in_order(images)[2]][:32]
    part = run.rows[(run.rows.metric == "class_distance_ratio") & (run.rows.layer == "embedding")]
    part = part[(part.cell == "rotate=±60") & (part.control == "")][:32]
    value = (part.value * part.weight).sum() / part.weight.sum()
    assert value == pytest.approx(float(class_distance_ratio(moved, labels)), abs=1e-4)


@pytest.mark.parametrize("border", ["reflect", "circular", "valid"])
def test_borders(border):
    images = pictures(6)
    result = invariscope.measure(
        Small(), images, groups="shift(0..4:2)", metrics="channel_invariance", workers=0,
        resampling=Resampling(border=border), layers="body.1",
    )  # fmt: skip
    pixels = in_order(images)[0].numpy()
    pad: Any = {"reflect": "symmetric", "circular": "wrap", "valid": "constant"}[border]

    def move(x, cells):
        wide = np.pad(x, ((0, 0), (0, 0), (cells, 0), (cells, 0)), mode=pad)
        return torch.from_numpy(wide[..., : x.shape[2], : x.shape[3]].copy())

    model = Small().eval()
    still = model.by_hand(torch.from_numpy(pixels))["body.1"]
    seen = model.by_hand(move(pixels, 4))["body.1"]
    acted = move(still.numpy(), 2)
    if border == "valid":
        seen, acted = seen[..., 2:, 2:], acted[..., 2:, 2:]
    at = result.rows[result.rows.cell.str.startswith("shift=+4,+4") & (result.rows.control == "")]
    for name, function in (("channel_invariance", channel_invariance),):
        values = at[(at.metric == name) & (at.layer == "body.1")].value
        assert np.allclose(values, mean(function(acted, seen)), rtol=0, atol=1e-5)
    pooled = at[(at.metric == "channel_invariance:pooled") & (at.layer == "body.1")].value.mean()
    assert pooled == pytest.approx(np.nanmean(reference_pooled(acted, seen)[0]), abs=1e-5)


def test_the_floor_counts_what_went_there_and_back_inside_the_frame():
    images = pictures(6)
    shift = replace(
        get_transformation("translate_x"), levels=(0, 3), resampling=Resampling(border="valid")
    )
    result = invariscope.measure(
        Small(), images, transformations=[shift], metrics="channel_invariance", workers=0,
        layers="body.1", floor=True,
    )  # fmt: skip
    pixels, ids, _ = in_order(images)
    floors = result.rows[(result.rows.control == "floor") & (result.rows.layer == "body.1")]
    back = shift.there_and_back(pixels, 3, seed=0, image_ids=ids)
    model = Small().eval()
    still, seen = model.by_hand(pixels)["body.1"], model.by_hand(back)["body.1"]
    # translated by 1/6 of 16 pixels, 4/3 cells: the first and last two cells leave the frame
    cut = [maps[..., 2:-2] for maps in (still, seen)]
    values = floors[floors.metric == "channel_invariance"].value
    assert np.allclose(values, mean(channel_invariance(*cut)), rtol=0, atol=1e-5)
    whole = mean(channel_invariance(still, seen))
    assert (values > whole).all()


def test_skipping_what_is_inexact():
    asked: dict[str, Any] = {
        "groups": "C8,shift(1..4)", "metrics": "channel_invariance", "layers": "body.1",
        "transformations": "translate_x", "workers": 0,
    }  # fmt: skip
    whole = invariscope.measure(Small(), pictures(4), **asked)
    less = invariscope.measure(Small(), pictures(4), inexact="skip", **asked)
    assert whole.channels is not None
    assert less.channels is not None
    table = whole.channels[whole.channels.control == ""]
    exact = {cell for cell in table.cell[(table.layer == "body.1") & table.exact]}
    step = SIDE / 2  # translate_x moves by parts of the side
    moves = get_transformation("translate_x")
    even = {
        moves.operation(level) for level in range(1, 10)
        if float(moves.magnitudes[level] * step).is_integer()
    }  # fmt: skip
    assert exact == {"rotate=90", "rotate=180", "rotate=270", "shift=+2,+2", "shift=+4,+4", *even}
    assert table.exact[table.layer == "embedding"].all()
    kept = less.channels[less.channels.control == ""]
    assert set(kept.cell[kept.layer == "body.1"]) == exact
    assert set(kept.cell[kept.layer == "logits"]) == set(table.cell)
    names = [f"channel_invariance{form}" for form in ("", ":pooled")]
    for name in names:
        rows = less.rows[(less.rows.metric == name) & (less.rows.layer == "body.1")]
        assert set(rows.cell) - {"identity"} == exact
    both = less.rows.merge(whole.rows, on=["image", "cell", "layer", "metric", "control"])
    assert len(both) == len(less.rows)
    assert np.array_equal(both.value_x, both.value_y, equal_nan=True)


def test_token_grids():
    torch.manual_seed(0)
    model: Any = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3,
        num_classes=4,
    ).eval()  # fmt: skip
    images = pictures(5, 32, 32)
    result = invariscope.measure(
        model, images, groups="C4", metrics="channel_equivariance,channel_invariance",
        layers="blocks.1", workers=0, preprocessing={"size": 32},
    )  # fmt: skip
    prepared = load_model(model, preprocessing={"size": 32}).preprocessing
    source, order = open_source(images), in_order(images)[2]
    pixels = torch.stack([prepared.geometry(source.load(k)) for k in order]).float() / 255

    def by_hand(x):
        with torch.no_grad():
            maps = model.forward_intermediates(
                prepared.normalise(x), indices=[1], norm=False, intermediates_only=True
            )
        return maps[0].double()

    acted, seen = turned(by_hand(pixels), 1), by_hand(turned(pixels, 1))
    assert acted.shape == (5, 24, 4, 4)
    rows = result.rows[(result.rows.cell == "rotate=90") & (result.rows.control == "")]
    rows = rows[rows.layer == "blocks.1"]
    for name, function in (
        ("channel_invariance", channel_invariance),
        ("channel_equivariance", channel_equivariance),
    ):
        values = rows[rows.metric == name].value
        assert np.allclose(values, mean(function(acted, seen)), rtol=0, atol=2e-5)


class Last(nn.Module):
    """Its first layer puts channels last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Sequential(nn.Linear(3, 7), nn.GELU())
        self.fc = nn.Linear(7, 3)

    def forward(self, x):
        return self.fc(self.first(x[..., ::2, ::2].permute(0, 2, 3, 1)).mean((1, 2)))


def test_channels_last():
    """A map of every second pixel: under a flip of an even side it is no longer the same pixels."""
    images = pictures(5, 12, 20)
    result = invariscope.measure(
        Last(), images, groups="flip*flip_vertical", metrics="channel_equivariance",
        layers="first", workers=0,
    )  # fmt: skip
    model = Last().eval()
    pixels = in_order(images)[0]

    def by_hand(x):
        with torch.no_grad():
            return model.first(x[..., ::2, ::2].permute(0, 2, 3, 1)).permute(0, 3, 1, 2).double()

    acted, seen = by_hand(pixels).flip(2, 3), by_hand(pixels.flip(2, 3))
    cell = get_group("flip*flip_vertical").operation(3)
    rows = result.rows[(result.rows.cell == cell) & (result.rows.layer == "first")]
    values = rows[(rows.metric == "channel_equivariance") & (rows.control == "")].value
    oracle = mean(channel_equivariance(acted, seen))
    assert np.allclose(values, oracle, rtol=0, atol=1e-5)
    assert oracle.max() < 0.999
