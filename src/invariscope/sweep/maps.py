"""Channel measures of a sweep, taken inside the hooks: f(T_g x) against T_g f(x), layer by layer.

The maps of some images, a part of the block, are kept while all cells pass over them; every later
forward pass is compared with them on the spot, so no map outlives its layer and memory does not
grow with the number of cells or images. How many images a part has follows from the size of the
watched maps alone, and a cell is compared once all of them are there: where forward batches are
smaller, what has come so far is kept. So neither the batch size nor running out of memory changes a
number beyond rounding.

Three controls say what a value is worth: ``shuffled`` compares with the maps of the next image of
the part, moved as the image itself is, and ``floor`` compares f(T⁻¹Tx) with f(x), at the control
levels; the identity is 1 by definition, and its rows count the dead channels.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.channel_products import (
    ChannelMaps,
    channel_maps,
    images_per_step,
    paired_correlation,
)
from invariscope.models import Activation, FeatureMap, Layer, average_pool
from invariscope.sweep.channels import ChannelState, Key
from invariscope.sweep.compared import Compared
from invariscope.sweep.plan import MEASUREMENT, SHUFFLED, Cell
from invariscope.transformations import IDENTITY, Action, Moves, action_on

_Place = tuple[str, bool, tuple[int, int]]
"""A cell's key, whether it goes there and back, and a grid."""

LITERAL = "channel_invariance:literal"
ONE_AT_THE_IDENTITY = (
    "channel_invariance",
    "channel_equivariance",
    "channel_invariance:cosine",
    "channel_equivariance:cosine",
    LITERAL,
)
#: Maps of the untransformed images that are held at a time.
MAP_BYTES = 80 << 20
#: The most images that are held.
PART = 16
#: Maps that are compared at a time: about what a processor holds in its own memory.
STEP_BYTES = 8 << 20


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
        wanted: Names of the metrics to measure.
        layers: The watched layers.
        image_ids: Ids of the block's images.
        size: Height and width of the images.
        seed: The run's seed.
        skip_inexact: Leave out cells and layers where the maps would be interpolated.
    """

    def __init__(
        self,
        state: ChannelState,
        wanted: Collection[str],
        layers: Sequence[Layer],
        image_ids: Sequence[str],
        size: tuple[int, int],
        *,
        seed: int,
        skip_inexact: bool,
    ):
        self.state = state
        self.wanted = frozenset(wanted)
        self.layers = {layer.name: layer for layer in layers}
        self.cosine = any(":cosine" in name or name == "channel_eed" for name in wanted)
        self.skip_inexact = skip_inexact
        self._ids, self._size, self._seed = list(image_ids), size, seed
        self._maps: dict[str, list[Tensor]] = {}
        self._moments: dict[str, list[ChannelMaps]] = {}
        self._actions: dict[_Place, Action] = {}
        self._moves: dict[_Place, tuple[Moves, Moves]] = {}
        self._values: dict[tuple[str, str, str, str], np.ndarray] = {}
        self._pieces: dict[tuple[str, str, str], list[Tensor]] = {}
        self._part = slice(0, 0)

    def begin(self, part: slice) -> Callable[[int, int], "_Reference"]:
        """Forgets the maps of the last images; makes watchers for those of the next ones."""
        self._part, self._maps, self._moments = part, {}, {}
        # Directions that are drawn belong to the images; what moves all alike stays.
        self._actions = {place: act for place, act in self._actions.items() if not act.drawn}
        return lambda start, stop: _Reference(self, slice(start, stop))

    def watch(self, cells: Sequence[Cell]) -> Callable[[int, int], "_Moved"]:
        """Makes watchers for batches of these cells, each of all images of the part."""
        self._moves = {}
        return lambda start, stop: _Moved(self, cells, start, stop)

    def rows(self) -> Iterator[tuple[str, str, str, str, np.ndarray]]:
        """(cell, layer, metric, control, values [image]) of the block."""
        for (cell, layer, metric, control), values in self._values.items():
            yield cell, layer, metric, control, values
        for (layer, cell, control), name, values in self.state.block_rows():
            if name in self.wanted:
                yield cell, layer, name, control, values

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

    def hold(self, layer: str, maps: Tensor, moments: ChannelMaps) -> None:
        """Keeps the maps of more images of the part."""
        self._maps.setdefault(layer, []).append(maps)
        self._moments.setdefault(layer, []).append(moments.without_values())

    def acted(self, layer: str, act: Action, moves: Moves, some: slice) -> ChannelMaps:
        """The maps of some images of the part, moved."""
        moments = ChannelMaps.joined(self._moments[layer])
        self._moments[layer] = [moments]
        moved = moves(self.maps(layer), some.start, some.stop)
        # Values that only change places keep their moments; those that were centred are not kept.
        if act.permutes and act.inside is None and torch.equal(moments.offset, moments.mean):
            return moments[moves.sources[some]].permuted(moved)
        return channel_maps(moved, act.inside)

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
            moving = None if cell.there_and_back else cell.transformation
            self._actions[place] = action_on(
                moving,
                cell.level,
                self._size,
                grid,
                seed=self._seed,
                image_ids=self._ids[self._part],
            )
        return self._actions[place]

    def moves(self, cell: Cell, action: Action, maps: Tensor) -> tuple[Moves, Moves]:
        """How the part's images move under a cell's action, and how strangers do.

        A stranger is the next image of the part, moved as the image itself is. Where all move
        alike, that is the next one of the moved maps: the first of these has one more than there
        are images. Layers of one grid share them.
        """
        place = (cell.key, cell.there_and_back, action.grid)
        if place not in self._moves:
            every, following = range(self.count), [*range(1, self.count), 0]
            own = action.moves([*every, 0], [*every, 0], maps)
            apart = cell.null and action.drawn
            self._moves[place] = own, action.moves(following, every, maps) if apart else own
        return self._moves[place]

    def permutation(self, layer: str, act: Action) -> Tensor | None:
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

    def put(self, key: Key, values: dict[str, Tensor], first: int = 0) -> None:
        """Values of images of the part, from the ``first`` one on, by metric."""
        layer, cell, control = key
        for metric, found in values.items():
            if metric not in self.wanted:
                continue
            place = (cell, layer, metric, control)
            if place not in self._values:
                self._values[place] = np.full(len(self._ids), np.nan, np.float32)
            start = self._part.start + first
            self._values[place][start : start + len(found)] = found.float().cpu().numpy()

    def take(self, key: Key, found: Compared) -> None:
        """Takes what the part's images say of one layer, cell and control."""
        layer, cell, control = key
        self.put(key, found.values)
        if control == MEASUREMENT and found.scored is not None:
            self.state.add_scores(layer, cell, found.scored, complete=found.complete)
        if found.sums is not None and found.influences is not None:
            chosen = np.zeros(len(self._ids), bool)
            chosen[self._part] = True
            self.state.put(key, found.sums, found.influences, chosen)


class _Reference:
    """Keeps the maps of untransformed images; their own rows are those of the identity."""

    def __init__(self, measures: MapMeasures, images: slice):
        self._measures, self._images = measures, images
        self._found: dict[str, Tensor] = {}

    def __call__(self, layer: str, activation: Activation) -> Tensor:
        vector = average_pool(layer, activation)
        maps = activation.values if isinstance(activation, FeatureMap) else vector[:, :, None, None]
        self._found[layer] = maps.to(torch.float32, memory_format=torch.channels_last, copy=True)
        return vector

    def keep(self) -> None:
        for layer, maps in self._found.items():
            moments = channel_maps(maps)
            self._measures.hold(layer, maps, moments)
            self._measures.state.know(layer, maps.shape[1])
            if maps.shape[2:] == (1, 1):
                continue
            one = torch.where(moments.alive.any(1), 1.0, torch.nan)
            cosine = torch.where(moments.points.any(1), 1.0, torch.nan)
            values = {n: cosine if ":cosine" in n else one for n in ONE_AT_THE_IDENTITY}
            values["channel_eed"] = -cosine
            values["dead_channels"] = 1 - moments.alive.float().mean(1)
            key = (layer, IDENTITY, MEASUREMENT)
            self._measures.put(key, values, first=self._images.start)


class _Moved:
    """Compares the maps of moved images with the moved maps, for one forward batch."""

    def __init__(self, measures: MapMeasures, cells: Sequence[Cell], start: int, stop: int):
        self._measures = measures
        self._found: dict[Key, Compared] = {}
        self._pieces: list[tuple[str, Cell, Tensor]] = []
        count = measures.count
        # (cell, places in the batch): a batch may begin and end within a cell.
        self._segments: list[tuple[Cell, slice]] = []
        for place, cell in enumerate(cells):
            first, last = max(start, place * count), min(stop, (place + 1) * count)
            if first < last:
                self._segments.append((cell, slice(first - start, last - start)))

    def __call__(self, layer: str, activation: Activation) -> Tensor:
        vector = average_pool(layer, activation)
        maps = activation.values if isinstance(activation, FeatureMap) else vector[:, :, None, None]
        for cell, places in self._segments:
            if places.stop - places.start == self._measures.count:
                self._look(layer, cell, maps[places], vector[places])
            else:
                self._pieces.append((layer, cell, maps[places].clone()))
        return vector

    def keep(self) -> None:
        for layer, cell, piece in self._pieces:
            whole = self._measures.gather(layer, cell, piece)
            if whole is not None:
                self._look(layer, cell, whole, whole.mean((2, 3), dtype=torch.float32))
        for key, found in self._found.items():
            self._measures.take(key, found)

    def _look(self, layer: str, cell: Cell, moved: Tensor, mean: Tensor) -> None:
        """Compares all images of the part."""
        measures = self._measures
        grid = (moved.shape[2], moved.shape[3])
        action, own = measures.action(cell, grid), measures.maps(layer)
        if not cell.there_and_back:
            measures.state.exact[layer, cell.key] = action.exact
        nothing_inside = action.inside is not None and not bool(action.inside.any())
        if nothing_inside or (measures.skip_inexact and not action.exact):
            return
        null = cell.null
        how = {"cosine": measures.cosine, "permutation": measures.permutation(layer, action)}
        controls = (cell.control, SHUFFLED) if null else (cell.control,)
        found = {
            control: Compared(measures.state.sums_of((layer, cell.key, control)))
            for control in controls
        }
        step, count = images_at_a_time(moved.shape[1], grid), len(moved)
        moves, others = measures.moves(cell, action, own)
        alike = null and moves is others
        for start in range(0, count, step):
            some = slice(start, min(start + step, count))
            transformed = channel_maps(moved[some], action.inside, mean[some])
            acted = measures.acted(layer, action, moves, slice(start, some.stop + alike))
            if null:
                strangers = acted[1:] if alike else measures.acted(layer, action, others, some)
                found[SHUFFLED].add(transformed, strangers, **how)
                acted = acted[: len(transformed.mean)]
            found[cell.control].add(transformed, acted, **how)
            if LITERAL in measures.wanted and not cell.there_and_back and grid != (1, 1):
                still = channel_maps(own[some], action.inside)
                literal = paired_correlation(transformed, still).nanmean(1)
                found[MEASUREMENT].put(LITERAL, literal)
        for control, one in found.items():
            one.flush()
            self._found[layer, cell.key, control] = one


def images_at_a_time(channels: int, grid: tuple[int, int]) -> int:
    """How many images are compared at a time: `STEP_BYTES` hold their maps, and their products."""
    if grid == (1, 1):  # no products, only means
        return PART + 1
    each = 4 * channels * max(channels, grid[0] * grid[1])
    return max(1, min(STEP_BYTES // each, images_per_step(channels)))
