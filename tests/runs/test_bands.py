"""Sweeps and searches on pictures of any number of bands, end to end."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.devices import as_float
from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.runs.loading import load_blocks
from invariscope.search.search import find_factors
from invariscope.sweep import SweepRequest, prepare
from invariscope.transformations import FAMILIES, TABLES, Resampling, get_transformation

tifffile = pytest.importorskip("tifffile")
RNG = np.random.default_rng(0)
TURN: dict[str, Any] = {"transformations": "rotate=90"}


def network(bands: int) -> nn.Sequential:
    torch.manual_seed(bands)
    return nn.Sequential(
        nn.Conv2d(bands, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )


def images(bands: int, dtype: Any = np.float32, count: int = 4) -> np.ndarray:
    if dtype == np.float32:
        return RNG.random((count, bands, 16, 17), dtype=np.float32)
    return RNG.integers(0, np.iinfo(dtype).max, (count, 16, 17, bands), dtype=dtype)


def value(result, layer="embedding", metric="relative_invariance", level=1):
    frame = result.frame
    rows = frame[(frame.layer == layer) & (frame.metric == metric) & (frame.level == level)]
    return float(rows.value.iloc[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 2, 4, 13])
def test_arrays_of_any_number_of_bands(tmp_path, bands, dtype):
    """The embeddings are those of the network itself, in float64, on the numbers of the array."""
    values = images(bands, dtype)
    plain = values.astype(np.float64) / (1 if dtype == np.float32 else np.iinfo(dtype).max)
    plain = plain if dtype == np.float32 else np.moveaxis(plain, -1, 1)
    found = embeddings(network(bands), values, value_range=_range(dtype))
    expected = network(bands).double()[:4](torch.from_numpy(plain))
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def prepared(model, data, **how):
    """A sweep that is ready to start."""
    return prepare(SweepRequest(model=model, images=data, **how))


def embeddings(model, data, **how) -> torch.Tensor:
    """What a run sees of the pictures, in the order of the source."""
    run = prepared(model, data, **TURN, **how)
    (block,) = load_blocks(run.source, run.load, [(0, run.blocks[0])], workers=0, ready=run.ready)
    found = run.probe.forward(as_float(block.pixels()), ["embedding"]).vectors["embedding"]
    return found[torch.tensor(run.blocks[0]).argsort()]


def _range(dtype):
    return (0, 65535) if dtype == np.uint16 else None


@pytest.mark.parametrize("bands", [1, 2, 4, 13])
def test_the_report_shows_three_bands(tmp_path, bands):
    run = tmp_path / "run"
    result = invariscope.measure(network(bands), images(bands), output=run, **TURN)
    assert result.example is not None
    assert result.example.shape == (16, 17, 3)
    assert result.to_html(run / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("bands", [1, 2, 4, 13])
@pytest.mark.parametrize("name", sorted({*TABLES["standard"], *TABLES["search"]}))
def test_every_family_acts_on_each_band_alone_but_contrast_and_colour(name, bands):
    transformation = get_transformation(name)
    if transformation.family.needs_colour:
        pytest.skip("it needs red, green and blue")
    x = torch.rand(2, bands, 12, 15)
    ids, level = ["a", "b"], transformation.levels[len(transformation.levels) // 2] or 1
    together = transformation(x, level, seed=3, image_ids=ids)
    if "contrast" in name and name != "autocontrast":
        factor = transformation.drawn(level, 3, ids)
        mean = x.double().mean((1, 2, 3), keepdim=True)
        f = torch.from_numpy(np.broadcast_to(factor, 2).copy())[:, None, None, None]
        expected = (f * x + (1 - f) * mean).clamp(0, 1).float()
        torch.testing.assert_close(together, expected, atol=1e-5, rtol=0)
        return
    for band in range(bands):
        alone = transformation(x[:, band : band + 1], level, seed=3, image_ids=ids)
        torch.testing.assert_close(together[:, band], alone[:, 0], atol=1e-6, rtol=0)


def test_three_bands_are_what_they_were():
    from torchvision.transforms.v2 import functional

    x = torch.rand(2, 3, 9, 9)
    for name, expected in (
        ("contrast", functional.adjust_contrast(x, 1.5)),
        ("brightness_up", functional.adjust_brightness(x, 1.5)),
        ("sharpness", functional.adjust_sharpness(x, 1.5)),
    ):
        assert torch.equal(FAMILIES.get(name).apply(x, np.array([1.5]), Resampling()), expected)


def test_changes_of_colour_are_left_out_or_refused():
    four = images(4)
    result = invariscope.measure(
        network(4), four, table="transforms2d", metrics="relative_invariance"
    )
    left = [w for w in result.manifest["warnings"] if "left out hue, saturation" in w]
    assert "the pictures have 4 bands" in left[0]
    assert not {"hue", "saturation"} & set(result.frame.transformation)
    with pytest.raises(
        InputError, match="saturation: a change of colour needs red, green and blue"
    ):
        invariscope.measure(network(4), four, transformations="rotate=90,saturation")
    labelled = (images(4, count=8), [0] * 4 + [1] * 4)
    found = find_factors(network(4), labelled, operations="singles", pairs=1)
    kept = {name for name in found.frame.operation if name.startswith("saturation")}
    assert kept == {"saturation 0"}  # which changes nothing
    assert any("left out saturation 2, saturation 4" in w for w in found.manifest["warnings"])
    with pytest.raises(InputError, match="saturation 4: a change of colour needs"):
        find_factors(network(4), labelled, operations="saturation 4", pairs=2)


def test_lie_derivatives_take_any_number_of_bands():
    names = "rotate,contrast_up,sharpness,brightness_up"
    result = invariscope.measure(
        network(4), images(4), transformations=names, metrics="lie_derivative"
    )
    assert result.frame.value.notna().all()


def test_the_first_layer_says_how_many_channels_there_are():
    probe = load_model(network(1))
    assert probe.preprocessing.channels == 1
    assert any("takes 1 channel: it is shown the luminance" in line for line in probe.warnings)
    assert load_model(network(13)).preprocessing.channels == 13
    assert load_model(network(3)).preprocessing.channels == 3
    for wanted, channels in ((12, 3), (4, 1), (16, 4)):
        shuffled = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(wanted, 2, 1))
        assert load_model(shuffled).preprocessing.channels == channels
    assert load_model(network(4), preprocessing={"channels": 3}).preprocessing.channels == 3


def test_a_network_that_normalises_four_channels_itself():
    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.rand(1, 4, 1, 1))
            self.net = network(4)

        def forward(self, x):
            return self.net(x - self.mean)

    assert load_model(Normalised()).preprocessing.channels == 4


def test_a_grey_network_sees_the_luminance_of_colour():
    colour = images(3)
    grey = (colour * np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]).sum(1)[:, None]
    one, other = (
        invariscope.measure(network(1), x, transformations="rotate=90") for x in (colour, grey)
    )
    assert value(one) == pytest.approx(value(other), abs=1e-5)


def test_a_callable_is_shown_the_bands_as_they_come():
    run = prepared(lambda x: x.flatten(1), images(4), transformations="rotate=90")
    assert run.probe.preprocessing.channels == 4
    assert "it is shown the 4 bands of the pictures" in run.manifest["decisions"]["channels"]
    run = prepared(lambda x: x.flatten(1), images(1), transformations="rotate=90")
    assert run.probe.preprocessing.channels == 3


def test_bands_that_do_not_fit_are_one_line():
    with pytest.raises(InputError, match="image 0: the picture has 4 bands and the model takes 3"):
        prepared(network(3), images(4), transformations="rotate=90")
    chosen = {"bands": [4, 1, 2]}
    run = prepared(network(3), images(4), transformations="rotate=90", preprocessing=chosen)
    assert "numbers 4, 1, 2" in run.manifest["decisions"]["bands used"]


def _tiles(root, count=4):
    bands = RNG.integers(0, 256, (count, 16, 17, 4), dtype=np.uint8)
    for number, tile in enumerate(bands):
        file, extra = root / f"{number}.tif", ["unspecified"]
        tifffile.imwrite(file, tile, photometric="rgb", extrasamples=extra)
    return bands


def test_a_tile_of_four_bands_gives_a_network_what_it_takes(tmp_path):
    bands = _tiles(tmp_path)
    assert torch.equal(embeddings(network(4), str(tmp_path)), embeddings(network(4), bands))
    colours = embeddings(network(3), bands[..., :3].copy())
    assert torch.equal(embeddings(network(3), str(tmp_path)), colours)
    run = prepared(network(3), str(tmp_path), **TURN)
    assert any("4 left out" in note for note in run.manifest["images"]["notes"])
    how: dict[str, Any] = {"preprocessing": {"bands": [4, 1, 2]}}
    false = embeddings(network(3), bands[..., [3, 0, 1]].copy())
    assert torch.equal(embeddings(network(3), str(tmp_path), **how), false)


def test_depths_and_grey_and_colour_mix_in_one_source(tmp_path):
    from PIL import Image

    grey = RNG.integers(0, 65536, (16, 16), dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray((grey // 257).astype(np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(np.stack([(grey // 257).astype(np.uint8)] * 3, -1)).save(tmp_path / "c.png")
    for channels in (1, 3):
        result = invariscope.measure(network(channels), str(tmp_path), **TURN)
        assert result.manifest["images"]["used"] == 3
        frames = embeddings(network(channels), str(tmp_path))
        torch.testing.assert_close(frames[1], frames[2], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(frames[0], frames[1], atol=5e-3, rtol=0)  # but for the depth


def test_a_picture_of_another_number_of_bands_is_skipped_with_its_reason(tmp_path):
    _tiles(tmp_path)
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((16, 17, 5), np.uint8), photometric="minisblack",
                     planarconfig="contig")  # fmt: skip
    result = invariscope.measure(network(4), str(tmp_path), transformations="rotate=90")
    assert [entry["image"] for entry in result.manifest["images"]["skipped"]] == ["z.tif"]
    assert "5 bands and the model takes 4" in result.manifest["images"]["skipped"][0]["reason"]


def test_pictures_that_use_a_small_part_of_their_range_are_named():
    values = images(3)
    values[2] *= 0.05
    result = invariscope.measure(network(3), values, transformations="rotate=90")
    notes = " ".join(result.manifest["images"]["notes"])
    assert "1 of the pictures use at most 6 % of their range: 2" in notes
    deep = np.full((4, 16, 17), 4095, np.uint16) - RNG.integers(0, 9, (4, 16, 17), dtype=np.uint16)
    how: dict[str, Any] = {"transformations": "rotate=90", "value_range": (0, 65535)}
    result = invariscope.measure(network(3), deep, **how)
    assert "4 of the pictures" in " ".join(result.manifest["images"]["notes"])
    assert result.manifest["settings"]["value_range"] == [0, 65535]


def test_grey_pictures_of_a_grey_network_have_no_colour_to_change():
    grey = RNG.integers(0, 256, (4, 16, 17), dtype=np.uint8)
    result = invariscope.measure(
        network(1), grey, table="transforms2d", metrics="relative_invariance"
    )
    assert any("left out hue, saturation" in line for line in result.manifest["warnings"])
    assert not {"hue", "saturation"} & set(result.frame.transformation)
    with pytest.raises(InputError, match=r"hue: a change of colour needs .* have 1 band"):
        invariscope.measure(network(1), grey, transformations="rotate=90,hue")
    labelled = (RNG.integers(0, 256, (8, 16, 17), dtype=np.uint8), [0] * 4 + [1] * 4)
    with pytest.raises(InputError, match="saturation 4: a change of colour needs"):
        find_factors(network(1), labelled, operations="saturation 4", pairs=2)
    # colours that the network sees as their luminance do change it
    colour = RNG.integers(0, 256, (4, 16, 17, 3), dtype=np.uint8)
    result = invariscope.measure(network(1), colour, transformations="hue", layers="last")
    assert "hue" in set(result.frame.transformation)
