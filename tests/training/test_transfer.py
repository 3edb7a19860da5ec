"""Transfer: features are the input of the last layer, and the last layer alone is new."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.models import Preprocessing, load_model
from invariscope.training import Recipe, train
from invariscope.training.probes import fit_logistic
from invariscope.training.splits import Split, open_splits
from invariscope.training.transfer import Transfer, penultimate, transfer

FAKE = "torchvision:FakeData?size=60&image_size=3,12,12&num_classes=3"
NET = "small:cnn7?width=0.2&size=12"


def test_features_are_the_input_of_the_last_layer(tiny):
    run = train(tiny)
    source = open_source(FAKE)
    split = Split(source, [7, 3, 11])
    assert source.labels is not None
    found = penultimate(run.probe, split)
    seen = []
    last = [m for m in run.module.modules() if isinstance(m, torch.nn.Linear)][-1]
    handle = last.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    images = torch.stack([run.preprocessing.geometry(source.load(i)) for i in split.indices]) / 255
    with torch.no_grad():
        run.module(run.preprocessing.normalise(images))
    handle.remove()
    torch.testing.assert_close(found.values, seen[0], rtol=1e-4, atol=1e-5)
    assert found.ids == ["7", "3", "11"]
    assert found.labels.tolist() == [source.labels[i] for i in split.indices]


def test_the_networks_own_head_is_not_better_on_the_images_it_is_fitted_on(tiny):
    """The probe is the optimum of the same kind of layer; the network stays as it was."""
    run = train(tiny.with_(epochs=12.0, learning_rate=0.01))
    before = {name: value.clone() for name, value in run.module.state_dict().items()}
    found = transfer(run.probe, FAKE)
    split = open_splits(Recipe(FAKE, NET))[0]
    own = run.probe.predict([split.source.load(i) for i in split.indices]).argmax(1)
    accuracy = (own == torch.from_numpy(split.labels)).double().mean().item()
    assert found.facts["accuracy on training images"] >= accuracy - 0.05
    for name, value in run.module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_task_that_the_features_hold_is_solved():
    """Class = colour of the picture: any network with random weights has it in its features."""
    random = np.random.default_rng(0)
    labels = random.integers(3, size=90)
    images = random.integers(50, size=(90, 12, 12, 3), dtype=np.uint8)
    images[np.arange(90), :, :, labels] += 200
    source = open_source((images, labels.tolist()))
    probe = load_model("small:resnet18?width=0.25&size=12")
    fitted, tested = (
        penultimate(probe, Split(source, list(part))) for part in (range(60), range(60, 90))
    )
    head = fit_logistic(fitted.values, fitted.labels, num_classes=3)
    assert head.predict(tested.values).tolist() == labels[60:].tolist()


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_both_methods_give_correctness_per_image(method):
    found = transfer(NET, FAKE, method=method, num_train=30, num_test=9, epochs=2, batch_size=8)
    assert list(found.correct.columns) == ["image", "class", "correct"]
    assert len(found.correct) == 9
    assert found.correct["image"].is_unique
    assert found.accuracy == found.correct["correct"].mean()
    assert found.facts["num_train"] == 30
    assert found.facts["method"] == method
    assert found.facts["iterations"] == 8 or method == "lbfgs"
    again = transfer(NET, FAKE, method=method, num_train=30, num_test=9, epochs=2, batch_size=8)
    assert again.correct.equals(found.correct)


def test_messages():
    with pytest.raises(InputError, match="unknown method of transfer 'lbgfs': did you mean lbfgs"):
        transfer(NET, FAKE, method="lbgfs")
    probe = load_model(NET).with_preprocessing(Preprocessing())
    probe.spec = "mine"
    with pytest.raises(InputError, match="model mine does not say its input's side"):
        transfer(probe, FAKE)


def test_a_fact_that_is_no_number_loses_no_transfer(tmp_path):
    Transfer(pd.DataFrame({"correct": [True, False]}), {"loss": math.nan}).save(tmp_path)
    assert math.isnan(Transfer.load(tmp_path).facts["loss"])
