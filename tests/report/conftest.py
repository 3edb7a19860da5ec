"""A result that is true to the schema and made of seeded numbers."""

import shutil
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from invariscope.metrics import METRICS
from invariscope.transformations import FAMILIES
from report.in_browser import FLAGS, opened

LEVELS = {
    "rotate": ("geometric", "°", [20.0 * k for k in range(10)]),
    "shear_x": ("geometric", "°", [5.0 * k for k in range(10)]),
    "shear_y": ("geometric", "°", [5.0 * k for k in range(10)]),
    "translate_x": ("geometric", "of the side", [k / 18 for k in range(10)]),
    "translate_y": ("geometric", "of the side", [k / 18 for k in range(10)]),
    "zoom_in": ("geometric", "×", list(np.linspace(1, 3.5, 10))),
    "zoom_out": ("geometric", "×", list(np.linspace(1, 0.28, 10))),
    "brightness_up": ("appearance", "×", list(np.linspace(1, 2, 10))),
    "brightness_down": ("appearance", "×", list(np.linspace(1, 0, 10))),
    "contrast_up": ("appearance", "×", list(np.linspace(1, 2, 10))),
    "contrast_down": ("appearance", "×", list(np.linspace(1, 0, 10))),
    "posterize": ("appearance", "bits", [8.0, 7, 6, 6, 5, 4, 3, 3, 2, 1]),
    "solarize": ("appearance", "threshold", list(np.linspace(1, 0, 10))),
}
ALL = tuple(LEVELS)
FEW = ("rotate", "translate_x", "brightness_up")
_SLOPES = [1.0, 0.6, 0.55, 0.3, 0.3, 0.7, 0.95, 0.04, 0.6, 0.05, 0.5, 0.4, 0.7]
SLOPES = dict(zip(LEVELS, _SLOPES, strict=True))
LAYERS = [
    *[
        {"name": f"blocks.{k}", "part": p, "depth": k / 9}
        for k, p in enumerate(["Early", "Early", "Early", "Middle", "Middle", "Late", "Late"])
    ],
    {"name": "embedding", "part": "Pool", "depth": 0.95},
    {"name": "logits", "part": "Final", "depth": 1.0},
]
EVERYWHERE = [
    "relative_invariance",
    "relative_invariance:l2",
    "mean_relative_invariance",
    "mean_relative_invariance:l2",
]


@dataclass
class FakeResult:
    frame: pd.DataFrame
    controls: pd.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)
    example: np.ndarray | None = None


def summary_rows(rng, names, layers, classes, n, controls):
    """Rows with the columns of summary.parquet."""
    rows = []

    def add(control, metric, name, level, layer, value, label=None, count=n):
        kind, unit, magnitudes = LEVELS.get(name, ("appearance", "×", list(range(10))))
        width = 0.0 if level == 0 else 0.05 if label is None else 0.15
        ends = (value - width, value + width) if count > 1 else (np.nan, np.nan)
        rows.append({
            "control": control, "metric": metric, "transformation": name, "level": level,
            "magnitude": magnitudes[level], "unit": unit, "kind": kind, "layer": layer["name"],
            "part": layer["part"], "class": label, "value": value, "ci_low": ends[0],
            "ci_high": ends[1], "n": count, "n_undefined": 0, "model": "m", "data": "d",
        })  # fmt: skip

    for name in names:
        for level in range(10):
            for layer in layers:
                depth = 0.4 + 0.6 * layer["depth"]
                fall = SLOPES.get(name, 0.5) * depth * (level / 9) ** 0.7
                value = 1.0 if level == 0 else 1 - fall + 0.02 * rng.standard_normal()
                for metric in EVERYWHERE:
                    add("", metric, name, level, layer, value)
                for label in classes if layer["name"] in ("embedding", "logits") else ():
                    shift = 0.0 if level == 0 else 0.3 * rng.standard_normal()
                    count = n // max(len(classes), 1)
                    add("", EVERYWHERE[0], name, level, layer, value - 0.2 + shift, label, count)
                if layer["name"] == "logits":
                    add("", "prediction_consistency", name, level, layer, max(0.0, 1 - 1.1 * fall))
                    if classes:
                        add("", "accuracy", name, level, layer, 0.8 * max(0.0, 1 - 1.1 * fall))
                if layer["name"] == "embedding":
                    if "untrained" in controls and level in (3, 6, 9):
                        add("untrained", EVERYWHERE[0], name, level, layer, 0.9 - 0.05 * level)
                    if "shuffled" in controls:
                        noise = 0.03 * rng.standard_normal()
                        add("shuffled", EVERYWHERE[0], name, level, layer, noise)
                    if "floor" in controls and LEVELS.get(name, "a")[0] == "geometric":
                        add("floor", EVERYWHERE[0], name, level, layer, 1 - 0.02 * level)
    return pd.DataFrame(rows)


def photograph(side=224):
    """A smooth picture with something in it, uint8 [side, side, 3]."""
    y, x = np.mgrid[0:side, 0:side] / side
    sun = ((x - 0.7) ** 2 + (y - 0.3) ** 2 < 0.02).astype(float)
    hill = (y > 0.75 - 0.2 * np.sin(3 * x)).astype(float)
    channels = [
        0.5 + 0.3 * x + sun - 0.4 * hill,
        0.6 + sun * 0.7 - 0.2 * hill,
        0.9 - 0.5 * y - hill,
    ]
    return (np.clip(np.stack(channels, -1), 0, 1) * 255).astype(np.uint8)


def make_result(
    *,
    names=FEW,
    layers=tuple(LAYERS),
    classes=(),
    n=48,
    controls=("untrained", "floor", "shuffled"),
    example=True,
    seed=0,
    example_id="astronaut/3",
):
    """A result with falling curves; every argument that is emptied makes a section disappear."""
    table = summary_rows(np.random.default_rng(seed), names, layers, classes, n, controls)
    frame = table[table["control"] == ""].drop(columns="control").reset_index(drop=True)
    cells = [
        {"transformation": name, "level": k, "magnitude": LEVELS[name][2][k],
         "unit": LEVELS[name][1], "kind": LEVELS[name][0], "cell": f"{name}:{k}"}
        for name in names if name in LEVELS for k in range(10)
    ]  # fmt: skip
    known = [*EVERYWHERE, "prediction_consistency", "accuracy"]
    manifest = {
        "format": 1,
        "version": "0.1.0",
        "identity": "0123456789abcdef",
        "settings": {
            "model": "builtin:efficientnet-lite0", "weights": "3f" * 32,
            "preprocessing": {"size": [224, 224], "resize": 256, "interpolation": "bicubic",
                              "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "channels": 3,
                              "source": "timm default_cfg"},
            "data": "samples", "images": "ab" * 32, "num_images": n, "seed": 0,
            "table": "standard", "border": "zeros", "fill": 0.0, "interpolation": "bilinear",
            "metrics": EVERYWHERE, "controls": list(controls), "block_size": 32,
            "layers": list(layers), "cells": cells,
        },
        "classes": list(classes) or None,
        "images": {"selected": n + 2, "used": n, "available": 96,
                   "skipped": [{"image": "broken.jpg", "reason": "truncated file"}],
                   "notes": ["2 files are not images and were left out: notes.txt, x.csv"]},
        "metrics": {m: METRICS.get(m).as_dict() for m in known},
        "transformations": {n: FAMILIES.get(n).as_dict() for n in names if n in FAMILIES},
        "environment": {"python": "3.11.2", "torch": "2.9.0", "device": "cpu"},
        "execution": {"status": "finished", "batch_size": 32, "workers": 2, "events": [],
                      "forward_passes": 143, "seconds": 100.0, "started": "2026-11-05T10:00:00"},
        "example": {"image": example_id},
        "warnings": [],
    }  # fmt: skip
    picture = photograph() if example else None
    return FakeResult(
        frame, table[table["control"] != ""].reset_index(drop=True), manifest, picture
    )


@pytest.fixture(scope="session")
def make():
    """The maker of results, as a fixture because tests are no package."""
    return make_result


@pytest.fixture(scope="session")
def all_families():
    """The 13 families of the standard table."""
    return ALL


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by Playwright, whose own `install` is not needed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page's text, or its file, in a window; see `in_browser`."""
    shown = []

    def run(page, width=1200):
        path = page
        if isinstance(page, str):
            path = tmp_path / f"shown {len(shown)}.html"
            path.write_text(page, encoding="utf-8")
        shown.append(opened(browser, path, width))
        return shown[-1]

    yield run
    for one in shown:
        one.page.close()
