"""Opens image sources: where a run's images come from, which are taken, and in which order.

>>> from invariscope.data import open_source, select
>>> source = open_source("samples")
>>> chosen = select(source, num_images=24, seed=0)
>>> source.load(chosen[0]).mode
'RGB'

Importing this package does not import torch; opening an array or a data set does.
"""

# the package's own list of sources: each import below registers one or more names
from invariscope.data import (
    archive,
    corrupted,
    digits,
    fashion_mnist,
    from_module,
    hf,
    mnist5k,
    mnist6,
    named,
    numpy_file,
    paths,
    rotated_mnist,
    samples,
    shards,
    stamps,
    table,
)
from invariscope.data.opening import open_source
from invariscope.data.paths import PathsSource
from invariscope.data.selection import fingerprint, select, stratified
from invariscope.data.source import SOURCES, ImageSource, UnreadableImage
from invariscope.data.table import TableSource
from invariscope.data.transforms2d import pasted
from invariscope.data.transforms2d import source as transforms2d_source

__all__ = [
    "SOURCES",
    "ImageSource",
    "PathsSource",
    "TableSource",
    "UnreadableImage",
    "archive",
    "corrupted",
    "digits",
    "fashion_mnist",
    "fingerprint",
    "from_module",
    "hf",
    "mnist5k",
    "mnist6",
    "named",
    "numpy_file",
    "open_source",
    "pasted",
    "paths",
    "rotated_mnist",
    "samples",
    "select",
    "shards",
    "stamps",
    "stratified",
    "table",
    "transforms2d_source",
]
