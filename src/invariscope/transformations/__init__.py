"""Transforms batches of images in [0, 1] by named families with levels."""

from invariscope.transformations.action import is_closed, kernel
from invariscope.transformations.element import Element
from invariscope.transformations.families import FAMILIES, Family, appearance, geometric
from invariscope.transformations.generators import GENERATORS, Generator, generator_of
from invariscope.transformations.geometry import Resampling, warp
from invariscope.transformations.groups import elements
from invariscope.transformations.libraries import transformation_from
from invariscope.transformations.named import (
    get_group,
    get_groups,
    get_transformation,
    get_transformations,
)
from invariscope.transformations.on_maps import Action, action_on, moves_of
from invariscope.transformations.operation import Operation
from invariscope.transformations.tables import DEFAULT_FAMILIES, SUB_POLICIES, TABLES
from invariscope.transformations.taps import Moves
from invariscope.transformations.transformation import IDENTITY, Transformation, from_function

__all__ = [
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "GENERATORS",
    "IDENTITY",
    "SUB_POLICIES",
    "TABLES",
    "Action",
    "Element",
    "Family",
    "Generator",
    "Moves",
    "Operation",
    "Resampling",
    "Transformation",
    "action_on",
    "appearance",
    "elements",
    "from_function",
    "generator_of",
    "geometric",
    "get_group",
    "get_groups",
    "get_transformation",
    "get_transformations",
    "is_closed",
    "kernel",
    "moves_of",
    "transformation_from",
    "warp",
]
