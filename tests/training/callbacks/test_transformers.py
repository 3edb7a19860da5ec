"""The callback of the Trainer: steps, trackers, evaluations, and a best model that is none."""

import logging
import warnings
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

pytest.importorskip("transformers", reason="pip install 'invariscope[transformers]'")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import (
        ResNetConfig,
        ResNetForImageClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        ViTConfig,
        ViTForImageClassification,
    )

from invariscope.errors import InputError
from invariscope.sweep import measure
from invariscope.training.callbacks.transformers import MeasureInvariance, best_model
from invariscope.training.during import averages_of_levels
from watched_trainings import SETTINGS

pytestmark = pytest.mark.filterwarnings("ignore")
TEN: Any = {"num_labels": 10}
KEY = "relative_invariance/rotate/embedding"
logging.getLogger("transformers").setLevel(logging.ERROR)


class Items(Dataset):
    def __init__(self, digits):
        self.pixels, self.labels = digits[0].expand(-1, 3, -1, -1), digits[1]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"pixel_values": self.pixels[index], "labels": self.labels[index]}


def vit():
    torch.manual_seed(1)
    return ViTForImageClassification(
        ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            image_size=8, patch_size=4, hidden_dropout_prob=0.2, **TEN,
        )
    )  # fmt: skip


def resnet():
    torch.manual_seed(1)
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **TEN,
        )
    )  # fmt: skip


class Spy(TrainerCallback):
    def __init__(self):
        self.weights, self.modes = {}, []

    def on_step_end(self, args, state, control, **given):
        model = given["model"]
        self.weights[state.global_step] = {k: v.clone() for k, v in model.state_dict().items()}
        self.modes.append([part.training for part in model.modules()])


def trainer_of(model, digits, folder, **changes):
    how: dict[str, Any] = {
        "num_train_epochs": 2,
        "logging_steps": 2,
        "learning_rate": 5e-3,
        **changes,
    }
    arguments = TrainingArguments(
        str(folder), per_device_train_batch_size=64, per_device_eval_batch_size=160,
        report_to="none", disable_tqdm=True, use_cpu=True, seed=3, **how,
    )  # fmt: skip
    data = Items(digits)
    return Trainer(model, arguments, train_dataset=data, eval_dataset=data)


def values_of(model, shown):
    result = measure(model, shown, num_images=64, **SETTINGS)
    return {"/".join(name): value for name, value in averages_of_levels(result).items()}


def history_of(callback):
    return {
        int(step): dict(zip(rows["name"], rows["value"], strict=True))
        for step, rows in callback.history.groupby("step")
    }


@pytest.fixture
def quiet(capsys):
    """The Trainer prints what it logs."""
    yield
    capsys.readouterr()


@pytest.mark.usefixtures("quiet")
def test_every_k_steps_and_nothing_changes(digits, shown, tmp_path):
    trainer = trainer_of(vit(), digits, tmp_path, save_strategy="no")
    callback, spy = MeasureInvariance(trainer, shown, every=4, **SETTINGS), Spy()
    trainer.add_callback(callback)
    trainer.add_callback(spy)
    trainer.train()
    found = history_of(callback)
    assert sorted(found) == [0, 4, 8, 10]
    for step in (4, 8, 10):
        model = vit()
        model.load_state_dict(spy.weights[step])
        assert found[step] == values_of(model, shown), step
    logged = {row["step"]: row[KEY] for row in trainer.state.log_history if KEY in row}
    assert logged == {step: values[KEY] for step, values in found.items()}
    plain = trainer_of(vit(), digits, tmp_path / "plain", save_strategy="no")
    own = Spy()
    plain.add_callback(own)
    plain.train()
    for one, other in zip(spy.weights[10].values(), own.weights[10].values(), strict=True):
        assert torch.equal(one, other)
    assert spy.modes == own.modes
    losses = [
        [(row["step"], row["loss"]) for row in each.state.log_history if "loss" in row]
        for each in (trainer, plain)
    ]
    assert losses[0] == losses[1]  # the loss of a step that is measured is logged as well
    assert [step for step, _ in losses[0]] == [2, 4, 6, 8, 10]


@pytest.mark.usefixtures("quiet")
def test_an_evaluation_chooses_the_best_and_a_mixture_is_refused(digits, shown, tmp_path):
    trainer = trainer_of(
        vit(), digits, tmp_path, num_train_epochs=3, eval_strategy="steps", eval_steps=5,
        save_strategy="steps", save_steps=5, load_best_model_at_end=True,
        metric_for_best_model=f"eval_{KEY}", greater_is_better=True,
    )  # fmt: skip
    callback = MeasureInvariance(trainer, shown, every="evaluation", **SETTINGS)
    trainer.add_callback(callback)
    trainer.train()
    found = history_of(callback)
    assert sorted(found) == [5, 10, 15]
    best = max(found, key=lambda step: found[step][KEY])
    assert best != 15, "the last step is the best: this test needs another seed"
    assert str(trainer.state.best_model_checkpoint).endswith(f"checkpoint-{best}")
    assert values_of(best_model(trainer), shown)[KEY] == pytest.approx(found[best][KEY], abs=1e-6)
    assert values_of(trainer.model, shown)[KEY] != pytest.approx(found[best][KEY], abs=1e-6)
    with pytest.warns(UserWarning, match=r"\d+ of 24 tensors .* nothing was measured"):
        metrics = trainer.evaluate()
    assert f"eval_{KEY}" not in metrics
    assert len(history_of(callback)) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_a_best_model_that_is_one_is_measured(digits, shown, tmp_path):
    trainer = trainer_of(
        resnet(), digits, tmp_path, eval_strategy="steps", eval_steps=5, save_strategy="steps",
        save_steps=5, load_best_model_at_end=True, metric_for_best_model="loss",
    )  # fmt: skip
    trainer.add_callback(MeasureInvariance(trainer, shown, every="evaluation", **SETTINGS))
    trainer.train()
    metrics = trainer.evaluate()
    assert metrics[f"eval_{KEY}"] == pytest.approx(values_of(best_model(trainer), shown)[KEY])


def test_messages(digits, shown, tmp_path):
    trainer = trainer_of(resnet(), digits, tmp_path)
    with pytest.raises(InputError, match="`every` is 'epoch'"):
        MeasureInvariance(trainer, shown, every="epoch")
    model: Any = trainer.model
    with pytest.raises(InputError, match=r"`trainer` is a .*: give the Trainer itself"):
        MeasureInvariance(model, shown, every=2)
    with pytest.raises(InputError, match="no best checkpoint: train with"):
        best_model(trainer)
    trainer.is_deepspeed_enabled = True
    with pytest.raises(InputError, match="spreads the weights over devices"):
        MeasureInvariance(trainer, shown, every=2)
