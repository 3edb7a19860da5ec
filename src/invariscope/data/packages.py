"""Finds an installed package without importing it."""

from importlib.util import find_spec
from pathlib import Path


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
