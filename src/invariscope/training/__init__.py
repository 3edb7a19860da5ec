"""Trains networks: one loop, the augmentations of the papers, Augerino.

>>> from invariscope.training import Recipe, train
"""

from invariscope.training.distances import Distances, representation_distances
from invariscope.training.during import measuring
from invariscope.training.loop import train
from invariscope.training.recipe import Recipe
from invariscope.training.run import TrainedRun, is_done, read_run
from invariscope.training.seeds import cross_validate, mean_over_seeds, train_seeds
from invariscope.training.transfer import Transfer, transfer

__all__ = [
    "Distances",
    "Recipe",
    "TrainedRun",
    "Transfer",
    "cross_validate",
    "is_done",
    "mean_over_seeds",
    "measuring",
    "read_run",
    "representation_distances",
    "train",
    "train_seeds",
    "transfer",
]
