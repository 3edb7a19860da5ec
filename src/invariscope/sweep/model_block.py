"""Measures one block with one model: its passes, what is compared in them, and the rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import torch
from torch import Tensor

from invariscope.devices import one_memory_error
from invariscope.errors import RunError
from invariscope.metrics import OrbitMetric
from invariscope.models import Probe
from invariscope.results import RowBuilder
from invariscope.runs.batches import Batches, Watcher
from invariscope.sweep.channels import ChannelState
from invariscope.sweep.lie import lie_values
from invariscope.sweep.maps import MapMeasures, image_parts
from invariscope.sweep.moved import Moved
from invariscope.sweep.plan import FLOOR, MEASUREMENT, SHUFFLED, UNTRAINED, Cell
from invariscope.sweep.scores import HEADLINE_LAYERS, Scores
from invariscope.sweep.setup import Sample, Setup
from invariscope.sweep.watchers import CellWatcher, ReferenceWatcher


@dataclass(frozen=True)
class Work:
    """What is to be done for one model.

    Args:
        setup: Models, plan, metrics.
        sample: The images.
        batches: Forward batches.
        channels: The channel sums of the run, which the block adds to; None without such metrics.
        advance: Told how many images went through a network (`Setup.passes` of each in all).
    """

    setup: Setup
    sample: Sample
    batches: Batches
    channels: ChannelState | None
    advance: Callable[[int], None]


@dataclass
class _Vectors:
    """The vectors of a block's forward passes: [image, element] by network, cell and layer."""

    parts: dict[tuple[str, str, str], list[Tensor]] = field(default_factory=dict)

    def add(self, network: str, cells: Sequence[Cell], count: int, vectors: dict[str, Tensor]):
        """Takes the vectors of these cells, each of ``count`` images."""
        for layer, values in vectors.items():
            for cell, part in zip(cells, values.split(count), strict=True):
                name = f"{cell.control}|{cell.key}"
                self.parts.setdefault((network, name, layer), []).append(part)

    def stack(self, network: str, cells: Sequence[Cell], layer: str) -> Tensor:
        """Stacks the vectors of the whole block: [cell, image, element]."""
        pieces = [self.parts[network, f"{cell.control}|{cell.key}", layer] for cell in cells]
        return torch.stack([torch.cat(parts) if len(parts) > 1 else parts[0] for parts in pieces])

    def forget(self, cells: Sequence[Cell]) -> None:
        """Drops these cells."""
        names = {f"{cell.control}|{cell.key}" for cell in cells}
        self.parts = {key: part for key, part in self.parts.items() if key[1] not in names}


class ModelBlock:
    """A block as one model is measured on it.

    Args:
        work: What is to be done.
        pixels: All images of the block, float [image, band, height, width].

    Attributes:
        work: As given.
        maps: What is compared inside the hooks, or None.
        parts: The images in parts whose maps are held at a time.
    """

    def __init__(self, work: Work, pixels: Tensor):
        self.work, self._pixels = work, pixels
        setup, sample = work.setup, work.sample
        self._rows = RowBuilder(sample.block.ids, sample.labels)
        self._vectors = _Vectors()
        self._scores = Scores(setup.metrics, self._rows, len(pixels), sample.labels, sample.targets)
        self._orbits = any(isinstance(metric, OrbitMetric) for metric in setup.metrics)
        self.maps: MapMeasures | None = None
        self.parts = [slice(0, len(pixels))]
        if work.channels is not None:
            self.maps = MapMeasures(
                work.channels,
                setup.map_metrics,
                setup.layers,
                sample.block.ids,
                (pixels.shape[2], pixels.shape[3]),
                seed=setup.seed,
                skip_inexact=setup.skip_inexact,
            )
            self.parts = image_parts(len(pixels), setup.layers)

    def send(self, moved: Moved, some: slice, part: slice) -> None:
        """Sends images of a part through the networks under some of the cells, and scores them."""
        setup = self.work.setup
        cells = setup.cells[some]
        self._pass(moved, cells, part)
        if part.stop == len(self._pixels):  # the block is whole for these cells
            _score(setup, self._scores, self._vectors, cells)
            if not self._orbits:
                identity = setup.plan.cells[0].key
                self._vectors.forget([cell for cell in cells if cell.key != identity])

    def table(self) -> pa.Table:
        """All rows, once all cells were sent; those of derivatives are measured here."""
        setup, rows = self.work.setup, self._rows
        if self._orbits:
            for entries in setup.plan.orbits():
                orbit = {
                    la.name: self._vectors.stack("", entries.cells, la.name) for la in setup.layers
                }
                self._scores.add_orbit(entries, orbit)
        if self.maps is not None:
            for cell, layer, metric, control, values in self.maps.rows():
                rows.add(cell=cell, layer=layer, metric=metric, control=control, values=values)
        self._differentiate()
        return rows.table()

    def _pass(self, moved: Moved, cells: Sequence[Cell], part: slice) -> None:
        """Sends images through the networks, once for each cell, or recalls what they gave."""
        setup, count, advance = self.work.setup, len(moved.pixels), self.work.advance
        names = [layer.name for layer in setup.layers]
        watching = None
        if self.maps is not None:
            first = cells[0] is setup.plan.cells[0]
            watching = partial(_watchers, self.maps, part, first=first)
        vectors = self._sent(setup.probe, names, moved, watching)
        self._vectors.add("", cells, count, vectors)
        advance(count * len(cells))
        twins = [position for position, cell in enumerate(cells) if cell.twin]
        if setup.twin is not None and twins:
            controlled, fewer = [n for n in names if n in HEADLINE_LAYERS], moved.of(twins)
            controls = self._sent(setup.twin, controlled, fewer, None)
            self._vectors.add(UNTRAINED, fewer.cells, count, controls)
            advance(count * len(twins))

    def _sent(
        self,
        probe: Probe,
        names: Sequence[str],
        moved: Moved,
        watching: Callable[[Sequence[Cell]], Callable[[int, int], Watcher]] | None,
    ) -> dict[str, Tensor]:
        """The vectors of moved images; half of the cells at a time where not all fit in memory."""
        batches = self.work.batches
        try:
            with one_memory_error():
                if self.maps is None:
                    shown, cells = moved.shown, moved.cells
                    return batches.vectors(probe, names, shown, cells, lambda: moved.batch)
                images = moved.batch
        except torch.OutOfMemoryError as problem:
            if len(moved.cells) == 1:
                raise RunError(
                    f"{probe.spec} runs out of memory where {len(moved.pixels)} images are moved: "
                    "use a larger device or smaller images"
                ) from problem
        else:  # what is compared inside the hooks needs the pass itself, and counts once
            watcher = None if watching is None else watching(moved.cells)
            return batches.forward(probe, images, names, watcher)
        moved.let_go()
        batches.shrink(len(moved.cells) * len(moved.pixels), moved.pixels.device)
        half, count = len(moved.cells) // 2, len(moved.cells)
        parts = [
            self._sent(probe, names, moved.of(some), watching)
            for some in (range(half), range(half, count))
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _differentiate(self) -> None:
        """Adds the rows of Lie derivatives: at every layer, of the twin at the headline."""
        setup = self.work.setup
        metrics, cells = setup.derivative_metrics, setup.derivatives
        names = [layer.name for layer in setup.layers]
        headline = [name for name in names if name in HEADLINE_LAYERS]
        for control, probe, layers in (
            (MEASUREMENT, setup.probe, names),
            (UNTRAINED, setup.twin, headline),
        ):
            if probe is None or not cells:
                continue
            # Values and derivatives: a pass holds more than a plain one.
            size = max(1, self.work.batches.size // 4)
            for derivative in lie_values(
                probe, self._pixels, layers, cells, metrics, batch_size=size,
                advance=self.work.advance,
            ):  # fmt: skip
                self._rows.add(
                    cell=derivative.cell,
                    layer=derivative.layer,
                    metric=derivative.metric,
                    control=control,
                    values=derivative.values.numpy(),
                )


def _watchers(
    maps: MapMeasures, part: slice, cells: Sequence[Cell], *, first: bool
) -> Callable[[int, int], Watcher]:
    """Chooses the watcher of feature maps for a forward batch, given its first and last image."""
    if first:
        maps.begin(part)
        return lambda start, stop: ReferenceWatcher(maps, start)
    maps.forget_moves()
    return lambda start, stop: CellWatcher(maps, cells, start, stop)


def _score(setup: Setup, scores: Scores, vectors: _Vectors, cells: Sequence[Cell]) -> None:
    """Adds the rows of these cells: measurement and controls."""
    identity = setup.plan.cells[:1]
    measured = [cell for cell in cells if not cell.there_and_back]
    floors = [cell for cell in cells if cell.there_and_back]
    twins = [cell for cell in cells if cell.twin] if setup.twin is not None else []
    for layer in (layer.name for layer in setup.layers):
        reference = vectors.stack("", identity, layer)[0]
        if measured:
            moved = vectors.stack("", measured, layer)
            scores.add(MEASUREMENT, measured, layer, reference, moved)
            if layer == "logits" and setup.answers:
                scores.add_answers(measured, reference, moved)
            if layer in HEADLINE_LAYERS:
                scores.add(SHUFFLED, measured, layer, reference, moved)
        if layer not in HEADLINE_LAYERS:
            continue
        if floors:
            scores.add(FLOOR, floors, layer, reference, vectors.stack("", floors, layer))
        if twins:
            reference = vectors.stack(UNTRAINED, identity, layer)[0]
            moved = vectors.stack(UNTRAINED, twins, layer)
            scores.add(UNTRAINED, twins, layer, reference, moved)
