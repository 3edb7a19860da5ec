"""What the bands of the pictures decide before the first block: which are used, what can act.

Geometry moves all bands alike. Changes of colour (`Family.needs_colour`) have a meaning for red,
green and blue alone: on pictures of any other number of bands, and on grey pictures for a network
of one channel, they are left out with a warning, or refused where the user named them.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.data import ImageSource
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.transformations import Transformation

COLOURS = 3


def matched(source: ImageSource, preprocessing: Preprocessing) -> ImageSource:
    """The source, giving all bands that its files hold where the model takes more than colours."""
    wanted = preprocessing.bands is not None or preprocessing.channels not in (1, 3, None)
    if wanted == source.all_bands:
        return source
    other = copy.copy(source)
    other.all_bands = wanted
    return other


def acting(
    chosen: Sequence[Transformation], bands: int, named: bool
) -> tuple[tuple[Transformation, ...], list[str]]:
    """The transformations that can act on pictures of so many bands, and a warning of the others.

    Args:
        chosen: What is to be swept.
        bands: Of the pictures.
        named: Whether the user named each; else they are those of a table.

    Raises:
        InputError: One that was named needs colour, or nothing is left.
    """
    without = [one.name for one in chosen if one.family.needs_colour and bands != COLOURS]
    if not without:
        return tuple(chosen), []
    left = tuple(one for one in chosen if one.name not in without)
    check_colour(without, bands, named or not left)
    return left, [left_out(without, bands)]


def check_colour(without: Sequence[str], bands: int, named: bool) -> None:
    """Raises an `InputError` for names that need colour and were asked for."""
    if named:
        raise InputError(
            f"{', '.join(without)}: a change of colour needs red, green and blue, and the pictures "
            f"have {_counted(bands)}; leave it out, or choose three bands by number with "
            "preprocessing={'bands': [1, 2, 3]}"
        )


def left_out(without: Sequence[str], bands: int) -> str:
    """The warning that names what was left out."""
    return (
        f"left out {', '.join(without)}: a change of colour needs red, green and blue, and the "
        f"pictures have {_counted(bands)}"
    )


def said(bands: int, preprocessing: Preprocessing) -> dict[str, str]:
    """What was decided about the bands of the pictures; nothing for colours as they come."""
    if bands == COLOURS and preprocessing.bands is None:
        return {}
    used = "" if preprocessing.bands is None else f" (numbers {_listed(preprocessing.bands)})"
    line = f"{_counted(bands)} of the pictures{used} are transformed"
    if bands > COLOURS:
        line += "; the report shows the first three as red, green and blue"
    elif bands < COLOURS:
        line += "; the report shows the first as grey"
    return {"bands used": line}


def as_colour(images: Tensor) -> Tensor:
    """Pictures as people see them: the first three bands, or the first one as grey.

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


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
