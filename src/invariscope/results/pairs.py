"""Reads and writes `channel_pairs.npz`: pictures of what some channels become under a motion.

For a pair (channel c, match c′) at a layer and a cell there are three maps of one example image x:

1. f(x)_c′, the map of the match,
2. T_g f(x)_c′, the same map moved as the image is,
3. f(T_g x)_c, the map of the channel for the moved image, which resembles the second.

The file is a NumPy archive (compressed, without pickled objects):

| array | meaning |
|---|---|
| format | 1 |
| run | the identity of the run (`runs/identity.py`) |
| image | id of the example image |
| layer, cell | `[pair]`, text, as in the rows |
| channel, match | `[pair]`, int32 |
| similarity | `[pair]`, float32: correlation of 2 and 3 over the positions of this one image, computed before anything was rounded; NaN where one of them does not vary |
| range | `[pair, 2, 2]`, float32: least and largest value of the match's maps (1 and 2) and of the channel's (3) |
| maps0, maps1, … | one array a pair: uint8 `[3, height, width]`; 1 is the least value of the range, 255 the largest, 0 a cell that is not compared (`border="valid"`) |

Maps of more than 64 cells on a side are kept as means over square blocks of cells.
"""  # noqa: E501

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invariscope.files import write_arrays
from invariscope.runs.arrays import run_arrays
from invariscope.runs.identity import RUN

CHANNEL_PAIRS = "channel_pairs.npz"
_FORMAT = 1
_REMEDY = "give the run's command again to write the pictures of channel pairs anew"


@dataclass(frozen=True)
class ChannelPair:
    """A channel, what it becomes, and the maps that show it.

    Attributes:
        layer: Name of the layer.
        cell: The motion, as in the rows.
        channel: The channel c of the moved image.
        match: The channel c′ whose moved map is most like it.
        similarity: Correlation in this image, from -1 to 1; NaN where a map does not vary.
        ranges: float32 `[2, 2]`: least and largest value of the match's maps and of the channel's.
        maps: uint8 `[3, height, width]`: f(x)_c′, T_g f(x)_c′, f(T_g x)_c; 0 is not compared.
    """

    layer: str
    cell: str
    channel: int
    match: int
    similarity: float
    ranges: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True)
class ChannelPairs:
    """The pairs of a run that are shown, and the id of the image in which they are shown."""

    image: str
    pairs: tuple[ChannelPair, ...]

    def at(self, layer: str) -> list[ChannelPair]:
        """Lists the pairs of one layer, in the order in which they are shown."""
        return [pair for pair in self.pairs if pair.layer == layer]


def write_channel_pairs(folder: str | os.PathLike[str], shown: ChannelPairs, run: str = "") -> Path:
    """Writes `channel_pairs.npz` of a run folder, whole or not at all; `run` is its identity.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    pairs = shown.pairs
    arrays = {
        "format": np.array(_FORMAT),
        RUN: np.array(run),
        "image": np.array(shown.image),
        "layer": np.array([pair.layer for pair in pairs], dtype=np.str_),
        "cell": np.array([pair.cell for pair in pairs], dtype=np.str_),
        "channel": np.array([pair.channel for pair in pairs], dtype=np.int32),
        "match": np.array([pair.match for pair in pairs], dtype=np.int32),
        "similarity": np.array([pair.similarity for pair in pairs], dtype=np.float32),
        "range": _stacked([pair.ranges for pair in pairs]),
    }
    arrays |= {f"maps{number}": pair.maps for number, pair in enumerate(pairs)}
    path = Path(folder) / CHANNEL_PAIRS
    write_arrays(path, arrays, kept="the rows of the run are kept")
    return path


def read_channel_pairs(folder: str | os.PathLike[str], run: str | None = None) -> ChannelPairs:
    """Reads `channel_pairs.npz` of a run folder.

    Raises:
        InputError: The file is damaged, lacks arrays, is of a newer format, or is not of the run
            whose identity is given.
    """
    path = Path(folder) / CHANNEL_PAIRS
    with run_arrays(path, _FORMAT, run, _REMEDY) as file:
        names = ("layer", "cell", "channel", "match", "similarity", "range")
        columns = [file[name] for name in names]
        pairs = tuple(
            _pair(file[f"maps{number}"], *values)
            for number, values in enumerate(zip(*columns, strict=True))
        )
        return ChannelPairs(str(file["image"]), pairs)


def _pair(maps, layer, cell, channel, match, similarity, ranges) -> ChannelPair:
    if maps.dtype != np.uint8 or maps.ndim != 3 or len(maps) != 3 or ranges.shape != (2, 2):
        raise ValueError(f"maps of shape {maps.shape}")
    return ChannelPair(
        str(layer), str(cell), int(channel), int(match), float(similarity), ranges, maps
    )


def _stacked(ranges: Sequence[np.ndarray]) -> np.ndarray:
    return np.array(ranges, dtype=np.float32).reshape(-1, 2, 2)
