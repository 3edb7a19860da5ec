"""Memory that runs out: whoever says so, wherever it is, a run goes on or ends in one line."""

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.errors import RunError
from invariscope.sweep.moved import Moved

REASONS = (
    torch.OutOfMemoryError("no room"),
    MemoryError("no room"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.GELU())
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.body(4 * (x - 0.4)).mean((2, 3)))


def measured(model=None, **how: Any):
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    settings: dict[str, Any] = {
        "transformations": "rotate=20/40/60,posterize=3", "layers": "body", "workers": 0,
        "metrics": "relative_invariance", **how,
    }  # fmt: skip
    return invariscope.measure(model or Small(), images, **settings)


def assert_halved(one, other):
    keys = ["image", "cell", "layer", "metric", "control"]
    both = one.rows.merge(other.rows, on=keys, suffixes=("", "_other"))
    assert len(both) == len(one.rows) == len(other.rows)
    assert np.allclose(both.value, both.value_other, rtol=1e-4, atol=2e-5, equal_nan=True)
    execution = other.manifest["execution"]
    assert execution["batch_size"] < 256
    assert any("out of memory" in event for event in execution["events"])


@pytest.mark.parametrize("reason", REASONS)
def test_in_the_network(reason):
    class Greedy(Small):
        def forward(self, x):
            if len(x) > 5:
                raise reason
            return super().forward(x)

    other = measured(Greedy(), batch_size=256)
    assert_halved(measured(), other)
    assert other.manifest["execution"]["batch_size"] <= 5


@pytest.mark.parametrize(
    ("reason", "metrics"),
    [(REASONS[0], "relative_invariance"), (REASONS[2], "channel_equivariance")],
)
def test_while_images_are_moved(monkeypatch, reason, metrics):
    """Not even the moved images fit where many cells are moved at once."""
    whole = measured(metrics=metrics, twin=True)
    batch: Any = Moved.batch
    make = batch.func

    def narrow(self):
        if len(self.cells) > 2:
            raise reason
        return make(self)

    monkeypatch.setattr(Moved, "batch", property(narrow))
    assert_halved(whole, measured(metrics=metrics, twin=True, batch_size=256))

    def hopeless(self):
        raise reason

    monkeypatch.setattr(Moved, "batch", property(hopeless))
    with pytest.raises(RunError, match=r"out of memory where 8 images are moved: use a larger"):
        measured(metrics=metrics)


def test_what_did_not_fit_is_let_go_before_it_is_tried_again():
    """An error holds the frames in which it was raised, and they the activations."""
    held: list[weakref.ref] = []

    class Greedy(Small):
        def forward(self, x):
            assert not held or held[-1]() is None, "what did not fit is still there"
            if len(x) > 5:
                activations = x + 1
                held.append(weakref.ref(activations))
                raise torch.OutOfMemoryError("no room")
            return super().forward(x)

    measured(Greedy())
    assert held
