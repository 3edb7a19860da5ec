"""Calls ``python:package.module:name``: a function of the user's that returns the model."""

from typing import Any

from invariscope.errors import InputError, InvariscopeError, first_line
from invariscope.models.twin import drawing
from invariscope.users_code import imported


def call_factory(rest: str, seed: int, spec: str) -> Any:
    """Calls the user's function and returns its model.

    Args:
        rest: ``package.module:name``.
        seed: Of what the function draws.
        spec: The whole spec, for messages.

    Raises:
        InputError: The module cannot be imported, has no such function, or that raises.
    """
    factory = imported(rest, f"model {spec!r}", "factory", called=True)
    if not callable(factory):
        name = rest.rpartition(":")[2]
        raise InputError(f"model {spec!r}: {name!r} is a {type(factory).__name__}, no function")
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
