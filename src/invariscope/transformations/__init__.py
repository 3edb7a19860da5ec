"""Transformations: named families with levels, acting on batches of images in [0, 1]."""

from invariscope.transformations.families import FAMILIES, Family, appearance, geometric
from invariscope.transformations.geometry import Resampling, warp
from invariscope.transformations.on_maps import Action, action_on
from invariscope.transformations.tables import DEFAULT_FAMILIES, SUB_POLICIES, TABLES
from invariscope.transformations.transformation import (
    IDENTITY,
    Transformation,
    from_function,
    get_group,
    get_groups,
    get_transformation,
    get_transformations,
)

__all__ = [
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "IDENTITY",
    "SUB_POLICIES",
    "TABLES",
    "Action",
    "Family",
    "Resampling",
    "Transformation",
    "action_on",
    "appearance",
    "from_function",
    "geometric",
    "get_group",
    "get_groups",
    "get_transformation",
    "get_transformations",
    "warp",
]
