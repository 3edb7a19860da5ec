"""Opens images that Python code of the user's has: ``python:package.module:name``.

The name stands for anything that `open_source` takes (a data set, an array, `(images, labels)`, a
data frame), or for a function or class that gives it when called without arguments. Its module is
found in an installed package or in the folder where the command is given.
"""

import inspect

from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError, InvariscopeError, first_line
from invariscope.users_code import imported


@SOURCES.register("python")
def from_module(argument: str | None = None) -> ImageSource:
    """Data of your own: python:mydata:test, a data set, or a function that makes it.

    Raises:
        InputError: The module or the name is not there, the function raises, or what it gives is
            no images.

    Example:
        >>> from_module("math:pi")
        Traceback (most recent call last):
        invariscope.errors.InputError: images of type float; give a folder, ...
    """
    from invariscope.data.opening import open_source  # which looks sources up by their names

    spec = f"image source 'python:{argument or ''}'"
    images = imported(argument or "", spec, "data")
    if isinstance(images, type) or inspect.isroutine(images):
        try:
            images = images()
        except InvariscopeError:
            raise
        except Exception as error:
            raise InputError(
                f"{spec}: calling it raises {type(error).__name__} ({first_line(error)}); a "
                "function that gives the data when called without arguments works"
            ) from error
    return open_source(images)
