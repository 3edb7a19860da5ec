"""Holds the maps of untransformed images, the motions and the rows of a block's channel measures.

The maps of a part of the block are kept while every cell is measured on them; each later
forward pass is compared with them at once (`invariscope.sweep.watchers`), so no map outlives
its layer and memory does not grow with the number of cells or images. How many images a part has
follows from the size of the watched maps alone, and a cell is compared once all of them are there:
where forward batches are smaller, what has come so far is kept. So neither the batch size nor
running out of memory changes a number beyond rounding.

Three controls give values a scale: ``shuffled`` compares with the maps of the next image of
the part, moved as the image itself is, and ``floor`` compares f(T⁻¹Tx) with f(x), at the control
levels; the identity is 1 by definition, and its rows count the dead channels.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics import ChannelMaps, MapMetric, MapStep
from invariscope.metrics.channel_products import channel_maps
from invariscope.models import Layer
from invariscope.sweep.channels import ChannelState, Key
from invariscope.sweep.compared import Compared
from invariscope.sweep.plan import MEASUREMENT, Cell
from invariscope.transformations import Action, Moves, action_on, moves_of

#: Maps of the untransformed images that are held at a time.
MAP_BYTES = 80 << 20
#: The most images that are held.
PART = 16


def image_parts(count: int, layers: Sequence[Layer]) -> list[slice]:
    """The images of a block in parts whose maps fit in `MAP_BYTES`; no part of a single image.

    Example:
        >>> image_parts(32, [Layer("conv1", "Early", 0.0, (112, 112), 180)])
        [slice(0, 8, None), slice(8, 16, None), slice(16, 24, None), slice(24, 32, None)]
    """
    image_bytes = sum(4 * layer.channels * layer.grid[0] * layer.grid[1] for layer in layers)
    most = min(PART, max(2, MAP_BYTES // max(1, image_bytes)))
    parts = min(-(-count // most), max(1, count // 2))
    ends = np.linspace(0, count, parts + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


class MapMeasures:
    """The channel measures of a block, cell by cell.

    Args:
        state: The sums over the data set, which the block adds to.
        metrics: What is measured.
        layers: The watched layers.
        image_ids: Ids of the block's images.
        size: Height and width of the images.
        seed: The run's seed.
        skip_inexact: Leave out cells and layers where the maps would be interpolated.
    """

    def __init__(
        self,
        state: ChannelState,
        metrics: Sequence[MapMetric],
        layers: Sequence[Layer],
        image_ids: Sequence[str],
        size: tuple[int, int],
        *,
        seed: int,
        skip_inexact: bool,
    ):
        self.state = state
        self.metrics = metrics
        self.layers = {layer.name: layer for layer in layers}
        self.skip_inexact = skip_inexact
        self._ids, self._size, self._seed = list(image_ids), size, seed
        self._maps: dict[str, list[Tensor]] = {}
        self._still: dict[str, ChannelMaps] = {}
        self._actions: dict[tuple[str, bool, tuple[int, int]], Action] = {}
        self._moves: dict[tuple[tuple[str, ...], bool, tuple[int, int]], Moves] = {}
        self._values: dict[tuple[str, str, str, str], np.ndarray] = {}
        self._pieces: dict[tuple[str, str, str], list[Tensor]] = {}
        self._part = slice(0, 0)

    def begin(self, part: slice) -> None:
        """Begins the next part: forgets the maps of the one before."""
        self._part, self._maps, self._still = part, {}, {}
        # A drawn direction belongs to its image; actions that move all images alike are kept.
        self._actions = {key: act for key, act in self._actions.items() if not act.drawn}

    def forget_moves(self) -> None:
        """Forgets the moves of the cells before."""
        self._moves = {}

    def rows(self) -> Iterator[tuple[str, str, str, str, np.ndarray]]:
        """Yields (cell, layer, metric, control, values [image]) of the block."""
        for (cell, layer, metric, control), values in self._values.items():
            yield cell, layer, metric, control, values
        for (layer, cell, control), form, values in self.state.block_rows():
            for metric in self.metrics:
                if metric.over_data == form:
                    yield cell, layer, metric.name, control, values

    @property
    def count(self) -> int:
        """Images of the part."""
        return self._part.stop - self._part.start

    def maps(self, layer: str) -> Tensor:
        """The maps of the part's images, untransformed."""
        parts = self._maps[layer]
        if len(parts) > 1:
            self._maps[layer] = parts = [torch.cat(parts)]
        return parts[0]

    def hold(self, layer: str, maps: Tensor) -> None:
        """Keeps the maps of more images of the part."""
        self._maps.setdefault(layer, []).append(maps)

    def still(self, layer: str, images: list[int], inside: Tensor | None) -> ChannelMaps:
        """Summarises the maps of some of the part's images, not moved."""
        if inside is not None:
            return channel_maps(self.maps(layer)[images], inside)
        if layer not in self._still:
            self._still[layer] = channel_maps(self.maps(layer))
        run = range(images[0], images[0] + len(images))
        whole = self._still[layer]
        return whole[run.start : run.stop] if images == [*run] else whole[images]

    def step(
        self,
        layer: str,
        cells: Sequence[tuple[Cell, Action]],
        some: slice,
        transformed: ChannelMaps,
        *,
        strangers: bool = False,
    ) -> MapStep:
        """Pairs the maps of moved images with the moved maps of the images, cell after cell.

        Args:
            layer: The layer's name.
            cells: With their actions on the layer's grid; all move, or none does.
            some: Which of the images of all cells; all of them if there are several cells.
            transformed: The maps of the moved images.
            strangers: Each image's place is taken by the next one of the part, moved as the image
                itself is.
        """
        action = cells[0][1]
        every = [*range(self.count)]
        sources = every[1:] + every[:1] if strangers else every
        still = partial(self.still, layer, (sources * len(cells))[some], action.inside)
        permutation = self._permutation(layer, action)
        if action.forward is None:
            return MapStep(transformed, still(), still, permutation, len(cells))
        key = (tuple(cell.key for cell, _ in cells), strangers, action.grid)
        maps = self.maps(layer)
        if key not in self._moves:  # layers of one grid share them
            self._moves[key] = moves_of([act for _, act in cells], sources, maps)
        acted = _moved(self._moves[key], maps, some, action.inside)
        return MapStep(transformed, acted, still, permutation, len(cells))

    def gather(self, layer: str, cell: Cell, maps: Tensor) -> Tensor | None:
        """Keeps maps of moved images; returns those of the whole part once it is complete."""
        key = (layer, cell.key, cell.control)
        pieces = self._pieces.setdefault(key, [])
        pieces.append(maps)
        if sum(map(len, pieces)) < self.count:
            return None
        return torch.cat(self._pieces.pop(key))

    def action(self, cell: Cell, grid: tuple[int, int]) -> Action:
        """Looks up the action of a cell on maps of that grid, for the images of the part."""
        key = (cell.key, cell.there_and_back, grid)
        if key not in self._actions:
            self._actions[key] = action_on(
                cell.transformation,
                cell.level,
                self._size,
                grid,
                seed=self._seed,
                image_ids=self._ids[self._part],
                there_and_back=cell.there_and_back,
            )
        return self._actions[key]

    def _permutation(self, layer: str, act: Action) -> Tensor | None:
        """Finds the channel permutation of a layer with declared fields; empty if it is unknown.

        None for layers whose channels stay.
        """
        fields = self.layers[layer].fields
        if fields is None:
            return None
        try:
            return fields.permutation(torch.nan if act.turn is None else act.turn)
        except InputError:
            return torch.empty(0, dtype=torch.long)

    def compared(self, layer: str, cells: Sequence[tuple[Cell, Action]], control: str) -> Compared:
        """Begins the comparison of some cells at a layer, for one control."""
        keys = [cell.key for cell, _ in cells]
        sums = [self.state.sums_of((layer, key, control)) for key in keys]
        metrics = [m for m in self.metrics if m.controls or control == MEASUREMENT]
        return Compared(keys, [known for known in sums if known is not None] or None, metrics)

    def put(self, key: Key, values: Mapping[str, np.ndarray], first: int = 0) -> None:
        """Stores values by metric, of the part's images from the ``first`` one on."""
        layer, cell, control = key
        for metric, numbers in values.items():
            series = (cell, layer, metric, control)
            if series not in self._values:
                self._values[series] = np.full(len(self._ids), np.nan, np.float32)
            start = self._part.start + first
            self._values[series][start : start + len(numbers)] = numbers

    def take(self, layer: str, control: str, compared: Compared) -> None:
        """Stores the comparison of the part's images at one layer and control, for some cells."""
        values = {name: array.float().cpu().numpy() for name, array in compared.values.items()}
        scored, influences = compared.scored, compared.influences
        chosen = np.zeros(len(self._ids), bool)
        chosen[self._part] = True
        for position, cell in enumerate(compared.cells):
            key = (layer, cell, control)
            self.put(key, {name: array[position] for name, array in values.items()})
            if compared.sums is not None and influences is not None:
                self.state.put(key, compared.sums[position], influences[position], chosen)
            if control == MEASUREMENT and scored is not None:
                self.state.add_scores(layer, cell, scored[:, position], complete=compared.complete)


def _moved(moves: Moves, maps: Tensor, some: slice, inside: Tensor | None) -> ChannelMaps:
    """Moves maps and takes some of the moved ones with their moments."""
    if maps.device.type != "cpu":
        return channel_maps(moves(maps, some.start, some.stop), inside)
    from invariscope.metrics import fused

    moved, known = fused.moved(maps, moves.matrices, moves.motions[some], moves.sources[some])
    return channel_maps(moved, inside, known)
