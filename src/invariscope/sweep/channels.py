"""Sums over the data set for each channel of a run, carried from block to block.

For each layer, cell and control there are the sums of `ChannelCorrelation`, whose value (the mean
over living channels) belongs to the data set and not to an image. Its rows are *pseudo-values*:
each image of a block gets what the block changed in n times the value, an equal share, plus its own
influence (jackknife). So the mean of the rows over all images is exactly the value
over the data set, their spread is its uncertainty, and intervals, parts and comparisons need no
other machinery.

These sums make each block depend on those before it. They are saved from time to time, so that
an interrupted run continues from the last save.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from invariscope.files import unpacked, written_whole
from invariscope.metrics.channel_correlation import ChannelCorrelation, PooledChannels
from invariscope.metrics.channel_products import FORMS, Form
from invariscope.results.channels import (
    CHANNEL_SCHEMA,
    CHANNELS,
    read_channel_table,
    write_channels,
)
from invariscope.runs.identity import RUN, check_run
from invariscope.sealed import append_digest, check_digest
from invariscope.sweep.plan import MEASUREMENT

Key = tuple[str, str, str]
"""Layer, cell, control."""

#: Memory for the sums of all layers and cells; beyond it the widest layers have no sums.
SUMS_BYTES = 1 << 30
STATE = "channels.state"
#: A write may take this share of the time since the last one.
_WRITING_SHARE = 0.05


@dataclass
class _Block:
    """The changes of the current block so far."""

    before: dict[Key, tuple[tuple[float, float], int]] = field(default_factory=dict)
    influences: dict[Key, np.ndarray] = field(default_factory=dict)


class ChannelState:
    """The channel sums of a run.

    Args:
        entries: The (cell, control) pairs of each layer, in the order of the table.
        device: Where the sums are.
        run: The identity of the run, which its files carry.
    """

    def __init__(
        self,
        entries: Sequence[tuple[str, str]],
        device: torch.device | str = "cpu",
        run: str = "",
    ):
        self.blocks = 0
        self.sums: dict[Key, ChannelCorrelation] = {}
        self.scores: dict[tuple[str, str], Tensor] = {}
        self.exact: dict[tuple[str, str], bool] = {}
        self.silent: dict[Key, np.ndarray] = {}
        self.without: tuple[str, ...] = ()
        self._order = {entry: number for number, entry in enumerate(entries)}
        self._device, self._run = device, run
        self._channels: dict[str, int] = {}
        self._rooms: dict[str, Tensor] = {}
        self._block = _Block()
        self._finished = False
        self._total = 0
        self._written, self._took = time.monotonic(), 0.0

    def know(self, layer: str, channels: int) -> None:
        """Records the number of channels of a layer."""
        if layer in self._channels:
            return
        self._channels[layer] = channels
        room, without = SUMS_BYTES, []
        for name, count in sorted(self._channels.items(), key=lambda item: (item[1], item[0])):
            room -= 4 * count * count * len(self._order)
            if room < 0:
                without.append(name)
        self.without = tuple(without)

    def sums_of(self, key: Key) -> ChannelCorrelation | None:
        """The sums so far; None for a layer that is too wide to have any."""
        layer = key[0]
        if layer in self.without:
            return None
        if key not in self.sums:
            return ChannelCorrelation.empty(self._channels[layer], self._device)
        return self.sums[key]

    def put(
        self, key: Key, sums: ChannelCorrelation, influences: Tensor, images: np.ndarray
    ) -> None:
        """Replaces sums by those that have more images, whose influences [2, image] are given.

        Args:
            key: Layer, cell, control.
            sums: The new sums.
            influences: Mean influence on the invariance and the equivariance of living channels.
            images: Which images of the block these are: [image count of the block], True or False.
        """
        block, before = self._block, self.sums.get(key)
        if key not in block.before:
            value = (np.nan, np.nan) if before is None else _means(before.compute())
            block.before[key] = (value, 0 if before is None else before.images)
            block.influences[key] = np.full((2, len(images)), np.nan)
        block.influences[key][:, images] = influences.cpu().numpy()
        self.sums[key] = replace(sums, products=self._room(key).copy_(sums.products))

    def _room(self, key: Key) -> Tensor:
        """Finds where the products of a key lie: side by side, lest memory become fragmented."""
        layer, *entry = key
        if layer not in self._rooms:
            channels = self._channels[layer]
            self._rooms[layer] = torch.empty(
                len(self._order), channels, channels, device=self._device
            )
        return self._rooms[layer][self._order[entry[0], entry[1]]]

    def add_scores(self, layer: str, cell: str, scores: Tensor, *, complete: bool) -> None:
        """Adds the values of more images to their means.

        Args:
            layer: The layer's name.
            cell: The cell's key.
            scores: [2, image, channel], NaN where a channel is dead.
            complete: Whether none is NaN.
        """
        both = scores.double()
        sums = both.sum(1) if complete else both.nansum(1)
        living = torch.full_like(sums, both.shape[1]) if complete else both.isfinite().sum(1)
        added = torch.cat([sums, living])
        key = (layer, cell)
        self.scores[key] = self.scores[key] + added if key in self.scores else added

    def block_rows(self) -> Iterator[tuple[Key, Form, np.ndarray]]:
        """Yields (key, form, pseudo-values [image]) of the block; then the next one begins."""
        for key, influences in self._block.influences.items():
            (before, old), now = self._block.before[key], self.sums[key]
            values = _means(now.compute())
            # Images that count in the sums but have no row, since all channels were dead so far.
            silent = self.silent.setdefault(key, np.zeros(2, np.int64))
            for index, form in enumerate(FORMS):
                level, new, rows = values[index], now.images - old, old - silent[index]
                if not np.isfinite(level):
                    silent[index] += new
                elif rows and new:
                    level = ((rows + new) * level - rows * before[index]) / new
                moved = influences[index]
                known = np.isfinite(moved)
                centre = moved[known].mean() if known.any() else np.nan
                yield key, form, level + moved - centre
        self._block = _Block()

    def take_up(self, folder: Path, done: list[int], blocks: int) -> list[int]:
        """Resumes the sums where a run in the folder stopped.

        Args:
            folder: The run folder.
            done: The blocks whose rows are whole.
            blocks: How many blocks the run has.

        Returns:
            The blocks that need not be measured again: those that the sums hold. Without sums that
            fit to the rows the run starts over.

        Raises:
            InputError: The sums in the folder are those of another run.
        """
        self._total = blocks
        if len(done) == blocks and (folder / CHANNELS).exists():
            self._finished = True
            return done
        # A table of fewer blocks, of a run that stopped early, is not to be taken for the whole.
        (folder / CHANNELS).unlink(missing_ok=True)
        self._load(folder, next(count for count in range(blocks + 1) if count not in done))
        return list(range(self.blocks))

    def finish(self, folder: Path | None) -> pa.Table:
        """The table of channels; in a run folder it is written, or read where it was before."""
        if self._finished and folder is not None:
            (folder / STATE).unlink(missing_ok=True)  # of one that was killed when it was done
            return read_channel_table(folder, self._run)
        table = self._table()
        if folder is None:
            return table
        if self.blocks < self._total:  # a run that was precise enough may be continued
            self.save(folder, at_once=True)
        write_channels(folder, table, self._run)
        if self.blocks == self._total:
            (folder / STATE).unlink(missing_ok=True)
        return table

    def _table(self) -> pa.Table:
        """One row per layer, cell, control and channel."""
        parts = []
        # Not in the order in which they came, which is up to the batches.
        layers = {layer: number for number, layer in enumerate(self._channels)}
        for (layer, cell, control), sums in sorted(
            self.sums.items(), key=lambda item: (layers[item[0][0]], self._order[item[0][1:]])
        ):
            pooled = sums.compute()
            scores = self.scores.get((layer, cell)) if control == MEASUREMENT else None
            parts.append(_rows(layer, cell, control, pooled, scores, self.exact[layer, cell]))
        return pa.concat_tables([CHANNEL_SCHEMA.empty_table(), *parts])

    def save(self, folder: Path, *, at_once: bool = False) -> bool:
        """Writes the state, unless that would take too large a share of the time; says whether."""
        started = time.monotonic()
        if not at_once and self._took > _WRITING_SHARE * (started - self._written):
            return False
        with written_whole(folder / STATE, kept="the rows of the run are kept") as file:
            arrays: dict[str, Any] = self._arrays()
            np.savez(file, **arrays)
            append_digest(file)
        self._written = time.monotonic()
        self._took = self._written - started
        return True

    def _arrays(self) -> dict[str, np.ndarray]:
        """Everything that later blocks and the table depend on."""
        arrays: dict[str, np.ndarray] = {RUN: np.array(self._run), "blocks": np.array(self.blocks)}
        for number, (key, sums) in enumerate(self.sums.items()):
            for part in fields(ChannelCorrelation):
                value = getattr(sums, part.name)
                array = value.cpu().numpy() if isinstance(value, Tensor) else np.array(value)
                arrays[f"sums{number}.{part.name}"] = array
            arrays[f"silent{number}"] = self.silent[key]
        for number, scores in enumerate(self.scores.values()):
            arrays[f"scores{number}"] = scores.cpu().numpy()
        exact = [(*pair, str(int(flag))) for pair, flag in self.exact.items()]
        channels = [(layer, str(count)) for layer, count in self._channels.items()]
        arrays["sums"] = np.array(list(self.sums), dtype=np.str_).reshape(-1, 3)
        arrays["scores"] = np.array(list(self.scores), dtype=np.str_).reshape(-1, 2)
        arrays["exact"] = np.array(exact, dtype=np.str_).reshape(-1, 3)
        arrays["channels"] = np.array(channels, dtype=np.str_).reshape(-1, 2)
        return arrays

    def _load(self, folder: Path, done: int) -> None:
        """Reads the state that a run has left, unless it is damaged or ahead of the rows."""
        path = folder / STATE
        try:
            with path.open("rb") as file:
                check_digest(file)
                arrays = unpacked(file)
        except Exception:  # there is none yet, or it is damaged: then it is measured again
            return
        if RUN not in arrays:
            return
        check_run(path, str(arrays[RUN]), self._run, "sums", "start them over")
        with suppress(Exception):  # other arrays than those of `_arrays`: likewise
            if int(arrays["blocks"]) <= done:
                self._take(arrays)

    def _take(self, arrays: dict[str, np.ndarray]) -> None:
        """Restores the sums that `_arrays` wrote, all of them or (where it raises) none."""
        sums, silent, scores = {}, {}, {}
        for number, (layer, cell, control) in enumerate(arrays["sums"].tolist()):
            restored = {
                part.name: self._restored(arrays[f"sums{number}.{part.name}"])
                for part in fields(ChannelCorrelation)
            }
            sums[layer, cell, control] = ChannelCorrelation(**restored)
            silent[layer, cell, control] = arrays[f"silent{number}"]
        for number, (layer, cell) in enumerate(arrays["scores"].tolist()):
            scores[layer, cell] = torch.from_numpy(arrays[f"scores{number}"]).to(self._device)
        exact = {(la, ce): flag == "1" for la, ce, flag in arrays["exact"].tolist()}
        channels = {layer: int(count) for layer, count in arrays["channels"].tolist()}
        for (layer, *entry), of_layer in sums.items():
            if tuple(entry) not in self._order or len(of_layer.products) != channels[layer]:
                raise ValueError("sums of other cells or channels")
        self.blocks = int(arrays["blocks"])
        self.sums, self.silent, self.scores, self.exact = sums, silent, scores, exact
        for layer, count in channels.items():
            self.know(layer, count)

    def _restored(self, array: np.ndarray) -> Any:
        return int(array) if array.ndim == 0 else torch.from_numpy(array).to(self._device)


def _means(pooled: PooledChannels) -> tuple[float, float]:
    """Averages invariance and equivariance over living channels; NaN if all are dead."""
    return float(pooled.invariance.nanmean()), float(pooled.equivariance.nanmean())


def _rows(
    layer: str,
    cell: str,
    control: str,
    pooled: PooledChannels,
    scores: Tensor | None,
    exact: bool,
) -> pa.Table:
    count = len(pooled.match)
    nothing = torch.full((4, count), torch.nan, dtype=torch.float64)
    sums = nothing if scores is None else scores.cpu()
    columns = {
        "layer": [layer] * count,
        "cell": [cell] * count,
        "control": [control] * count,
        "channel": np.arange(count),
        "exact": [exact] * count,
        "images": [pooled.images] * count,
        "invariance": pooled.invariance,
        "invariance_error": pooled.invariance_error,
        "equivariance": pooled.equivariance,
        "equivariance_error": pooled.equivariance_error,
        "match": pooled.match,
        "image_invariance": sums[0] / sums[2],
        "image_equivariance": sums[1] / sums[3],
        "living_images": sums[2],
    }
    arrays = {
        name: value.cpu().numpy() if isinstance(value, Tensor) else value
        for name, value in columns.items()
    }
    return pa.table(
        {name: pa.array(arrays[name], from_pandas=True).cast(CHANNEL_SCHEMA.field(name).type)
         for name in CHANNEL_SCHEMA.names},
        schema=CHANNEL_SCHEMA,
    )  # fmt: skip
