"""Whatever is called, the caller's generators, settings and folder are afterwards as they were."""

import contextlib
import logging
import os
import pickle
import signal
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import invariscope
from damage import TRAINED, every_cell_study, make_inputs
from invariscope import metrics
from invariscope.effects import class_effects
from invariscope.foregrounds import measure_foregrounds
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.training import Recipe, representation_distances, train, transfer

DATA = "torchvision:FakeData?size=24&image_size=3,12,12&num_classes=2"
SIZE = {"preprocessing": {"size": 12}}


def caller() -> dict[str, object]:
    """Everything of this process that is not ours."""
    cudnn = torch.backends.cudnn
    root = logging.getLogger()
    return {
        "torch's generator": torch.random.get_rng_state().numpy().tobytes(),
        "CUDA's generators": [
            torch.cuda.get_rng_state(k).numpy().tobytes() for k in range(torch.cuda.device_count())
        ],
        "NumPy's generator": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "environment": dict(os.environ),
        "warning filters": list(warnings.filters),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "grad and inference mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "default dtype": torch.get_default_dtype(),
        "determinism": (
            torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark,
            torch.get_float32_matmul_precision(), cudnn.allow_tf32,
        ),
        "matplotlib": dict(mpl.rcParams),
        "handlers": (list(root.handlers), root.level, logging.root.manager.disable),
        "folder": os.getcwd(),
        "search path": list(sys.path),
        "limit of pixels": Image.MAX_IMAGE_PIXELS,
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "errors of NumPy": np.geterr(),
        "display of pandas": pd.get_option("display.max_rows"),
    }  # fmt: skip


class Net(torch.nn.Module):
    """A small network with dropout and batch norm, in training mode."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Dropout(0.5),
            torch.nn.Linear(4, 2),
        )  # fmt: skip

    def forward(self, x):
        return self.body(x)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network and its state, a result, and a trained network, made once."""
    with torch.random.fork_rng(devices=[]):
        net = Net()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    result = invariscope.measure(
        net, DATA, transformations="rotate=90", groups="C4", num_images=8,
        metrics="relative_invariance,accuracy,channel_invariance:pooled",
    )  # fmt: skip
    recipe = Recipe(DATA, TRAINED, size=12, epochs=1, batch_size=8, augment="CutMix")
    run = train(recipe, output=tmp_path_factory.mktemp("trained"))
    return {"net": net, "state": state, "result": result, "run": run}


def correct() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    rows = [
        (f"{k}", "ab"[k % 2], method, seed, int(draw.integers(2)))
        for method in ("none", "crop") for seed in range(3) for k in range(40)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "class", "method", "seed", "correct"])


def cut_outs() -> list[Image.Image]:
    pictures = []
    for left in (1, 4, 7):
        pixels = np.zeros((12, 12, 4), dtype=np.uint8)
        pixels[3:8, left : left + 4, 3] = 255
        pictures.append(Image.fromarray(pixels))
    return pictures


def all_metrics() -> None:
    """Each public metric on tensors."""
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randn(6, 5, generator=draw) for _ in range(2))
    maps, moved = (torch.randn(3, 4, 5, 5, generator=draw) for _ in range(2))
    pairing = torch.tensor([1, 2, 3, 4, 5, 0])
    metrics.relative_invariance(x, y, pairing=pairing)
    metrics.mean_relative_invariance(x, y)
    metrics.channel_invariance(maps, moved)
    metrics.channel_equivariance(maps, moved)
    metrics.channel_eed(maps, moved)
    metrics.linear_cka(x, y)
    metrics.softmax_eed(torch.softmax(x[None], dim=-1))
    metrics.class_distance_ratio(x, torch.tensor([0, 0, 0, 1, 1, 1]))


def distances(folder, made):
    """The smallest of sets that have twins."""
    return representation_distances(made["run"].probe, "transforms2d:shapes?num=20&classes=4")


CALLS = {
    "measure": lambda folder, made: invariscope.measure(
        made["net"], DATA, transformations="rotate=20/90,hue", groups="C4", twin=True, floor=True,
        metrics="relative_invariance,lie_derivative,channel_invariance", output=folder / "run",
    ),
    "measure in threads": lambda folder, made: invariscope.measure(
        made["net"], torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(0)),
        transformations="brightness_down", workers=2,
    ),
    "find_factors": lambda folder, made: invariscope.find_factors(
        made["net"], DATA, operations="singles", pairs=4, output=folder / "run"
    ),
    "foregrounds": lambda folder, made: measure_foregrounds(cut_outs(), masks="alpha"),
    "load_model": lambda folder, made: invariscope.load_model("timm:resnet18+untrained"),
    "load_model trained": lambda folder, made: invariscope.load_model(
        f"trained:{made['run'].folder}"
    ),
    "predict": lambda folder, made: made["run"].probe.predict(cut_outs()),
    "train": lambda folder, made: train(
        made["run"].recipe.with_(augerino="tx,ty"), output=folder / "run", evaluate_every=1
    ),
    "transfer": lambda folder, made: transfer(
        made["run"].probe, DATA, num_train=12, num_test=8
    ).save(folder / "moved"),
    "representation_distances": distances,
    "class_effects": lambda folder, made: class_effects(correct(), "none"),
    "plot": lambda folder, made: made["result"].plot(),
    "to_html": lambda folder, made: made["result"].to_html(folder / "page.html"),
    "compare": lambda folder, made: made["result"].compare(made["result"]),
    "Leaderboard": lambda folder, made: invariscope.Leaderboard(
        [made["result"], made["result"]]
    ).to_html(folder / "board.html"),
    "a study": lambda folder, made: run_study(
        every_cell_study(), "smoke", output=folder / "study", lab=Lab(folder / "cells")
    ),
    "metrics": lambda folder, made: all_metrics(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "mode"),
    [(call, contextlib.nullcontext) for call in CALLS]
    + [(call, torch.inference_mode) for call in ("measure", "find_factors", "predict", "train")],
)
def test_the_callers_world_stays_as_it_was(call, mode, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if call == "a study":
        make_inputs(tmp_path)
    with mode():
        before = caller()
        CALLS[call](tmp_path, made)
        after = caller()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, {name: (before[name], after[name]) for name in changed}
    assert made["net"].training
    now = made["net"].state_dict()
    assert all(torch.equal(now[name], value) for name, value in made["state"].items())
