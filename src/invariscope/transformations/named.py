"""Finds transformations by their names: families, groups, corruptions, those of the user."""

from collections.abc import Sequence

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.transformations.corruptions import PREFIX, corruption
from invariscope.transformations.families import FAMILIES, Family
from invariscope.transformations.geometry import Resampling
from invariscope.transformations.groups import group_family, is_group
from invariscope.transformations.limits import check_magnitudes
from invariscope.transformations.stored import SEVERITIES, stored_corruptions
from invariscope.transformations.tables import DEFAULT_FAMILIES, TABLES
from invariscope.transformations.transformation import Transformation, of_magnitudes
from invariscope.users_code import imported

_PYTHON, _STORED = "python:", "imagenet-c:"


def get_transformation(
    name: str, table: str = "standard", resampling: Resampling | None = None
) -> Transformation:
    """Returns the transformation of that name at the magnitudes of a table.

    Args:
        name: A family, such as "rotate", a family with magnitudes of your own, "rotate=5/10/15"
            (levels 1, 2, 3), a group, "C4", a corruption, "corruption:fog", or
            "python:package.module:name", a transformation of your own or a function that returns
            one.
        table: "standard", "paper", "search" or "transforms2d".
        resampling: Interpolation, border and fill, instead of the table's.

    Raises:
        InputError: Unknown family or table, or a family that the table has no magnitudes for.

    Example:
        >>> get_transformation("rotate=5/10").magnitudes
        (0.0, 5.0, 10.0)
    """
    if table not in TABLES:
        raise unknown_name("table", table, TABLES)
    if name.startswith(_PYTHON):
        return _users(name)
    if name.startswith(PREFIX):
        (only,) = _corruptions(name)
        return only
    name, written, own = name.partition("=")
    if is_group(name) and not own and name not in TABLES[table]:
        return get_group(name, resampling)
    if _is_number(name):
        raise InputError(
            f"{name} is no transformation: magnitudes have slashes between them, such as "
            f"rotate=5/{name}"
        )
    family = FAMILIES.get(name.strip())
    if written:
        magnitudes = _magnitudes(family, own)
        levels = tuple(range(len(magnitudes)))
        return Transformation(family, magnitudes, False, levels, resampling or Resampling())
    row = TABLES[table].get(family.name) or family.standard
    if row is None:
        known = ", ".join(TABLES[table])
        raise InputError(
            f"the table {table!r} has no magnitudes for {family.name!r} (it has: {known}); "
            f"give your own: {family.name}=MAGNITUDE/MAGNITUDE"
        )
    # Level 0, the identity, belongs to every sweep, also where a table lists other levels only.
    levels = tuple(sorted({0, *row.levels})) if row.levels else tuple(range(len(row.magnitudes)))
    settings = resampling or row.resampling or Resampling()
    return Transformation(family, row.magnitudes, row.signed, levels, settings)


def _users(spec: str) -> Transformation:
    """Imports a transformation, or calls the function that makes it."""
    found = imported(spec.removeprefix(_PYTHON), f"transformation {spec!r}", "transformation")
    if not isinstance(found, Transformation) and callable(found):
        try:
            found = found()
        except InputError:
            raise
        except Exception as problem:  # whatever a user's function raises
            line = " ".join(str(problem).split())
            raise InputError(
                f"transformation {spec!r}: the function raises {type(problem).__name__} ({line})"
            ) from problem
    if not isinstance(found, Transformation):
        raise InputError(
            f"transformation {spec!r} is a {type(found).__name__}: give what transformation_from "
            "or from_function returns, or a function that returns it"
        )
    return found


def get_group(name: str, resampling: Resampling | None = None) -> Transformation:
    """Returns a finite group as a transformation whose levels are its elements.

    Args:
        name: "C4", "D8" (any n), "flip", "flip_vertical", "shift(1..32)", products such as
            "C4*flip"; see `invariscope.transformations.groups`.
        resampling: Interpolation, border and fill of the elements that need it.

    Example:
        >>> [get_group("C4").describe(level) for level in range(4)]
        ['0°', '90°', '180°', '270°']
    """
    family = group_family(name)
    numbers = range(len(family.members))
    magnitudes = tuple(float(number) for number in numbers)
    return Transformation(family, magnitudes, False, tuple(numbers), resampling or Resampling())


def get_groups(
    names: str | Sequence[str], resampling: Resampling | None = None
) -> tuple[Transformation, ...]:
    """Groups by name: a comma-separated list or a sequence; see `get_group`."""
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    return tuple(get_group(name, resampling) for name in names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _magnitudes(family: Family, text: str) -> tuple[float, ...]:
    """The identity and what is written, each once: a level that stands twice would count twice."""
    written = _numbers(text, family.name)
    check_magnitudes(family.name, written)
    moving = tuple(dict.fromkeys(m for m in written if m != family.identity))
    if not moving:
        raise InputError(
            f"{family.name}={text}: the picture as it is, which is measured anyway as level 0; "
            "give a magnitude that changes it"
        )
    return (family.identity, *moving)


def _numbers(text: str, name: str) -> list[float]:
    try:
        return [float(part) for part in text.split("/")]
    except ValueError:
        raise InputError(
            f"{name}={text}: magnitudes are numbers with slashes between them, "
            f"such as {name}=5/10/15"
        ) from None


def get_transformations(
    names: str | Sequence[str | Transformation] | None = None,
    table: str = "standard",
    resampling: Resampling | None = None,
) -> tuple[Transformation, ...]:
    """Transformations by name, a comma-separated list of names, or a sequence of either.

    None or "all" stands for every family of the table (the 13 of the paper for "standard"),
    "imagenet-c:FOLDER" for all corruptions that lie there, "corruption:all" for those made here.

    Raises:
        InputError: Unknown names or tables, or a name given twice.
    """
    if table not in TABLES:
        raise unknown_name("table", table, TABLES)
    if names is None or names == "all":
        names = DEFAULT_FAMILIES if table == "standard" else tuple(TABLES[table])
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    chosen = tuple(one for item in names for one in _named(item, table, resampling))
    if not chosen:
        raise InputError("no transformation is named; try rotate, or leave the option out for all")
    called = [item.name for item in chosen]
    doubled = {name for name in called if called.count(name) > 1}
    if doubled:
        raise InputError(f"named twice: {', '.join(sorted(doubled))}; name each family once")
    return chosen


def _named(
    item: str | Transformation, table: str, resampling: Resampling | None
) -> tuple[Transformation, ...]:
    if isinstance(item, Transformation):
        return (item,)
    if item.startswith(_STORED):
        found = stored_corruptions(item.removeprefix(_STORED))
        return tuple(of_magnitudes(family, (0.0, *severities)) for family, severities in found)
    if item.startswith(PREFIX):
        return _corruptions(item)
    return (get_transformation(item, table, resampling),)


def _corruptions(item: str) -> tuple[Transformation, ...]:
    name, _, own = item.removeprefix(PREFIX).partition("=")
    severities = _numbers(own, f"{PREFIX}{name}") if own else SEVERITIES
    return tuple(of_magnitudes(family, (0.0, *severities)) for family in corruption(name))
