"""Measures one block: every cell, layer, metric and control, as rows, for one model or several.

A block is independent: its images, their pairing and their values depend on nothing else, except
for the channel measures over the data set (``:pooled``), which build on the blocks before. Models
that see the same pictures under the same cells share the moved images: these are made once.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
from torch import Tensor

from invariscope.cache import Shown
from invariscope.devices import as_float
from invariscope.results import RowBuilder
from invariscope.sweep.model_block import ModelBlock, Work
from invariscope.sweep.moved import Moved


def measure_block(works: Sequence[Work]) -> list[pa.Table]:
    """Measures one block.

    Args:
        works: What is to be done for each model, on the same images.

    Returns:
        The block's rows for each; none if fewer than two images could be read.
    """
    sample = works[0].sample
    ids = sample.block.ids
    if len(ids) < 2:
        return [RowBuilder(ids, work.sample.labels).table() for work in works]
    shown = Shown(sample.block.pixels(), ids, works[0].setup.seed)
    pixels = as_float(shown.pixels.to(works[0].setup.probe.device, non_blocking=True))
    tables: dict[int, pa.Table] = {}
    for alike in _alike(works):
        models = [ModelBlock(works[position], pixels) for position in alike]
        _send(models, shown, pixels)
        for position, model in zip(alike, models, strict=True):
            tables[position] = model.table()
    return [tables[position] for position in range(len(works))]


def _alike(works: Sequence[Work]) -> list[list[int]]:
    """Groups the positions of models that are sent the same moved images."""
    groups: dict[Hashable, list[int]] = {}
    for position, work in enumerate(works):
        setup = work.setup
        # Whether a twin is sent a cell, too, is up to each model; its maps are compared in parts.
        cells = tuple(replace(cell, twin=False) for cell in setup.cells)
        key = position if work.channels is not None else (cells, setup.seed)
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def _send(models: Sequence[ModelBlock], shown: Shown, pixels: Tensor) -> None:
    """Moves the images and sends them through the networks, some cells at a time."""
    first = models[0]
    for part in first.parts:
        size = min(model.work.batches.size for model in models)
        for some in _spans(first, max(1, size // (part.stop - part.start))):
            cells = first.work.setup.cells[some]
            moved = Moved(shown, pixels[part], shown.ids[part], cells)
            for model in models:
                model.send(moved, some, part)


def _spans(model: ModelBlock, size: int) -> Iterator[slice]:
    """Splits the cells into those that share a pass; with maps, the identity goes first, alone."""
    cells = len(model.work.setup.cells)
    first = 0 if model.maps is None else 1
    if first:
        yield slice(0, 1)
    for start in range(first, cells, size):
        yield slice(start, min(start + size, cells))
