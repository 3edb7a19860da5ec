"""Chooses pairs of channels that show what channels become, and takes their maps.

At the end of a run with channel measures, the table of channels says for every layer and motion
which channel c′ of T_g f(x) is most like channel c of f(T_g x). For some motions the pairs with the
largest correlation over the data set are chosen, those where the match is another channel apart
from those where it is the same one, and their maps are taken for one image, in one more forward
pass for each of these motions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.devices import as_float
from invariscope.metrics import channel_invariance
from invariscope.models import Activation, FeatureMap, Probe
from invariscope.results.pairs import ChannelPair, ChannelPairs
from invariscope.runs.subject import Subject
from invariscope.sweep.plan import MEASUREMENT, Cell, Plan
from invariscope.sweep.setup import Setup
from invariscope.transformations import action_on

#: Motions that are shown, and of each transformation or group.
MOST_CELLS = 4
CELLS_EACH = 2
#: Pairs of a layer and motion whose match is another channel, and the same channel.
OTHERS, SELVES = 3, 2
#: This many times as many are examined: a channel may not vary in the one image that is shown.
_CANDIDATES = 4
#: Cells on a side of the maps that are kept; larger maps are averaged.
SIDE = 64


@dataclass(frozen=True)
class _Chosen:
    """The pairs of one layer and motion: channel and match, [pair] each."""

    channels: list[int]
    matches: list[int]


def channel_pairs(setup: Setup, subject: Subject, table: pd.DataFrame) -> ChannelPairs:
    """Chooses pairs of channels and takes their maps for one image.

    Args:
        setup: The model, its watched layers (those without positions have no pictures), the cells.
        subject: The images; the example is the one that is shown.
        table: The table of channels (`invariscope.results.channels`).

    Returns:
        The pairs by layer and, within a layer, in the order of the cells: first those whose match
        is another channel, largest correlation first, then those that stay themselves. Channels
        that do not vary in this image are shown only where there are no others.
    """
    example, layers, plan = as_float(subject.pixels), setup.layers, setup.plan
    image_id = subject.source.ids[subject.example.index]
    measured = table[(table["control"] == MEASUREMENT) & (table["match"] >= 0)]
    spatial = [layer for layer in layers if layer.grid != (1, 1)]
    pairs: list[ChannelPair] = []
    for cell in chosen_cells(plan, measured):
        of_cell = dict(list(measured[measured["cell"] == cell.key].groupby("layer", observed=True)))
        wanted = {la.name: _best(of_cell[la.name]) for la in spatial if la.name in of_cell}
        if wanted:
            pairs += _pictures(setup.probe, example, image_id, cell, wanted, setup.seed)
    order = {layer.name: number for number, layer in enumerate(layers)}
    return ChannelPairs(image_id, tuple(sorted(pairs, key=lambda pair: order[pair.layer])))


def chosen_cells(plan: Plan, measured: pd.DataFrame) -> list[Cell]:
    """Chooses the motions to show: of each transformation the first and the middle one.

    Motions that need no interpolation at the layers go first; only where a transformation has none
    are its others shown.

    Args:
        plan: The cells of the run.
        measured: The table of channels, without controls.
    """
    exact = measured.groupby("cell")["exact"].all()
    cells = {cell.key: cell for cell in plan.cells if not cell.there_and_back}
    picks: list[list[str]] = []
    for transformation in plan.transformations:
        own = dict.fromkeys(
            entry.cell
            for entry in plan.entries
            if entry.transformation is transformation and entry.cell in exact.index
        )
        some = [key for key in own if exact[key]] or list(own)
        if some:
            picks.append(list(dict.fromkeys([some[0], some[len(some) // 2]]))[:CELLS_EACH])
    turns = [pick[k] for k in range(CELLS_EACH) for pick in picks if k < len(pick)]
    return [cells[key] for key in list(dict.fromkeys(turns))[:MOST_CELLS]]


def _best(rows: pd.DataFrame) -> _Chosen:
    """Takes more pairs of one layer than needed, those of largest correlation over the data set."""
    ranked = rows.sort_values(["equivariance", "channel"], ascending=[False, True])
    same = ranked["match"] == ranked["channel"]
    candidates = ranked[~same].head(_CANDIDATES * OTHERS), ranked[same].head(_CANDIDATES * SELVES)
    best = pd.concat(candidates)
    return _Chosen(best["channel"].astype(int).tolist(), best["match"].astype(int).tolist())


def _pictures(
    probe: Probe,
    example: Tensor,
    image_id: str,
    cell: Cell,
    wanted: dict[str, _Chosen],
    seed: int,
) -> list[ChannelPair]:
    """Takes the pairs of one motion from one forward pass of the image and the moved image."""
    pixels = example[None].to(probe.device)
    batch = torch.cat([pixels, cell(pixels, seed, [image_id])])
    maps = probe.forward(batch, list(wanted), _taking(wanted)).vectors
    size = (example.shape[1], example.shape[2])
    pairs = []
    for layer, chosen in wanted.items():
        if maps[layer] is None:
            continue
        matches, channels = maps[layer]
        action = action_on(
            cell.transformation, cell.level, size, (matches.shape[1], matches.shape[2]),
            seed=seed, image_ids=[image_id],
        )  # fmt: skip
        shown = torch.stack([matches, action(matches[None])[0], channels], 1).numpy()
        inside = np.ones(shown.shape[2:], bool)
        if action.inside is not None:
            inside = action.inside.cpu().numpy().astype(bool)
        own, seen = (torch.from_numpy(shown[None, :, k, inside, None]).double() for k in (1, 2))
        similar = channel_invariance(own, seen)[0].tolist()
        candidates = [
            _Candidate(channel, match, value, three, inside)
            for channel, match, value, three in zip(
                chosen.channels, chosen.matches, similar, shown, strict=True
            )
        ]
        # Those that vary in this image first; the sort keeps their order otherwise.
        candidates.sort(key=lambda pair: bool(np.isnan(pair.similarity)))
        best = [pair for pair in candidates if pair.channel != pair.match][:OTHERS]
        best += [pair for pair in candidates if pair.channel == pair.match][:SELVES]
        pairs += [_drawn(layer, cell.key, pair) for pair in best]
    return pairs


def _taking(wanted: dict[str, _Chosen]) -> Callable[[str, Activation], object]:
    """Takes the maps of the matches in the image and of the channels in the moved image."""

    def take(layer: str, activation: Activation) -> tuple[Tensor, Tensor] | None:
        if not isinstance(activation, FeatureMap):
            return None
        chosen = wanted[layer]
        still, moved = activation.values[0], activation.values[1]
        return still[chosen.matches].float().cpu(), moved[chosen.channels].float().cpu()

    return take


@dataclass(frozen=True)
class _Candidate:
    """A channel and its match in this image: maps [3, row, column] and where they count."""

    channel: int
    match: int
    similarity: float
    maps: np.ndarray
    inside: np.ndarray


def _drawn(layer: str, cell: str, pair: _Candidate) -> ChannelPair:
    small, kept = _reduced(pair.maps.astype(np.float64), pair.inside)
    shown = [small[0].ravel(), small[1][kept], small[2][kept]]
    ends = [_ends(np.concatenate(shown[:2])), _ends(shown[2])]
    pixels = np.stack(
        [_pixels(small[0], ends[0]), _pixels(small[1], ends[0]), _pixels(small[2], ends[1])]
    )
    pixels[1:, ~kept] = 0
    ranges = np.array(ends, dtype=np.float32)
    return ChannelPair(layer, cell, pair.channel, pair.match, pair.similarity, ranges, pixels)


def _reduced(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Averages square blocks, [map, row, column], and says which of them lie wholly inside."""
    step = -(-max(inside.shape) // SIDE)
    if step == 1:
        return values, inside
    rows, columns = (np.arange(0, length, step) for length in inside.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=1), columns, axis=2)
    counts = np.add.reduceat(np.add.reduceat(np.ones(inside.shape), rows, 0), columns, 1)
    whole = np.logical_and.reduceat(np.logical_and.reduceat(inside, rows, axis=0), columns, axis=1)
    return sums / counts, whole


def _ends(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _pixels(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Scales values to 1 to 255 over the range; 0 where they are not finite or not compared."""
    low, high = ends
    with np.errstate(invalid="ignore"):
        share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    finite = np.isfinite(share)
    scaled = np.where(finite, 1 + np.round(254 * np.clip(np.where(finite, share, 0), 0, 1)), 0)
    return scaled.astype(np.uint8)
