"""Measures one block: every cell, layer, metric and control, as rows.

A block is independent: its images, their pairing and their values depend on nothing else, except
for the channel measures over the data set (``:pooled``), which build on the blocks before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from invariscope.cache import Shown
from invariscope.devices import as_float, one_memory_error
from invariscope.errors import RunError
from invariscope.metrics import DerivativeMetric, MapMetric, Metric, OrbitMetric
from invariscope.models import Layer, Probe
from invariscope.results import RowBuilder
from invariscope.runs.batches import Batches, Watcher
from invariscope.runs.loading import Block
from invariscope.sweep.channels import ChannelState
from invariscope.sweep.lie import LIE_PASSES, LieCell, lie_cells, lie_values
from invariscope.sweep.maps import MapMeasures, image_parts
from invariscope.sweep.plan import FLOOR, MEASUREMENT, SHUFFLED, UNTRAINED, Cell, Plan
from invariscope.sweep.scores import HEADLINE_LAYERS, Scores
from invariscope.sweep.watchers import CellWatcher, ReferenceWatcher


@dataclass(frozen=True)
class Setup:
    """Everything that all blocks of a run share: models, plan, metrics, layers."""

    probe: Probe
    twin: Probe | None
    plan: Plan
    metrics: tuple[Metric, ...]
    layers: tuple[Layer, ...]
    seed: int
    skip_inexact: bool = False

    @property
    def map_metrics(self) -> tuple[MapMetric, ...]:
        """The metrics of feature maps."""
        return tuple(metric for metric in self.metrics if isinstance(metric, MapMetric))

    @property
    def derivative_metrics(self) -> tuple[DerivativeMetric, ...]:
        """The metrics of Lie derivatives."""
        return tuple(metric for metric in self.metrics if isinstance(metric, DerivativeMetric))

    @property
    def derivatives(self) -> tuple[LieCell, ...]:
        """The Lie derivatives to measure; none without their metrics."""
        return lie_cells(self.plan.transformations) if self.derivative_metrics else ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells to measure; none where all metrics are of derivatives."""
        alone = len(self.derivative_metrics) == len(self.metrics)
        return () if alone else self.plan.cells

    @property
    def answers(self) -> bool:
        """Whether the model gives each image one class, so that its answers are recorded."""
        return self.probe.task == "classification" and "logits" in {la.name for la in self.layers}

    @property
    def num_cells(self) -> int:
        """Cells and derivatives."""
        return len(self.cells) + len(self.derivatives)

    @property
    def passes(self) -> int:
        """Forward passes per image, the twin's included; a derivative counts as `LIE_PASSES`."""
        networks = 1 if self.twin is None else 2
        derivatives = LIE_PASSES * networks * len(self.derivatives)
        return (self.plan.passes if self.cells else 0) + derivatives


@dataclass(frozen=True)
class Sample:
    """The images of a block with their labels and the outputs that would be right.

    Args:
        block: The images.
        labels: Their class indices in the data, or None.
        targets: The outputs of the model that stand for these classes, [image] or, where several
            do, [image, most] filled up with -1; None if unknown.
    """

    block: Block
    labels: Sequence[int] | None
    targets: np.ndarray | None


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


@dataclass(frozen=True)
class _Moved:
    """Images under some cells, moved once they are wanted.

    Args:
        shown: The images of the block.
        pixels: Those of a part, float [image, band, height, width].
        ids: Their ids.
        cells: The cells.
    """

    shown: Shown
    pixels: Tensor
    ids: Sequence[str]
    cells: Sequence[Cell]

    @cached_property
    def each(self) -> list[Tensor]:
        """The images under each cell."""
        return [cell(self.pixels, self.shown.seed, self.ids) for cell in self.cells]

    @cached_property
    def batch(self) -> Tensor:
        """All of them, cell by cell."""
        return self.each[0] if len(self.cells) == 1 else torch.cat(self.each)

    def of(self, positions: Sequence[int]) -> "_Moved":
        """Those under some of the cells, by their positions; what is moved already is shared."""
        if len(positions) == len(self.cells):
            return self
        fewer = replace(self, cells=[self.cells[position] for position in positions])
        if "each" in vars(self):
            vars(fewer)["each"] = [self.each[position] for position in positions]
        return fewer

    def let_go(self) -> None:
        """Forgets the moved images; they are made again where they are wanted."""
        vars(self).pop("each", None)
        vars(self).pop("batch", None)


def measure_block(
    setup: Setup,
    sample: Sample,
    batches: Batches,
    channels: ChannelState | None,
    advance: Callable[[int], None],
) -> pa.Table:
    """Measures one block.

    Args:
        setup: Models, plan, metrics.
        sample: The images.
        batches: Forward batches.
        channels: The channel sums of the run, which the block adds to; None without such metrics.
        advance: Told how many images went through a network (`Setup.passes` of each in all).

    Returns:
        The block's rows; none if fewer than two images could be read.
    """
    ids = sample.block.ids
    rows = RowBuilder(ids, sample.labels)
    if len(ids) < 2:
        return rows.table()
    shown = Shown(sample.block.pixels(), ids, setup.seed)
    pixels = as_float(shown.pixels.to(setup.probe.device, non_blocking=True))
    maps = None
    parts = [slice(0, len(pixels))]
    if channels is not None:
        size = (pixels.shape[2], pixels.shape[3])
        maps = MapMeasures(
            channels,
            setup.map_metrics,
            setup.layers,
            ids,
            size,
            seed=setup.seed,
            skip_inexact=setup.skip_inexact,
        )
        parts = image_parts(len(pixels), setup.layers)
    vectors = _Vectors()
    scores = Scores(setup.metrics, rows, len(pixels), sample.labels, sample.targets)
    orbits = any(isinstance(metric, OrbitMetric) for metric in setup.metrics)
    for part in parts:
        groups = _groups(setup.cells, max(1, batches.size // (part.stop - part.start)), maps)
        for cells in groups:
            moved = _Moved(shown, pixels[part], ids[part], cells)
            _pass(setup, moved, batches, maps, part, vectors, advance)
            if part.stop == len(pixels):  # the block is whole for these cells
                _score(setup, scores, vectors, cells)
                if not orbits:
                    vectors.forget([cell for cell in cells if cell.key != setup.plan.cells[0].key])
    if orbits:
        for entries in setup.plan.orbits():
            orbit = {la.name: vectors.stack("", entries.cells, la.name) for la in setup.layers}
            scores.add_orbit(entries, orbit)
    if maps is not None:
        for cell, layer, metric, control, values in maps.rows():
            rows.add(cell=cell, layer=layer, metric=metric, control=control, values=values)
    _differentiate(setup, pixels, rows, batches, advance)
    return rows.table()


def _differentiate(
    setup: Setup,
    pixels: Tensor,
    rows: RowBuilder,
    batches: Batches,
    advance: Callable[[int], None],
) -> None:
    """Adds the rows of Lie derivatives: the model's at every layer, its twin's at the headline."""
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
        size = max(1, batches.size // 4)
        for derivative in lie_values(
            probe, pixels, layers, cells, metrics, batch_size=size, advance=advance
        ):
            rows.add(
                cell=derivative.cell,
                layer=derivative.layer,
                metric=derivative.metric,
                control=control,
                values=derivative.values.numpy(),
            )


def _groups(cells: Sequence[Cell], size: int, maps: MapMeasures | None) -> Iterator[Sequence[Cell]]:
    """Groups cells that share a forward pass; with maps, the identity goes first, alone."""
    first = 1 if maps is not None else 0
    if first:
        yield cells[:1]
    for start in range(first, len(cells), size):
        yield cells[start : start + size]


def _pass(
    setup: Setup,
    moved: _Moved,
    batches: Batches,
    maps: MapMeasures | None,
    part: slice,
    vectors: _Vectors,
    advance: Callable[[int], None],
) -> None:
    """Sends some images through the networks, once for each cell, or recalls what they gave."""
    cells, count = moved.cells, len(moved.pixels)
    names = [layer.name for layer in setup.layers]
    watching = None
    if maps is not None:
        first = cells[0] is setup.plan.cells[0]
        watching = partial(_watchers, maps, part, first=first)
    vectors.add("", cells, count, _sent(setup.probe, names, moved, batches, watching, maps))
    advance(count * len(cells))
    twins = [position for position, cell in enumerate(cells) if cell.twin]
    if setup.twin is not None and twins:
        controlled, some = [name for name in names if name in HEADLINE_LAYERS], moved.of(twins)
        controls = _sent(setup.twin, controlled, some, batches, None, maps)
        vectors.add(UNTRAINED, some.cells, count, controls)
        advance(count * len(twins))


def _sent(
    probe: Probe,
    names: Sequence[str],
    moved: _Moved,
    batches: Batches,
    watching: Callable[[Sequence[Cell]], Callable[[int, int], Watcher]] | None,
    maps: MapMeasures | None,
) -> dict[str, Tensor]:
    """The vectors of moved images; half of the cells at a time where all do not fit into memory."""
    try:
        with one_memory_error():
            if maps is None:
                return batches.vectors(probe, names, moved.shown, moved.cells, lambda: moved.batch)
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
        _sent(probe, names, moved.of(some), batches, watching, maps)
        for some in (range(half), range(half, count))
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


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
