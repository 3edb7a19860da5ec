"""Calls every public function and prints what it has changed of the caller's world, as JSON.

A process of its own, since the type checker of the tests draws from Python's generator. It works in
the current folder.
"""

import contextlib
import json
import logging
import os
import pickle
import random
import shutil
import signal
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from PIL import Image

import invariscope
from damage import TRAINED, every_job_study, make_inputs
from invariscope import metrics
from invariscope.effects import class_effects
from invariscope.foregrounds import measure_foregrounds
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.training import Recipe, representation_distances, train, transfer

DATA = "pictures"
SIZE = {"size": 12}


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
        "Python's generator": random.getstate(),
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


def made(folder: Path) -> dict:
    """A network and its state, a result, and a trained network."""
    net = Net()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    result = invariscope.measure(
        net, DATA, transformations="rotate=90", groups="C4", num_images=8, preprocessing=SIZE,
        metrics="relative_invariance,accuracy,channel_invariance:pooled",
    )  # fmt: skip
    recipe = Recipe(DATA, TRAINED, size=12, epochs=1, batch_size=8, augment="CutMix")
    run = train(recipe, output=folder / "trained")
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
        made["net"], DATA, preprocessing=SIZE, transformations="rotate=20/90,hue", groups="C4",
        twin=True, floor=True, metrics="relative_invariance,lie_derivative,channel_invariance",
        output=folder / "run",
    ),
    "measure in threads": lambda folder, made: invariscope.measure(
        made["net"], torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(0)),
        transformations="brightness_down", workers=2,
    ),
    "find_factors": lambda folder, made: invariscope.find_factors(
        made["net"], DATA, preprocessing=SIZE, operations="singles", pairs=4, output=folder / "run"
    ),
    "foregrounds": lambda folder, made: measure_foregrounds(
        cut_outs(), masks="alpha", output=folder / "run"
    ),
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
    "compare": lambda folder, made: made["result"].compare(made["result"]).to_text(),
    "Leaderboard": lambda folder, made: invariscope.Leaderboard(
        [made["result"], made["result"]]
    ).to_html(folder / "board.html"),
    "a study": lambda folder, made: run_study(
        every_job_study(), "smoke", output=folder / "study", lab=Lab(folder / "jobs")
    ),
    "metrics": lambda folder, made: all_metrics(),
}  # fmt: skip


MODES = [(name, contextlib.nullcontext) for name in CALLS] + [
    (name, torch.inference_mode) for name in ("measure", "find_factors", "predict", "train")
]


def main() -> None:
    """Makes the calls; each gets a folder of its own."""
    start, changed = Path.cwd(), {}
    make_inputs(start)
    things = made(start)
    for name, mode in MODES:
        folder = start / f"{name} {mode.__name__}"
        folder.mkdir()
        shutil.copytree(start / "pictures", folder / "pictures")
        os.chdir(folder)
        with mode():
            before = caller()
            CALLS[name](folder, things)
            after = caller()
        os.chdir(start)
        net = things["net"]
        moved = [key for key in before if before[key] != after[key]]
        moved += [] if net.training else ["the mode of the network"]
        state = net.state_dict()
        moved += [key for key, old in things["state"].items() if not torch.equal(state[key], old)]
        changed[f"{name}, {mode.__name__}"] = moved
    print(json.dumps(changed))


if __name__ == "__main__":
    main()
