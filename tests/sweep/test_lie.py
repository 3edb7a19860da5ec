"""Lie derivatives of every layer: against the metric on tensors and against small motions."""

from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.models.mlp_mixer import MlpMixer
from torch import nn
from torch.nn import functional

import invariscope
from invariscope.data import open_source
from invariscope.errors import InputError, RunError
from invariscope.metrics import METRICS, lie_derivative, relative_lie_derivative
from invariscope.models import Probe, load_model
from invariscope.report.run.conventions import conventions
from invariscope.report.run.readings import Readings
from invariscope.runs.progress import Silent
from invariscope.sweep import lie
from invariscope.sweep.lie import LieCell, lie_cell, lie_cells
from invariscope.transformations import (
    FAMILIES,
    GENERATORS,
    Resampling,
    get_transformation,
    get_transformations,
    warp,
)

NAMES = ("lie_derivative", "lie_derivative:relative", "lie_derivative:softmax")
FAMILY = "rotate,shear_x,shear_y,translate_x,translate_y,zoom_in,brightness_up,contrast,saturation"


def lie_values(probe, images, layers, cells, **options):
    """Of all metrics."""
    metrics: list[Any] = [METRICS.get(name) for name in NAMES]
    return lie.lie_values(probe, images, layers, cells, metrics, **options)


def smooth(count=4, size=32, seed=3):
    """Pictures without an edge that a pixel grid cannot resolve, in [0.1, 0.9]."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    picture = functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    return (0.1 + 0.8 * picture).clamp(0.1, 0.9)


class Small(nn.Module):
    """Smooth, so that finite differences converge; circular, so that it commutes with shifts."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular")
        self.act = nn.Tanh()
        self.second = nn.Conv2d(5, 6, 3, padding=1, padding_mode="circular")
        self.fc = nn.Linear(6, 4)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, x):
        return self.fc(self.second(self.act(self.first(x))).mean((2, 3)))


LAYERS = ["first", "act", "second", "embedding", "logits"]


def table(values):
    return {(found.cell, found.layer, found.metric): found.values.numpy() for found in values}


def cells(names, **resampling):
    how = Resampling(**resampling) if resampling else None
    return lie_cells(get_transformations(names, resampling=how))


def test_equal_generators_are_one_cell():
    names = [cell.key for cell in cells("rotate,zoom_in,zoom_out,posterize,contrast_up,contrast")]
    assert names == ["d(rotate)", "d(scale)", "d(contrast)"]
    assert lie_cell(get_transformation("solarize")) is None
    (cell,) = cells("rotate", border="reflect", interpolation="bicubic")
    assert cell.key == "d(rotate) (reflect, 0, centre)"
    (cell,) = cells("contrast", border="reflect")
    assert cell.key == "d(contrast)"
    (cell,) = cells("rotate", interpolation="nearest")  # which has no derivative: ours is cubic
    assert cell.key == "d(rotate)"


def test_every_layer_is_the_metric_on_tensors():
    images, probe = smooth(), load_model(Small())
    found = table(lie_values(probe, images, LAYERS, cells(FAMILY), batch_size=3))
    model = probe.module
    assert isinstance(model, Small)
    functions = {
        "first": model.first,
        "act": lambda x: model.act(model.first(x)),
        "second": lambda x: model.second(model.act(model.first(x))),
        "embedding": lambda x: model.second(model.act(model.first(x))).mean((2, 3)),
        "logits": model,
    }
    for cell in cells(FAMILY):
        generator = cell.generator
        tangent = generator.tangent(images)

        def action(maps, generator=generator):
            return generator.on_maps(maps, (32, 32))

        for layer, function in functions.items():
            how = {"output_tangent": action if layer in LAYERS[:3] else None}
            for metric, formula in (("", lie_derivative), (":relative", relative_lie_derivative)):
                expected = formula(function, images, tangent, **how).numpy()
                got = found[cell.key, layer, "lie_derivative" + metric]
                np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-9)
        expected = lie_derivative(lambda x: model(x).softmax(1), images, tangent).numpy()
        got = found[cell.key, "logits", "lie_derivative:softmax"]
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-12)


def test_circular_convolutions_are_equivariant_to_shifts():
    images, probe = smooth(), load_model(Small())
    found = table(lie_values(probe, images, ["first"], cells("translate_x", border="circular")))
    for (_, _, metric), errors in found.items():
        assert errors.max() < (1e-5 if metric.endswith("relative") else 1e-7)
    zeros = table(lie_values(probe, images, ["first"], cells("translate_x")))
    assert zeros["d(translate_x)", "first", "lie_derivative:relative"].min() > 0.05


def test_a_pointwise_function_is_equivariant_up_to_the_grid():
    """It commutes with shifts, not with central differences: the error² falls with side⁻⁴."""
    first = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        first.weight.copy_(torch.eye(4, 3)[..., None, None])
    model = nn.Sequential(first, nn.Tanh(), nn.Conv2d(4, 4, 1))
    errors = []
    for side in (32, 64, 128):
        place = 2 * torch.pi * (torch.arange(side) + 0.5) / side
        wave = torch.stack([place.sin(), (place + 1).sin(), (2 * place).sin()])
        images = (0.5 + 0.3 * wave)[None, :, None, :].expand(2, 3, side, side)
        names = cells("translate_x", border="circular")
        found = table(lie_values(load_model(model), images, ["1"], names))
        errors.append(found[names[0].key, "1", "lie_derivative"][0])
    ratios = np.array(errors[:-1]) / errors[1:]
    assert (ratios > 12).all(), ratios
    assert (ratios < 20).all(), ratios


def test_the_batch_size_changes_nothing():
    images, probe = smooth(5), load_model(Small())
    whole = table(lie_values(probe, images, LAYERS, cells("rotate"), batch_size=5))
    for size in (1, 2):
        parts = table(lie_values(probe, images, LAYERS, cells("rotate"), batch_size=size))
        assert parts.keys() == whole.keys()
        for key in whole:
            np.testing.assert_allclose(parts[key], whole[key], rtol=1e-4, atol=1e-12)


def end_to_end(probe: Probe, images, names):
    """LEE of the logits by moving the images a little, with the families themselves.

    In float64 and by 1e-9: at larger steps ReLUs switch, and the difference is 2 to 20 % off.
    """
    errors = {}
    module = probe.module
    assert module is not None
    double = module.double()

    def logits(moved):
        with torch.no_grad():
            return double(probe.preprocessing.normalise(moved))

    for name in names.split(","):
        family, step = FAMILIES.get(name), 1e-9
        unit = np.rad2deg(1.0) if family.unit == "°" else 1.0
        moved = []
        for t in (step, -step):
            if family.matrices is not None:
                magnitude = np.array([family.identity + t * unit])
                forward = family.matrices(magnitude, *images.shape[-2:])
                moved.append(logits(warp(images.double(), forward)))
            else:
                generator = GENERATORS.get(family.operation)
                moved.append(logits(images.double() + t * generator.tangent(images.double())))
        slope = (moved[0] - moved[1]) / (2 * step)
        cell = lie_cell(get_transformation(name))
        assert cell is not None
        errors[cell.key] = slope.square().mean(1).numpy()
    module.float()
    return errors


def resnet():
    return timm.create_model("resnet18", num_classes=7)


def transformer():
    return timm.create_model(
        "vit_tiny_patch16_224", num_classes=7, img_size=32, patch_size=8, depth=3
    )


def mixer():
    return MlpMixer(num_classes=7, img_size=32, patch_size=8, num_blocks=3, embed_dim=32)


def untrained(make):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = make()
        for parameter in list(model.parameters())[-2:]:  # heads begin at zero in some
            nn.init.normal_(parameter)
    return load_model(model)


@pytest.mark.parametrize("make", [resnet, transformer, mixer])
def test_architectures_agree_with_small_finite_motions_end_to_end(make):
    images, probe = smooth(2), untrained(make)
    layers = [layer.name for layer in probe.watch("auto", images)]
    assert len(layers) > 4
    names = "rotate,translate_x,zoom_in,contrast"
    found = table(lie_values(probe, images, layers, cells(names)))
    expected = end_to_end(probe, images, names)
    for key, errors in expected.items():
        got = found[key, "logits", "lie_derivative"]
        np.testing.assert_allclose(got, errors, rtol=2e-3)
        assert (got > 0).all()
    for name, values in found.items():
        assert np.isfinite(values).all(), name
    assert {layer for _, layer, _ in found} == set(layers)


def test_a_callable_has_its_outputs():
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    probe = load_model(lambda images: images.square().mean((2, 3)) @ weight)
    found = table(lie_values(probe, smooth(), ["embedding", "logits"], cells("brightness_up")))
    images = smooth()
    expected = (2 * images.square().mean((2, 3)) @ weight).square().mean(1)
    for layer in ("embedding", "logits"):
        got = found["d(brightness)", layer, "lie_derivative"]
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5)


def test_a_constant_model_is_invariant_and_has_no_relative_form():
    probe = load_model(lambda images: 0 * images.mean((2, 3)) + 1.5)
    found = table(lie_values(probe, smooth(), ["embedding", "logits"], cells("rotate")))
    assert (found["d(rotate)", "embedding", "lie_derivative"] == 0).all()
    assert np.isnan(found["d(rotate)", "embedding", "lie_derivative:relative"]).all()
    assert (found["d(rotate)", "logits", "lie_derivative:softmax"] == 0).all()


def test_what_is_not_finite_is_undefined():
    probe = load_model(lambda images: (images.mean((2, 3)) - 0.5).sign() / 0.0 * images[:, :, 0, 0])
    found = table(lie_values(probe, smooth(), ["embedding"], cells("rotate")))
    assert all(np.isnan(values).all() for values in found.values())


def test_out_of_memory_halves_the_batch(monkeypatch):
    sizes = []
    differentiate = lie.differentiate

    def short_of_memory(probe, images, *rest):
        sizes.append(len(images))
        if len(images) > limit:
            raise torch.OutOfMemoryError("no room")
        return differentiate(probe, images, *rest)

    monkeypatch.setattr(lie, "differentiate", short_of_memory)
    images, probe, limit = smooth(4), load_model(Small()), 2
    told = []
    values = lie_values(probe, images, LAYERS, cells("rotate"), batch_size=4, advance=told.append)
    found = table(values)
    assert sizes == [4, 2, 2]
    assert told == [2 * lie.LIE_PASSES] * 2
    assert found["d(rotate)", "logits", "lie_derivative"].shape == (4,)
    limit = 0
    with pytest.raises(RunError, match="in forward mode with a single image of 32×32"):
        list(lie_values(probe, images, LAYERS, cells("rotate")))


def test_measure_reports_them_at_level_0_with_intervals_and_the_twin():
    names = "rotate=10,zoom_in=1.1,zoom_out=0.9,posterize=5,contrast_up=1.1"
    pictures = smooth(6).numpy()
    result = invariscope.measure(
        Small(),
        pictures,
        transformations=names,
        metrics="lie_derivative",
        layers="first",
        twin=True,
    )
    frame = result.frame
    assert set(frame["transformation"]) == {"rotate", "zoom_in", "zoom_out", "contrast_up"}
    assert set(frame["level"]) == {0}
    assert set(frame["metric"]) == set(NAMES)
    values = frame.set_index(["metric", "transformation", "layer"])["value"]
    for metric in NAMES:
        zoomed = [values[metric, name, "logits"] for name in ("zoom_in", "zoom_out")]
        assert zoomed[0] == zoomed[1]
    assert ("lie_derivative", "rotate", "first") in values.index
    assert ("lie_derivative:softmax", "rotate", "first") not in values.index
    assert ((frame["ci_low"] < frame["value"]) & (frame["value"] < frame["ci_high"])).all()
    assert (frame["n"] == 6).all()
    twin = result.controls
    assert set(twin["control"]) == {"untrained"}
    assert set(twin["layer"]) == {"embedding", "logits"}
    found = table(lie_values(load_model(Small()), smooth(6), ["embedding"], cells("rotate")))
    expected = found["d(rotate)", "embedding", "lie_derivative"].mean()
    np.testing.assert_allclose(values["lie_derivative", "rotate", "embedding"], expected, rtol=1e-4)


def test_the_unit_beside_a_number_is_that_of_its_scale():
    metrics = "lie_derivative,relative_invariance"
    names = "rotate=10,translate_x=0.1,zoom_in=1.1,posterize=5"
    how = {"transformations": names, "metrics": metrics, "layers": "first", "twin": True}
    result = invariscope.measure(Small(), smooth(4).numpy(), **how)
    squares = {"per radian²", "per side²", "per factor²"}
    for frame in (result.frame, result.controls[result.controls["control"] == "untrained"]):
        units = frame.groupby(["metric", "transformation"])["unit"].unique().map(list).to_dict()
        for metric in ("lie_derivative", "lie_derivative:softmax"):
            assert units[metric, "rotate"] == ["per radian²"]
            assert units[metric, "translate_x"] == ["per side²"]
            assert units[metric, "zoom_in"] == ["per factor²"]
        assert units["lie_derivative:relative", "rotate"] == [""]
        assert units["relative_invariance", "rotate"] == ["°"]
    compared = result.compare(result).frame
    assert set(compared[compared["metric"] == "lie_derivative"]["unit"]) == squares
    told = dict(conventions(Readings(result)))["Lie derivative"]
    assert "per radian² for rotation; per side² for horizontal shift" in told
    assert "{" not in told


def test_the_overview_of_derivatives_goes_from_the_least_to_the_most_equivariant():
    how: dict[str, Any] = {"metrics": "lie_derivative"}
    how["transformations"] = "rotate=10,saturation=0.9,zoom_in=1.1"
    table = invariscope.measure(Small(), smooth(4).numpy(), **how).overview()
    assert table.columns.name == "lie_derivative:relative at the embedding"
    assert set(table.index) == {"rotate", "saturation", "zoom_in"}
    assert table["mean"].is_monotonic_decreasing
    assert table["mean"].iloc[0] > table["mean"].iloc[-1]


def test_derivatives_alone_take_no_other_pass_and_tell_of_their_own():
    class Counting(Small):
        seen = 0

        def forward(self, x):
            self.seen += len(x)
            return super().forward(x)

    class Told(Silent):
        passes, all = 0, 0

        def start(self, *, images, cells, passes, done):
            self.cells, self.all = cells, passes

        def advance(self, passes):
            self.passes += passes

    model, told = Counting(), Told()
    how = {"transformations": "rotate,zoom_in,zoom_out", "progress": told}
    invariscope.measure(model, smooth(6).numpy(), metrics="lie_derivative", **how)
    assert model.seen < 6 * 10  # rotate alone has ten levels
    assert told.cells == 2
    assert told.passes == told.all == 6 * 2 * lie.LIE_PASSES
    both = "lie_derivative,relative_invariance"
    told.passes = 0
    invariscope.measure(model, smooth(6).numpy(), metrics=both, twin=True, **how)
    assert told.cells == 28 + 2
    assert told.passes == told.all == 6 * (28 + 10 + 4 * lie.LIE_PASSES)


def test_measure_needs_a_transformation_with_a_generator():
    with pytest.raises(InputError, match="lie_derivative needs a transformation that sets in"):
        invariscope.measure(
            Small(), smooth().numpy(), transformations="posterize=5", metrics="lie_derivative"
        )


def test_the_border_is_that_of_the_cell():
    images, probe = smooth(), load_model(Small())
    generator = GENERATORS.get("rotate")
    both = [
        LieCell("zeros", generator, Resampling()),
        LieCell("reflect", generator, Resampling(border="reflect")),
    ]
    found = table(lie_values(probe, images, LAYERS, both))
    for layer in LAYERS:
        zeros, reflect = (found[key, layer, "lie_derivative"] for key in ("zeros", "reflect"))
        assert not np.isclose(zeros, reflect, rtol=0.1).any()


@pytest.mark.slow
def test_trained_weights_on_photographs():
    probe = load_model("builtin:efficientnet-lite0", preprocessing={"size": 96})
    source = open_source("samples")
    pictures = [
        probe.preprocessing.geometry(source.load(index)).float() / 255 for index in range(2)
    ]
    images = torch.stack(pictures)
    layers = [layer.name for layer in probe.watch("auto", images)]
    names = "rotate,contrast"
    found = table(lie_values(probe, images, layers, cells(names)))
    assert all(np.isfinite(values).all() for values in found.values())
    for key, errors in end_to_end(probe, images, names).items():
        np.testing.assert_allclose(
            found[key, "logits", "lie_derivative"], errors, rtol=0.05
        )  # in float32 some ReLUs switch
