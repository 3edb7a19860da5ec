"""The errors that invariscope raises.

Every message is one line and says what came, where, and what would work. The command line prints it
and exits with the class's ``exit_code``; the Python interface raises it unchanged.
"""

from collections.abc import Sequence

_LONGEST = 200


class InvariscopeError(Exception):
    """Base of every error that invariscope raises on purpose."""

    exit_code = 3


class InputError(InvariscopeError):
    """The request cannot be carried out as it was made (exit code 2)."""

    exit_code = 2


class RunError(InvariscopeError):
    """The run could not finish; the message says how to resume it (exit code 3)."""

    exit_code = 3


def first_line(error: BaseException) -> str:
    r"""Returns the first line of an error's text, at most 200 characters.

    Example:
        >>> first_line(ValueError("bad shape\nand a long story"))
        'bad shape'
    """
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:_LONGEST] if lines else "no message"


def first_of(names: Sequence[str], shown: int = 5) -> str:
    """Lists the first names, and says how many more there are.

    Example:
        >>> first_of(["a", "b", "c", "d"], 3), first_of(["a", "b"])
        ('a, b, c and 1 more', 'a, b')
    """
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
