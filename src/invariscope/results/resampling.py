"""How the transformations of a run read between and beyond pixels, as its manifest says it.

The settings hold what the first that moves pixels does (``border``, ``fill``, ``interpolation``),
and under ``resampling`` what those do that differ from it, as in the table "search".
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from invariscope.transformations import Resampling, Transformation

_KEYS = tuple(field.name for field in fields(Resampling))


def resampling_settings(transformations: Sequence[Transformation]) -> dict[str, Any]:
    """What the settings of a run hold.

    Args:
        transformations: At least one.

    Example:
        >>> from invariscope.transformations import get_transformation
        >>> resampling_settings([get_transformation("rotate")])
        {'interpolation': 'bilinear', 'border': 'zeros', 'fill': 0.0}
    """
    moving = [one for one in transformations if one.kind != "appearance"]
    usual = replace((moving or transformations)[0].resampling, centre="centre")
    own = {one.name: asdict(one.resampling) for one in moving if one.resampling != usual}
    said = {key: value for key, value in asdict(usual).items() if key != "centre"}
    return said | ({"resampling": own} if own else {})


def resampling_of(settings: Mapping[str, Any], transformation: str = "") -> Resampling:
    """How a transformation of a run was done.

    Args:
        settings: Of the run's manifest.
        transformation: Its name; "": those that have no way of their own.
    """
    known = settings.get("resampling", {}).get(transformation, settings)
    return Resampling(**{key: known[key] for key in _KEYS if key in known})
