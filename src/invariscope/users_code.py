"""Imports what a user has written: ``python:package.module:name`` in a spec."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from invariscope.errors import InputError, first_line
from invariscope.registry import unknown_name


def imported(rest: str, spec: str, what: str, *, called: bool = False) -> Any:
    """Imports the object of that name; its module may lie in the working folder.

    Args:
        rest: ``package.module:name``.
        spec: What was asked for, for messages: "model 'python:nets:small'".
        what: What the object is, in one word.
        called: Whether it is a function, so that nothing else is proposed for a wrong name.

    Raises:
        InputError: The module cannot be imported, or has no such name.

    Example:
        >>> imported("math:hypot", "model 'python:math:hypot'", "factory")(3, 4)
        5.0
    """
    module, _, name = rest.partition(":")
    if not module or not name:
        raise InputError(f"{spec} names no {what}; python:package.module:{what} works")
    with _importing_from_here():
        try:
            home = importlib.import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or module).partition(".")[0]
            raise InputError(
                f"{spec}: {first_line(error)}; pip install the package that has {missing!r}, or "
                "run in the folder that holds it"
            ) from error
        except Exception as error:
            raise InputError(
                f"{spec}: importing {module!r} raises {type(error).__name__} "
                f"({first_line(error)}); a file that python -c 'import {module}' imports works"
            ) from error
    public = [
        key
        for key, value in vars(home).items()
        if key[0] != "_" and (callable(value) or not (called or isinstance(value, ModuleType)))
    ]
    if not hasattr(home, name):
        raise unknown_name(f"{what} in {module}", name, public)
    return getattr(home, name)


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """Lets a module live in the working directory, as with ``python -m``."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
