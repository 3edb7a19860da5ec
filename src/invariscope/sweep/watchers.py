"""Takes the channel measures inside the hooks: f(T_g x) against T_g f(x), layer by layer.

A forward batch holds the part's images under one or more cells. All cells that fit into a step are
compared at once; a layer whose maps are too large for that is compared some images at a time.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.metrics import ChannelMaps, MapMetric, MapStep
from invariscope.metrics.channel_products import channel_maps, moments
from invariscope.models import Activation, Vector
from invariscope.sweep.compared import Compared
from invariscope.sweep.maps import PART, MapMeasures
from invariscope.sweep.plan import MEASUREMENT, SHUFFLED, Cell
from invariscope.transformations import IDENTITY, Action

Known = tuple[Tensor, Tensor]
"""Mean and power of each image and channel of some maps."""

#: Maps that are compared at a time: about what a processor holds in its own memory.
STEP_BYTES = 8 << 20


class ReferenceWatcher:
    """Keeps the maps of untransformed images, and writes their rows, those of the identity.

    Args:
        measures: What keeps them.
        first: The index in the part of the batch's first image.
    """

    def __init__(self, measures: MapMeasures, first: int):
        self._measures, self._first = measures, first
        self._maps: dict[str, tuple[Tensor, Known]] = {}

    def __call__(self, layer: str, activation: Activation) -> Tensor:
        """Takes the maps of a layer."""
        maps, known = _maps_with_moments(activation)
        self._maps[layer] = maps.clone(), known
        return known[0]

    def keep(self) -> None:
        """Hands over what was found."""
        held, self._maps = self._maps, {}  # a watcher may live on in its hooks, its maps may not
        for layer, (maps, known) in held.items():
            self._measures.hold(layer, maps)
            self._measures.state.know(layer, maps.shape[1])
            if maps.shape[2:] == (1, 1):
                continue
            still = channel_maps(maps, known=known)
            size = images_at_a_time(maps.shape[1], (maps.shape[2], maps.shape[3]), maps.device)
            values = {
                metric.name: _unmoved(metric, still, size).float().cpu().numpy()
                for metric in self._measures.metrics
                if not metric.pooled
            }
            self._measures.put((layer, IDENTITY, MEASUREMENT), values, first=self._first)


def _unmoved(metric: MapMetric, maps: ChannelMaps, size: int) -> Tensor:
    """Evaluates a metric [image] for images that do not move."""
    if metric.identity is not None:
        return metric.identity(maps)
    assert metric.evaluate is not None, metric.name
    parts = [maps[start : start + size] for start in range(0, len(maps.mean), size)]
    return torch.cat([metric.evaluate(MapStep(part, part)) for part in parts])


class CellWatcher:
    """Compares the maps of moved images with the moved maps, for one forward batch.

    Args:
        measures: What holds the maps of the part's images, and takes the values.
        cells: The cells that go through the network together, each with all images of the part.
        start: Where among their images the batch begins.
        stop: Where it ends.
    """

    def __init__(self, measures: MapMeasures, cells: Sequence[Cell], start: int, stop: int):
        self._measures = measures
        self._compared: list[tuple[str, str, Compared]] = []
        self._pieces: list[tuple[str, Cell, Tensor]] = []
        count = measures.count
        # Cells that are whole in this batch, and those within which it begins or ends.
        first, last = -(-start // count), stop // count
        self._whole = list(cells[first:last])
        self._whole_images = slice(first * count - start, last * count - start)
        self._fragments: list[tuple[Cell, slice]] = []
        for number in sorted({start // count, last} - set(range(first, last))):
            begin, end = max(start, number * count), min(stop, (number + 1) * count)
            if begin < end:
                self._fragments.append((cells[number], slice(begin - start, end - start)))

    def __call__(self, layer: str, activation: Activation) -> Tensor:
        """Compares the maps of a layer."""
        maps, known = _maps_with_moments(activation)
        if self._whole:
            some = self._whole_images
            self._look(layer, self._whole, maps[some], (known[0][some], known[1][some]))
        for cell, images in self._fragments:
            self._pieces.append((layer, cell, maps[images].clone()))
        return known[0]

    def keep(self) -> None:
        """Hands over what was found."""
        for layer, cell, piece in self._pieces:
            maps = self._measures.gather(layer, cell, piece)
            if maps is not None:
                self._look(layer, [cell], maps, moments(maps))
        self._pieces = []
        while self._compared:  # what is stored is let go at once
            self._measures.take(*self._compared.pop(0))

    def _look(self, layer: str, cells: Sequence[Cell], moved: Tensor, known: Known) -> None:
        """Compares all images of the part under some cells, as many cells at a time as fit."""
        measures, count = self._measures, self._measures.count
        grid = (moved.shape[2], moved.shape[3])
        actions = [measures.action(cell, grid) for cell in cells]
        for cell, action in zip(cells, actions, strict=True):
            if not cell.there_and_back:
                measures.state.exact[layer, cell.key] = action.exact
        step = images_at_a_time(moved.shape[1], grid, moved.device)
        most = max(1, step // count)
        kinds = [self._kind(layer, *pair) for pair in zip(cells, actions, strict=True)]
        for kind, run in itertools.groupby(range(len(cells)), kinds.__getitem__):
            positions = list(run) if kind is not None else []
            for start in range(0, len(positions), most):
                some = positions[start : start + most]
                images = slice(some[0] * count, (some[-1] + 1) * count)
                chosen = [(cells[position], actions[position]) for position in some]
                own = known[0][images], known[1][images]
                self._compare(layer, chosen, moved[images], own, step)

    def _kind(self, layer: str, cell: Cell, action: Action) -> tuple[object, ...] | None:
        """Cells of one kind can be compared at once; None: not at all."""
        if action.inside is not None and not bool(action.inside.any()):
            return None
        if self._measures.skip_inexact and not action.exact:
            return None
        alone = action.inside is not None or self._measures.layers[layer].fields is not None
        return cell.control, action.forward is None, cell.key if alone else ""

    def _compare(
        self,
        layer: str,
        cells: Sequence[tuple[Cell, Action]],
        moved: Tensor,
        known: Known,
        step: int,
    ) -> None:
        """Compares all images of the part under cells of one kind: several only if in one step."""
        measures, count = self._measures, self._measures.count
        (first, action), *_ = cells
        compared = measures.compared(layer, cells, first.control)
        positions = [position for position, (cell, _) in enumerate(cells) if cell.null]
        nulls = [cells[position] for position in positions]
        null = measures.compared(layer, nulls, SHUFFLED)
        for start in range(0, len(moved), step):
            some = slice(start, min(start + step, len(moved)))
            transformed = channel_maps(moved[some], action.inside, (known[0][some], known[1][some]))
            compared.add(measures.step(layer, cells, some, transformed))
            if nulls and len(nulls) < len(cells):
                images = [at * count + image for at in positions for image in range(count)]
                # Neighbours are a view, others a copy.
                span = slice(images[0], images[-1] + 1)
                adjacent = span.stop - span.start == len(images)
                transformed = transformed[span if adjacent else images]
                some = slice(0, len(images))
            if nulls:
                null.add(measures.step(layer, nulls, some, transformed, strangers=True))
        for control, comparison in ((first.control, compared), (SHUFFLED, null)):
            if comparison.cells:
                comparison.flush()
                self._compared.append((layer, control, comparison))


def _maps_with_moments(activation: Activation) -> tuple[Tensor, Known]:
    """Takes the maps of a layer, channels last, with mean and power; a vector is a 1 × 1 map."""
    if isinstance(activation, Vector):
        maps = activation.values.to(torch.float32, copy=True)[:, :, None, None]
        return maps, (maps[:, :, 0, 0], maps[:, :, 0, 0].square())
    maps = activation.values.to(torch.float32, memory_format=torch.channels_last)
    return maps, moments(maps)


def images_at_a_time(channels: int, grid: tuple[int, int], device: torch.device) -> int:
    """Computes how many images to compare at a time: maps and products take `STEP_BYTES`.

    An accelerator takes 64 times as many: it is slow at many small steps.
    """
    if grid == (1, 1):  # no products, only means
        return 64 * PART
    image_bytes = 4 * channels * max(channels, grid[0] * grid[1])
    many = 64 if device.type == "cuda" else 1
    return max(1, many * STEP_BYTES // image_bytes)
