"""What the channel measures of a sweep hold: maps of untransformed images, motions, and the rows.

The maps of some images, a part of the block, are kept while all cells pass over them; every later
forward pass is compared with them on the spot (`invariscope.sweep.watchers`), so no map outlives
its layer and memory does not grow with the number of cells or images. How many images a part has
follows from the size of the watched maps alone, and a cell is compared once all of them are there:
where forward batches are smaller, what has come so far is kept. So neither the batch size nor
running out of memory changes a number beyond rounding.

Three controls say what a value is worth: ``shuffled`` compares with the maps of the next image of
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
    each = sum(4 * layer.channels * layer.grid[0] * layer.grid[1] for layer in layers)
    most = min(PART, max(2, MAP_BYTES // max(1, each)))
    parts = min(-(-count // most), max(1, count // 2))
    ends = np.linspace(0, count, parts + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


class MapMeasures:
    """What a block's channel measures are, cell by cell.

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
        """Forgets the maps of the last images; those of the next ones are held from now on."""
        self._part, self._maps, self._still = part, {}, {}
        # Directions that are drawn belong to the images; what moves all alike stays.
        self._actions = {place: act for place, act in self._actions.items() if not act.drawn}

    def forget_moves(self) -> None:
        """Other cells are next."""
        self._moves = {}

    def rows(self) -> Iterator[tuple[str, str, str, str, np.ndarray]]:
        """(cell, layer, metric, control, values [image]) of the block."""
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
        """The maps of some of the part's images, not moved."""
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
        """Maps of moved images beside those of the images, moved by one cell after the other.

        Args:
            layer: The layer's name.
            cells: With their actions on the layer's grid; all move, or none does.
            some: Which of the images of all cells.
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
            return MapStep(transformed, still(), still, permutation)
        which = (tuple(cell.key for cell, _ in cells), strangers, action.grid)
        maps = self.maps(layer)
        if which not in self._moves:  # layers of one grid share them
            self._moves[which] = moves_of([act for _, act in cells], sources, maps)
        acted = channel_maps(self._moves[which](maps, some.start, some.stop), action.inside)
        return MapStep(transformed, acted, still, permutation)

    def gather(self, layer: str, cell: Cell, maps: Tensor) -> Tensor | None:
        """Keeps the maps of more moved images; all of the part's once the last ones are there."""
        place = (layer, cell.key, cell.control)
        pieces = self._pieces.setdefault(place, [])
        pieces.append(maps)
        if sum(map(len, pieces)) < self.count:
            return None
        return torch.cat(self._pieces.pop(place))

    def action(self, cell: Cell, grid: tuple[int, int]) -> Action:
        """What a cell does to maps of that grid, for the images of the part."""
        place = (cell.key, cell.there_and_back, grid)
        if place not in self._actions:
            self._actions[place] = action_on(
                cell.transformation,
                cell.level,
                self._size,
                grid,
                seed=self._seed,
                image_ids=self._ids[self._part],
                there_and_back=cell.there_and_back,
            )
        return self._actions[place]

    def _permutation(self, layer: str, act: Action) -> Tensor | None:
        """Where a layer with declared fields takes its channels from; empty if that is not known.

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
        """What is to be found of some cells of a layer, for one control."""
        keys = [cell.key for cell, _ in cells]
        sums = [self.state.sums_of((layer, key, control)) for key in keys]
        metrics = [m for m in self.metrics if m.controls or control == MEASUREMENT]
        return Compared(keys, [each for each in sums if each is not None] or None, metrics)

    def put(self, key: Key, values: Mapping[str, np.ndarray], first: int = 0) -> None:
        """Values of images of the part, from the ``first`` one on, by metric."""
        layer, cell, control = key
        for metric, found in values.items():
            place = (cell, layer, metric, control)
            if place not in self._values:
                self._values[place] = np.full(len(self._ids), np.nan, np.float32)
            start = self._part.start + first
            self._values[place][start : start + len(found)] = found

    def take(self, layer: str, control: str, found: Compared) -> None:
        """Takes what the part's images say of one layer and control, for some cells."""
        values = {name: each.float().cpu().numpy() for name, each in found.values.items()}
        scored, influences = found.scored, found.influences
        chosen = np.zeros(len(self._ids), bool)
        chosen[self._part] = True
        for place, cell in enumerate(found.cells):
            key = (layer, cell, control)
            self.put(key, {name: each[place] for name, each in values.items()})
            if found.sums is not None and influences is not None:
                self.state.put(key, found.sums[place], influences[place], chosen)
            if control == MEASUREMENT and scored is not None:
                self.state.add_scores(layer, cell, scored[:, place], complete=found.complete)
