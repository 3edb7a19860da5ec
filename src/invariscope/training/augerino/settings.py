"""Reads Augerino's settings from text, as in a recipe: ``tx,ty,scale; regulariser=0.2; zoom_in``.

First the generators, then settings with a value, or flags, in any order:

| setting | meaning | default |
|---|---|---|
| regulariser=0.2 | how strongly wider motions are rewarded | 0.2 |
| copies=4, train_copies=1 | motions of an image in a test and in a training step | 4, 1 |
| separate, zoom_in | translations first; `scale` only enlarges | off |
| fixed | the control: the widths stay as they start | off |
| fill=0 | what comes from outside, in the units of the normalised images | 0 |
| mode=each | which shutdown: `each` or `all` | each |
| start.tx=1.2, shutdown.tx=1.2 | a width of one generator | those of `generators` |
| test_seed=0 | of the draws of a test | 0 |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.training.augerino.generators import checked_generators
from invariscope.training.augerino.module import Augerino

_FLAGS = ("separate", "zoom_in", "fixed")
_VALUES: dict[str, Callable[[str], Any]] = {
    "regulariser": float,
    "copies": int,
    "train_copies": int,
    "fill": float,
    "mode": str,
    "test_seed": int,
}
_WIDTHS = ("start", "shutdown")


@dataclass(frozen=True)
class AugerinoSettings:
    """The settings that a text states.

    Args:
        generators: Which motions.
        values: Arguments of `Augerino` that were given.

    Example:
        >>> settings = AugerinoSettings.parse("tx,ty; regulariser=0.4; start.tx=0.8; fixed")
        >>> settings.generators, settings.values["start"], settings.values["learned"]
        (('tx', 'ty'), {'tx': 0.8}, False)
    """

    generators: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "AugerinoSettings":
        """Reads the text.

        Raises:
            InputError: An unknown generator or setting, or a value that is none.
        """
        first, *rest = [part.strip() for part in text.split(";")]
        generators = checked_generators([name.strip() for name in first.split(",") if name.strip()])
        values: dict[str, Any] = {}
        for part in filter(None, rest):
            name, given, value = (piece.strip() for piece in part.partition("="))
            head, _, generator = name.partition(".")
            if name in _FLAGS and not given:
                values |= {"learned": False} if name == "fixed" else {name: True}
            elif name in _VALUES and given:
                values[name] = _value(name, value, _VALUES[name])
            elif head in _WIDTHS and generator and given:
                values.setdefault(head, {})[generator] = _value(name, value, float)
            else:
                known = [*_FLAGS, *(f"{key}=" for key in _VALUES), "start.tx=", "shutdown.tx="]
                raise unknown_name("setting of augerino", name + given, known)
        return cls(generators, values)

    def wrap(self, model: nn.Module) -> Augerino:
        """Puts the network behind motions of these settings.

        Raises:
            InputError: Values that do not go together.
        """
        return Augerino(model, self.generators, **self.values)


def _value(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError:
        words: dict[Any, str] = {int: "a whole number", float: "a number"}
        what = words.get(read, "a word")
        raise InputError(f"augerino: {name} is {text!r}; {what} works") from None
