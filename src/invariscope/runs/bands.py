"""Decides from the bands of the pictures which of them are used and which operations can act.

Geometry moves all bands alike. Changes of colour (`Family.needs_colour`) have a meaning for red,
green and blue alone: on pictures of any other number of bands, and on grey pictures for a network
of one channel, they are left out with a warning, or refused where the user named them.
"""

import copy
from collections.abc import Collection, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from invariscope.data import ImageSource
from invariscope.errors import InputError, first_of
from invariscope.models import Preprocessing
from invariscope.transformations import Operation, Transformation

COLOURS = 3


def matched(source: ImageSource, preprocessing: Preprocessing) -> ImageSource:
    """Adapts the source: it gives all bands of its files if the model takes more than colours."""
    wanted = preprocessing.bands is not None or preprocessing.channels not in (1, 3, None)
    if wanted == source.all_bands:
        return source
    adapted = copy.copy(source)
    adapted.all_bands = wanted
    return adapted


C = TypeVar("C", Transformation, Operation)


def acting(
    chosen: Sequence[C], bands: int, tabled: Collection[str]
) -> tuple[tuple[C, ...], list[str]]:
    """Selects the operations that can act on pictures of that many bands, and warns of the others.

    Args:
        chosen: Transformations or operations.
        bands: Of the pictures.
        tabled: The names of those that come from a table: the user did not name each.

    Raises:
        InputError: One that was named needs colour, or nothing is left.
    """
    without = [member.name for member in chosen if member.needs_colour and bands != COLOURS]
    named = [name for name in without if name not in tabled]
    if named or len(without) == len(chosen):
        raise InputError(
            f"{first_of(named or without)}: {_needs(bands)}; leave it out, or choose three bands "
            "by number with `preprocessing={'bands': [1, 2, 3]}`"
        )
    fitting = tuple(member for member in chosen if member.name not in without)
    return fitting, [f"left out {first_of(without)}: {_needs(bands)}"] if without else []


def _needs(bands: int) -> str:
    return f"a change of colour needs red, green and blue, and the pictures have {_counted(bands)}"


def said(bands: int, preprocessing: Preprocessing) -> dict[str, str]:
    """Says what was decided about the bands of the pictures; nothing for plain colours."""
    if bands == COLOURS and preprocessing.bands is None:
        return {}
    used = (
        ""
        if preprocessing.bands is None
        else f" (numbers {', '.join(map(str, preprocessing.bands))})"
    )
    line = f"{_counted(bands)} of the pictures{used} are transformed"
    if bands > COLOURS:
        line += "; the report shows the first three as red, green and blue"
    elif bands < COLOURS:
        line += "; the report shows the first as grey"
    return {"bands used": line}


def as_colour(images: Tensor) -> Tensor:
    """Shows pictures in colours: the first three bands, or the first one as grey.

    Args:
        images: [..., band, height, width].

    Returns:
        [..., 3, height, width].

    Example:
        >>> as_colour(torch.zeros(13, 4, 4)).shape, as_colour(torch.zeros(2, 2, 4, 4)).shape
        (torch.Size([3, 4, 4]), torch.Size([2, 3, 4, 4]))
    """
    if images.shape[-3] >= COLOURS:
        return images[..., :COLOURS, :, :]
    return torch.cat([images[..., :1, :, :]] * COLOURS, dim=-3)


def _counted(bands: int) -> str:
    return "1 band" if bands == 1 else f"{bands} bands"
