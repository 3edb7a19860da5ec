"""The channels of a run: `channels.parquet`, one row per layer, cell, control and channel.

| column | meaning |
|---|---|
| layer, cell, control | where, as in the rows; control "" is the measurement |
| channel | its index |
| exact | whether the group acts on this layer's grid without interpolation |
| images | images that the correlation over the data set is over |
| invariance, equivariance | correlation over images and positions with the same channel, and the largest with any; null for dead channels |
| invariance_error, equivariance_error | their standard errors over images |
| match | the channel with the largest correlation: what the channel becomes; -1 for dead ones |
| image_invariance, image_equivariance | means over images of the values image by image; null on layers without positions, and for controls |
| living_images | images on which the channel varies |
"""  # noqa: E501

import os
from pathlib import Path

import pyarrow as pa

from invariscope.files import read_parquet, write_parquet

CHANNELS = "channels.parquet"

CHANNEL_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("layer", "cell", "control")]
    + [("channel", pa.int32()), ("exact", pa.bool_()), ("images", pa.int64())]
    + [
        (name, pa.float32())
        for name in ("invariance", "invariance_error", "equivariance", "equivariance_error")
    ]
    + [("match", pa.int32())]
    + [(name, pa.float32()) for name in ("image_invariance", "image_equivariance", "living_images")]
)


def write_channels(folder: str | os.PathLike[str], table: pa.Table) -> Path:
    """Writes `channels.parquet` of a run folder, whole or not at all.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    path = Path(folder) / CHANNELS
    write_parquet(path, table, kept="the rows of the run are kept")
    return path


def read_channel_table(folder: str | os.PathLike[str]) -> pa.Table:
    """Reads `channels.parquet` of a run folder.

    Raises:
        InputError: The file is damaged or lacks columns.
    """
    remedy = "delete it with the run's rows and measure again"
    return read_parquet(Path(folder) / CHANNELS, remedy, CHANNEL_SCHEMA)
