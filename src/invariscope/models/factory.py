"""Calls ``python:package.module:name``: a function of the user's that returns the model."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from invariscope.errors import InputError, InvariscopeError
from invariscope.models.failures import first_line
from invariscope.models.twin import drawing
from invariscope.registry import unknown_name


def call_factory(rest: str, seed: int, spec: str) -> Any:
    """Calls the user's function and returns its model.

    Args:
        rest: ``package.module:name``.
        seed: Of what the function draws.
        spec: The whole spec, for messages.

    Raises:
        InputError: The module cannot be imported, has no such function, or that raises.
    """
    module, _, name = rest.partition(":")
    if not module or not name:
        raise InputError(f"model {spec!r} names no factory; python:package.module:factory works")
    factory = _factory(module, name, spec)
    try:
        with drawing(seed):
            return factory()
    except InvariscopeError:
        raise
    except Exception as error:
        raise InputError(
            f"model {spec!r}: the factory raises {type(error).__name__} ({first_line(error)}); a "
            "function that returns the model when called without arguments works"
        ) from error


def _factory(module: str, name: str, spec: str) -> Callable[[], Any]:
    with _importing_from_here():
        try:
            home = importlib.import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or module).partition(".")[0]
            raise InputError(
                f"model {spec!r}: {first_line(error)}; pip install the package that has "
                f"{missing!r}, or run in the folder that holds it"
            ) from error
        except Exception as error:
            raise InputError(
                f"model {spec!r}: importing {module!r} raises {type(error).__name__} "
                f"({first_line(error)}); a file that python -c 'import {module}' imports works"
            ) from error
    public = [key for key, value in vars(home).items() if key[0] != "_" and callable(value)]
    if not hasattr(home, name):
        raise unknown_name(f"factory in {module}", name, public)
    factory = getattr(home, name)
    if not callable(factory):
        raise InputError(f"model {spec!r}: {name!r} is a {type(factory).__name__}, no function")
    return factory


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """Lets a factory live in the working directory, as with ``python -m``."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
