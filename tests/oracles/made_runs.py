"""Runs with rows of known laws, in the schema of real ones."""

from typing import Any

import numpy as np

from invariscope.metrics import METRICS
from invariscope.results import Result, RowBuilder, RowStore
from oracles.runs import manifest_of

#: "rotate=10", "rotate=20", "shear_x=10" and "shear_x=20" are the cells of `manifest_of`.
CELLS = ("identity", "rotate=10", "rotate=20", "shear_x=10", "shear_x=20")


def made_run(means, images=200, *, metric="relative_invariance", layers=("embedding",), seed=0,
             spread=0.1, looked=False, model="toy", shift=0.0):  # fmt: skip
    """A run whose rows of a cell are about its mean; other cells are at 0.9.

    The same seed gives the same noise: runs are paired, and differ by ``shift`` and more noise.
    """
    rng = np.random.default_rng(seed)
    about = METRICS.get(metric).as_dict()
    manifest: dict[str, Any] = manifest_of(images, model)
    manifest["settings"]["metrics"] = [metric]
    manifest["settings"]["layers"] = [{"name": n, "part": "Late", "depth": 1.0} for n in layers]
    manifest["metrics"] = {metric: about}
    if looked:
        manifest["execution"]["looked"] = True
    names = [f"image-{number:04}" for number in range(images)]
    labels = np.arange(images) % 2
    rows = RowBuilder(names, labels.tolist())
    for layer in layers:
        for cell in CELLS:
            mean = means.get((layer, cell), means.get(cell, 0.9))
            if about["estimate"] == "share":
                values = (rng.random(images) < mean).astype(np.float32)
            else:
                values = rng.normal(mean, spread, images).astype(np.float32) + np.float32(shift)
            if cell == "identity" and metric == "relative_invariance":
                values[:] = 1.0
            rows.add(cell=cell, layer=layer, metric=metric, control="", values=values)
    return Result(manifest, RowStore([rows.table()]))
