"""The loop against a naive one, and what must not change a bit of the trained weights."""

import socket
from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from children import FORKED, Child
from invariscope import measure
from invariscope.data import open_source, reading
from invariscope.errors import InputError, RunError
from invariscope.models import build_architecture
from invariscope.seeding import generator
from invariscope.training import Recipe, read_run, train
from invariscope.training.checkpoint import CHECKPOINT
from invariscope.training.images import TrainingImages
from invariscope.training.splits import open_splits

FAKE = "torchvision:FakeData?size=60&image_size=3,12,12&num_classes=3"


def weights(run):
    return run.module.state_dict()


def assert_same(one, other):
    assert weights(one).keys() == weights(other).keys()
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    pd.testing.assert_frame_equal(one.correct, other.correct, check_exact=True)


def reference_train(recipe):
    """Plain torch on the images one by one: SGD with momentum and L2, whole image, step decay."""
    split, _, classes = open_splits(recipe)
    source = split.source
    pixels = torch.stack(
        [
            torch.from_numpy(np.asarray(source.load(i)).copy()).permute(2, 0, 1) / 255
            for i in split.indices
        ]
    )
    labels = torch.from_numpy(split.labels)
    module, preprocessing = build_architecture(
        f"{recipe.model}&size={recipe.size}", num_classes=len(classes), seed=recipe.seed
    )
    mean, std = (torch.tensor(v)[:, None, None] for v in (preprocessing.mean, preprocessing.std))
    velocity = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    per_epoch = len(pixels) // recipe.batch_size
    module.train()
    for iteration in range(round(recipe.epochs * per_epoch)):
        epoch, step = divmod(iteration, per_epoch)
        order = generator(recipe.seed, f"order {epoch}").permutation(len(pixels))
        chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
        logits = module((pixels[chosen] - mean) / std)
        module.zero_grad()
        functional.cross_entropy(logits, labels[chosen]).backward()
        rate = recipe.learning_rate * 0.5**epoch
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                gradient = parameter.grad + recipe.weight_decay * parameter
                velocity[name] = recipe.momentum * velocity[name] + gradient
                parameter -= rate * velocity[name]
    return module


def test_the_loop_is_plain_sgd(tiny):
    recipe = tiny.with_(augment="whole image", schedule="step(1, 0.5)", weight_decay=0.01)
    run, reference = train(recipe), reference_train(recipe)
    untouched = build_architecture(f"{recipe.model}&size=12", num_classes=3, seed=0)[0]
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(weights(run)[name], value, rtol=1e-4, atol=1e-5)
    moved = [
        (weights(run)[name] - value).abs().max() for name, value in untouched.named_parameters()
    ]
    assert min(moved) > 1e-4


def test_one_seed_is_one_training_and_the_callers_generator_is_left_alone(tiny):
    before = torch.random.get_rng_state()
    first = train(tiny)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    assert_same(first, train(tiny))
    other = train(tiny.with_(seed=1))
    assert any(not torch.equal(v, weights(other)[n]) for n, v in weights(first).items())


@pytest.mark.parametrize(
    ("augment", "augerino"),
    [
        ("T.(30%)", None),
        ("random crop + horizontal flip + CutMix", None),
        ("none", "tx,ty,rot; regulariser=0.4"),
    ],
)
def test_stopped_anywhere_and_resumed_is_uninterrupted(tiny, tmp_path, augment, augerino):
    recipe = tiny.with_(augment=augment, augerino=augerino, optimizer="adam", learning_rate=0.01)
    whole = train(recipe, evaluate_every=1, output=tmp_path / "whole")
    for stop_at in (1, 4, 7):
        folder, seen = tmp_path / f"{stop_at}", []

        def stop(seen=seen, stop_at=stop_at):
            seen.append(1)
            return len(seen) == stop_at

        with pytest.raises(RunError, match=f"stopped at iteration {stop_at} of 8; .*goes on"):
            train(recipe, evaluate_every=1, output=folder, stop=stop)
        resumed = train(recipe, evaluate_every=1, output=folder)
        assert_same(whole, resumed)
        assert not (folder / CHECKPOINT).exists()


SHARED = """
import sys
from invariscope.training import Recipe, train
recipe = Recipe({data!r}, {model!r}, size=12, epochs=3, batch_size=12, augment="RandomResizedCrop")
run = train(recipe, output=sys.argv[1], device="cpu")
assert run.facts["processes"] == 2
"""


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path, tiny):
    """Without batch normalisation, the mean gradient of two halves is that of the batch."""
    model = "small:vit?width=0.1&channels=3"
    script = SHARED.format(data=FAKE, model=model)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # As `torch.distributed.run` starts them.
    told = {
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with ExitStack() as stack:
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
        children = [
            stack.enter_context(
                Child(script, tmp_path / "two", said=tmp_path / one["RANK"],
                      environment=told | one)
            )
            for one in ranks
        ]  # fmt: skip
        for child in children:
            code, _, err = child.ended()
            assert code == 0, err
    recipe = Recipe(FAKE, model, size=12, epochs=3, batch_size=12, augment="RandomResizedCrop")
    alone, two = train(recipe, device="cpu"), read_run(tmp_path / "two")
    for name, value in weights(alone).items():
        torch.testing.assert_close(weights(two)[name], value, rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(two.values("loss"), alone.values("loss"), rtol=1e-4)


def test_looking_changes_nothing(tiny):
    seen = []

    def hook(probe, iteration):
        seen.append(iteration)
        result = measure(probe, open_source(FAKE), transformations="rotate=90", num_images=4)
        torch.rand(3)
        return {"rows": len(result.frame)}

    looked = train(tiny, hook=hook, every=3, evaluate_every=0.5)
    plain = train(tiny)
    assert seen == [0, 3, 6, 8]
    for name, value in weights(plain).items():
        assert torch.equal(value, weights(looked)[name]), name
    assert looked.values("rows").index.tolist() == [0, 3, 6, 8]
    assert looked.values("test accuracy").index.tolist() == [2, 4, 6, 8]
    assert looked.values("test accuracy").iloc[-1] == looked.accuracy
    with pytest.raises(InputError, match=r"no 'rows' in the history .*logged: learning rate, loss"):
        plain.values("rows")


def test_images_that_do_not_fit_are_read_as_they_come(tiny, monkeypatch):
    recipe = tiny.with_(augment="RandomResizedCrop", epochs=1)
    kept = train(recipe)
    made = []
    first = TrainingImages.__init__

    def small(self, *args, **how):
        how["memory"] = 100
        first(self, *args, **how)
        made.append(self)

    monkeypatch.setattr(TrainingImages, "__init__", small)
    monkeypatch.setattr(reading, "get_context", lambda _: FORKED)  # else each imports torch anew
    for workers in (0, 2):
        streamed = train(recipe, workers=workers)
        assert not made[-1].kept
        for name, value in weights(kept).items():
            torch.testing.assert_close(weights(streamed)[name], value, rtol=1e-4, atol=1e-5)


def test_a_finished_folder_is_read_and_another_recipes_is_refused(tiny, tmp_path):
    run = train(tiny, output=tmp_path)
    progressed = []
    again = train(tiny, output=tmp_path, progress=lambda *values: progressed.append(values))
    assert not progressed
    assert_same(run, again)
    assert_same(run, read_run(tmp_path))
    with pytest.raises(InputError, match=r"another training, by its recipe.json \(epochs 2"):
        train(tiny.with_(epochs=3.0), output=tmp_path)
    with pytest.raises(InputError, match="holds no finished training"):
        read_run(tmp_path / "nothing")


def test_measure_finds_the_accuracy_of_the_training(tiny, tmp_path):
    run = train(tiny.with_(augment="none", epochs=5), output=tmp_path)
    result = measure(f"trained:{tmp_path}", FAKE, metrics="accuracy", transformations="rotate=90")
    rows = result.store.images
    frame = result.rows
    untouched = frame[(frame["cell"] == "identity") & frame["control"].eq("")]
    found = untouched.set_index("image")["value"]
    assert len(rows) == 60
    assert found.loc[run.correct["image"]].tolist() == run.correct["correct"].tolist()


def test_augerino_learns_its_widths_and_is_tested_with_and_without(tiny, tmp_path):
    """With a strong reward widths grow; the fixed control keeps them."""
    learned = train(tiny.with_(augerino="tx,rot; regulariser=5; start.tx=0.3", epochs=5.0))
    fixed = train(tiny.with_(augerino="tx,rot; fixed; start.tx=0.3", epochs=5.0))
    for name in ("augerino tx", "augerino rot"):
        assert learned.values(name).is_monotonic_increasing
        assert learned.facts["augerino"][name] == learned.values(name).iloc[-1]
        assert fixed.values(name).nunique() == 1
    assert 0 <= learned.values("test accuracy without augerino").iloc[-1] <= 1
    saved = learned.save(tmp_path)
    assert saved.probe.num_outputs == 3
    with pytest.raises(InputError, match="no 'augerino tx'"):
        train(tiny).values("augerino tx")


def test_a_loss_that_is_no_number(tiny):
    with pytest.raises(RunError, match=r"the loss is (nan|inf) at iteration \d+: a smaller learn"):
        train(tiny.with_(learning_rate=1e20))


def test_a_broken_checkpoint(tiny, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"cannot read .*delete it to train from the start"):
        train(tiny, output=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg': did you mean sgd"),
        ({"schedule": "linear"}, "schedule 'linear' cannot be read"),
        ({"batch_size": 1}, "batch normalisation needs 2"),
        ({"epochs": 0}, "epochs is 0; it must be above 0"),
        ({"num_train": 0}, "num_train is 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; 0 or more"),
        ({"model": "small:resnet19"}, "resnet18"),
        ({"augment": "RandomResizeCrop"}, "did you mean RandomResizedCrop"),
        ({"augerino": "tx,tz"}, "tz"),
        ({"data": "samples"}, "samples has no labels, and a training needs them"),
    ],
)
def test_bad_recipes(tiny, change, message):
    with pytest.raises(InputError, match=message):
        train(tiny.with_(**change))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"device": "cuda:77"}, "cuda"),
        ({"mixed_precision": "fp8"}, "mixed precision 'fp8' is unknown: no, bf16, fp16 work"),
    ],
)
def test_bad_devices(tiny, how, message):
    with pytest.raises(InputError, match=message):
        train(tiny, **how)
