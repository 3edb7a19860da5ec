"""Learns the width of augmentations with the network: Augerino."""

from invariscope.training.augerino.generators import GENERATORS, LieGenerator, basis, motions
from invariscope.training.augerino.module import Augerino, inverse_warp
from invariscope.training.augerino.settings import AugerinoSettings
from invariscope.training.augerino.widths import Widths

__all__ = [
    "GENERATORS",
    "Augerino",
    "AugerinoSettings",
    "LieGenerator",
    "Widths",
    "basis",
    "inverse_warp",
    "motions",
]
