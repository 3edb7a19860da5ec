"""Finds an installed package without importing it."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from invariscope.errors import InputError


def package_folder(name: str) -> Path | None:
    """Finds the folder of a top-level package; None if it is not installed.

    Example:
        >>> package_folder("invariscope").name
        'invariscope'
        >>> package_folder("no_such_package") is None
        True
    """
    installed = find_spec(name)
    if installed is None or not installed.submodule_search_locations:
        return None
    return Path(installed.submodule_search_locations[0])


def needs_debian(what: str, packages: Sequence[str], instead: str = "") -> InputError:
    """Makes the error for what needs packages of Debian that are not installed.

    Args:
        what: The spec that needs them.
        packages: Their names.
        instead: What works without them, such as "; or write transforms2d:shapes".
    """
    names, which = " ".join(packages), "packages" if len(packages) > 1 else "package"
    return InputError(f"{what} needs the Debian {which} {names}: apt-get install {names}{instead}")
