"""Reads and writes the channels of a run: one row per layer, cell, control and channel.

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

import pandas as pd
import pyarrow as pa

from invariscope.runs.tables import read_run_table, write_run_table

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


def write_channels(
    folder: str | os.PathLike[str], table: pa.Table | pd.DataFrame, run: str = ""
) -> Path:
    """Writes `channels.parquet` of a run folder, whole or not at all; `run` is its identity.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    return write_run_table(Path(folder) / CHANNELS, table, CHANNEL_SCHEMA, run)


def read_channel_table(folder: str | os.PathLike[str], run: str | None = None) -> pa.Table:
    """Reads `channels.parquet` of a run folder.

    Raises:
        InputError: The file is damaged, lacks columns, or is not of the run whose identity is
            given.
    """
    remedy = "delete it with the run's rows and measure again"
    return read_run_table(Path(folder) / CHANNELS, CHANNEL_SCHEMA, run, "channels", remedy)
