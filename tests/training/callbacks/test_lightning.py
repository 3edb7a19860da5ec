"""The callback of Lightning: which weights it measures, where numbers go, what it leaves alone."""

import copy
import logging
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("lightning", reason="pip install 'invariscope[lightning]'")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Lightning's own imports
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import (
        EMAWeightAveraging,
        ModelCheckpoint,
        StochasticWeightAveraging,
    )
    from lightning.pytorch.loggers import CSVLogger

from invariscope.errors import InputError
from invariscope.sweep import measure
from invariscope.training.callbacks.lightning import MeasureInvariance
from invariscope.training.during import averages_of_levels
from watched_trainings import SETTINGS, network

pytestmark = pytest.mark.filterwarnings("ignore")  # of Lightning: workers, sanity checks, loggers
KEY = "relative_invariance/rotate/embedding"
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Lit(LightningModule):
    def __init__(self):
        super().__init__()
        self.net = network()
        self.net[1].eval()  # the user's own choice: this batch norm stands still

    def step(self, batch):
        return nn.functional.cross_entropy(self.net(batch[0].expand(-1, 3, -1, -1)), batch[1])

    def on_train_epoch_start(self):
        self.net[1].eval()

    def training_step(self, batch, _):
        loss = self.step(batch)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("val_loss", self.step(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.2)


class Spy(Callback):
    """Copies of the raw and averaged networks after each step, and the modes found there."""

    def __init__(self, average=None):
        self.average, self.raw, self.averaged, self.modes, self.draws = average, {}, {}, [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.raw.setdefault(trainer.global_step, copy.deepcopy(pl_module.net))
        if self.average is not None:
            inner = self.average._average_model.module
            self.averaged[trainer.global_step] = copy.deepcopy(inner.net)
        self.modes.append([part.training for part in pl_module.modules()])
        # Python's generator is put back as well, but the type checker of the tests draws from it.
        self.draws.append((np.random.rand(), float(torch.rand(()))))  # noqa: NPY002


def fit(digits, callbacks, tmp_path, **changes):
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    module = Lit()
    data = TensorDataset(*digits)
    how: dict[str, Any] = {"max_epochs": 2, "accelerator": "cpu", **changes}
    trainer = Trainer(
        callbacks=callbacks, logger=CSVLogger(tmp_path, name="", version=""),
        enable_progress_bar=False, enable_model_summary=False, **how,
    )  # fmt: skip
    trainer.fit(module, DataLoader(data, 64, shuffle=True), DataLoader(data, 160))
    return trainer, module


def values_of(net, shown):
    result = measure(net, shown, num_images=64, **SETTINGS)
    return {"/".join(name): value for name, value in averages_of_levels(result).items()}


def history_of(callback):
    frame = callback.history
    return {
        int(step): dict(zip(rows["name"], rows["value"], strict=True))
        for step, rows in frame.groupby("step")
    }


def test_the_weights_of_training_are_measured_and_nothing_changes(digits, shown, tmp_path):
    """5 steps an epoch: 0, 4, 8 and the last, 10; beside EMA, whose weights come and go."""
    average = EMAWeightAveraging(decay=0.9)
    spy, plain_spy = Spy(average), Spy()
    callback = MeasureInvariance(shown, every=4, network="net", **SETTINGS)
    _, module = fit(digits, [callback, average, spy], tmp_path / "a", val_check_interval=2)
    found = history_of(callback)
    assert sorted(found) == [0, 4, 8, 10]
    for step, values in found.items():
        own = network() if step == 0 else spy.raw[step]
        assert values == values_of(own, shown), step
        assert step == 0 or values != values_of(spy.averaged[step], shown)
    own_average = EMAWeightAveraging(decay=0.9)
    _, plain = fit(digits, [own_average, plain_spy], tmp_path / "b", val_check_interval=2)
    for one, other in zip(module.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert spy.modes == plain_spy.modes
    assert spy.draws == plain_spy.draws
    assert not spy.modes[-1][2 + 1]  # the batch norm that the user set still
    assert all(p.requires_grad for p in module.parameters())


def test_averaged_weights_are_measured_from_their_callback(digits, shown, tmp_path):
    average = EMAWeightAveraging(decay=0.9)
    spy = Spy(average)
    callback = MeasureInvariance(shown, every=4, weights="averaged", network="net", **SETTINGS)
    fit(digits, [average, callback, spy], tmp_path, val_check_interval=2)
    found = history_of(callback)
    assert sorted(found) == [0, 4, 8, 10]
    for step in (4, 8, 10):
        assert found[step] == values_of(spy.averaged[step], shown), step
        assert found[step] != values_of(spy.raw[step], shown)


def test_numbers_reach_loggers_and_monitors(digits, shown, tmp_path):
    """Lightning drops what is logged between its logging steps, every 50 here."""
    callback = MeasureInvariance(shown, every=3, network="net", **SETTINGS)
    best = ModelCheckpoint(
        tmp_path, monitor=KEY, mode="max", every_n_train_steps=3, save_top_k=1, filename="{step}"
    )
    trainer, _ = fit(digits, [callback, best], tmp_path, log_every_n_steps=50)
    found = history_of(callback)
    assert sorted(found) == [0, 3, 6, 9, 10]
    assert float(trainer.callback_metrics[KEY]) == pytest.approx(found[10][KEY])
    assert best.best_model_score is not None
    top = max((3, 6, 9), key=lambda step: found[step][KEY])
    assert best.best_model_path.endswith(f"step={top}.ckpt")
    assert float(best.best_model_score) == pytest.approx(found[top][KEY])
    import pandas as pd

    logged = pd.read_csv(tmp_path / "metrics.csv").dropna(subset=[KEY])
    assert logged[KEY].tolist() == pytest.approx([found[s][KEY] for s in sorted(found)])


@pytest.mark.slow
def test_a_training_that_goes_on_keeps_its_history(digits, shown, tmp_path):
    saved = ModelCheckpoint(tmp_path, save_last=True)
    fit(digits, [MeasureInvariance(shown, every=5, network="net", **SETTINGS), saved], tmp_path)
    again = MeasureInvariance(shown, every=5, network="net", **SETTINGS)
    trainer = Trainer(
        callbacks=[again], max_epochs=3, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    data = DataLoader(TensorDataset(*digits), 64)
    trainer.fit(Lit(), data, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert sorted(history_of(again)) == [0, 5, 10, 15]


@pytest.mark.slow
def test_no_average_is_taken_for_the_weights_of_training(digits, shown, tmp_path):
    """StochasticWeightAveraging has its average in the module for one epoch, with a 16th step."""
    callback = MeasureInvariance(shown, every=4, network="net", **SETTINGS)
    spy = Spy()
    swa = StochasticWeightAveraging(swa_lrs=0.1, swa_epoch_start=1)
    trainer, _ = fit(digits, [callback, swa, spy], tmp_path, max_epochs=3)
    found = history_of(callback)
    assert trainer.global_step == 16
    assert sorted(found) == [0, 4, 8, 12, 15]
    for step in (4, 8, 12, 15):
        assert found[step] == values_of(spy.raw[step], shown)


def test_gradients_that_are_added_up_are_one_step(digits, shown, tmp_path):
    callback = MeasureInvariance(shown, every=2, network="net", **SETTINGS)
    fit(digits, [callback], tmp_path, accumulate_grad_batches=2, max_epochs=1)
    assert sorted(history_of(callback)) == [0, 2, 3]


def test_what_cannot_be_measured_is_refused(digits, shown, tmp_path):
    alone = MeasureInvariance(shown, every=2, weights="averaged", **SETTINGS)
    with pytest.raises(InputError, match="no callback of this trainer averages weights: add"):
        fit(digits, [alone], tmp_path)
    before = MeasureInvariance(shown, every=2, weights="averaged", **SETTINGS)
    with pytest.raises(InputError, match=r"before EMAWeightAveraging, .* put it after"):
        fit(digits, [before, EMAWeightAveraging()], tmp_path)
    with pytest.raises(InputError, match="`weights` is 'ema': give one of training, averaged"):
        MeasureInvariance(shown, every=2, weights="ema")
    with pytest.raises(InputError, match="`every` is 0"):
        MeasureInvariance(shown, every=0)
    with pytest.raises(InputError, match="`output` has no place in a callback"):
        MeasureInvariance(shown, every=2, output="runs/a")
    wrong = MeasureInvariance(shown, every=2, network="model", **SETTINGS)
    with pytest.raises(InputError, match="no module of Lit: it has net"):
        fit(digits, [wrong], tmp_path)
