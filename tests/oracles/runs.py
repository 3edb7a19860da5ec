"""A small run in the schema of a real one, with known values."""

import numpy as np

from invariscope.metrics import METRICS
from invariscope.results import RowBuilder
from invariscope.results.rows import LAYERED
from invariscope.runs.block_files import completed_blocks as completed
from invariscope.transformations import FAMILIES

LEVELS = (0, 1, 2)


def manifest_of(images=20, model="toy", data="toys", seed=0):
    cells = [
        {
            "transformation": name,
            "level": level,
            "magnitude": 10.0 * level,
            "unit": "°",
            "kind": "geometric",
            "shown": f"{10 * level}°",
            "cell": "identity" if level == 0 else f"{name}={10 * level}",
        }
        for name in ("rotate", "shear_x")
        for level in LEVELS
    ]
    cells.append({**cells[-1], "level": 3, "magnitude": 20.0})  # one cell shown twice
    return {
        "format": 1,
        "version": "0.1.0",
        "identity": "0123456789abcdef",
        "settings": {
            "model": model,
            "data": data,
            "seed": seed,
            "num_images": images,
            "metrics": ["relative_invariance", "mean_relative_invariance"],
            "controls": ["shuffled"],
            "layers": [
                {"name": "a", "part": "Early", "depth": 0.3},
                {"name": "embedding", "part": "Pool", "depth": 0.9},
            ],
            "cells": cells,
        },
        "classes": ["cat", "dog"],
        "images": {"selected": images, "used": images, "skipped": [], "notes": []},
        "metrics": {
            name: METRICS.get(name).as_dict()
            for name in ("relative_invariance", "mean_relative_invariance")
        },
        "transformations": {n: FAMILIES.get(n).as_dict() for n in ("rotate", "shear_x")},
        "execution": {"status": "finished"},
        "warnings": [],
    }


def tables_of(images=20, size=8, shift=0.0, seed=0, undefined=()):
    """Rows in blocks, and the arrays that they were made of: {(layer, metric, control, cell)}."""
    rng = np.random.default_rng(seed)
    names = [f"image-{number:03}" for number in range(images)]
    labels = np.arange(images) % 2
    truth = {}
    for layer in ("a", "embedding"):
        for cell in ("identity", "rotate=10", "rotate=20", "shear_x=10", "shear_x=20"):
            for metric in ("relative_invariance", "mean_relative_invariance"):
                values = np.ones(images) if cell == "identity" else rng.normal(0.5, 0.2, images)
                values = values.astype(np.float32) + (0 if cell == "identity" else shift)
                values[list(undefined)] = np.nan
                weights = np.ones(images)
                if metric == "mean_relative_invariance":
                    weights = rng.uniform(0.5, 2, images)
                truth[layer, metric, "", cell] = values, weights.astype(np.float32)
                if layer == "embedding" and metric == "relative_invariance":
                    null = rng.normal(0, 0.2, images).astype(np.float32)
                    truth[layer, metric, "shuffled", cell] = null, np.ones(images, np.float32)
    tables = []
    for start in range(0, images, size):
        part = slice(start, min(start + size, images))
        rows = RowBuilder(names[part], labels[part].tolist())
        for (layer, metric, control, cell), (values, weights) in truth.items():
            rows.add(
                cell=cell, layer=layer, metric=metric, control=control,
                values=values[part], weights=weights[part],
            )  # fmt: skip
        tables.append(rows.table())
    return tables, truth


def completed_blocks(folder, run=None):
    """The blocks of a sweep that are whole."""
    return completed(folder, run, LAYERED)
