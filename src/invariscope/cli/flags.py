"""The options of the command line for the arguments that the library names.

Messages of the library name arguments in backquotes, with a value where one would help:
`num_images`, `value_range=(0, 4095)`. The command line has an option of the same name for most of
them, and says that instead.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

_ARGUMENT = re.compile(r"`([a-z]\w*)(?:=([^`\n]*))?`")
#: Options that have another name than the library's argument.
_OTHERS = {"changes": "--set", "values": "--mask-values"}


_apps: list["typer.Typer"] = []


def speak_of(app: "typer.Typer") -> None:
    """Takes the options of an application's commands from now on."""
    _apps.append(app)
    _flags.cache_clear()


def with_flags(text: str) -> str:
    """Replaces the names of arguments by their options; names without an option remain.

    Example:
        >>> with_flags("give `output`, `value_range=(0, 4095)` or `preprocessing={'size': 224}`")
        'give --output, --value-range 0,4095 or --preprocessing size=224'
        >>> with_flags("`preprocessing={'mean': (0.4, 0.5), 'std': (1, 2)}`")
        '--preprocessing mean=0.4,0.5 --preprocessing std=1,2'
        >>> with_flags("`invariscope measure` with `resume=False` and `dim`")
        '`invariscope measure` with --no-resume and `dim`'
    """
    return _ARGUMENT.sub(_option, text)


def _option(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    flags = _flags().get(name)
    if flags is None:
        return match[0]
    if value is None or value == "True":
        return flags[0]
    if value == "False":
        return flags[1]
    entries = re.split(r", (?='\w+': )", value)  # of a dictionary
    plain = (re.sub(r"[][(){}'\"]", "", entry) for entry in entries)
    return " ".join(f"{flags[0]} {e.replace(': ', '=').replace(', ', ',')}" for e in plain)


@cache
def _flags() -> dict[str, tuple[str, str]]:
    """Lists for each argument its option, and the option that says no."""
    from typer.main import get_command

    flags = {name: (flag, flag) for name, flag in _OTHERS.items()}
    commands = [get_command(app) for app in _apps]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        for option in command.params:
            long = [flag for flag in option.opts if flag.startswith("--")]
            if long and option.name:
                no = [flag for flag in option.secondary_opts if flag.startswith("--")]
                flags[option.name.strip("_")] = (long[0], (no or long)[0])
    return flags
