"""Defines small architectures, and reads their specs.

``NAME?width=0.5&classes=10&channels=1&size=28``: each part has a default.

==========  ======================================================================================
width       factor on the number of channels of every layer (for ``wide_resnet40`` the paper's s)
classes     number of outputs, 10
channels    of the pictures: 3, 1 for luminance images, or as many as they have bands
size        side of the input in pixels
==========  ======================================================================================

Some architectures know more options; an unknown one is answered with all that there are.
Weights are drawn from a seed, by torch's own initialisation unless an architecture says otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from torch import nn

from invariscope.errors import InputError
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.twin import drawing
from invariscope.registry import Registry, unknown_name

_LARGEST_WIDTH = 64.0


@dataclass(frozen=True)
class Shape:
    """The sizes that an architecture is built for.

    Args:
        width: Factor on the number of channels.
        classes: Number of outputs.
        channels: Of the input.
        size: Side of the input in pixels.
        options: Values of the architecture's own options.
    """

    width: float
    classes: int
    channels: int
    size: int
    options: Mapping[str, float] = field(default_factory=dict)

    def scaled(self, channels: int) -> int:
        """Returns the number of channels times the width, at least 1.

        Example:
            >>> Shape(0.25, 10, 3, 32).scaled(20)
            5
        """
        return max(1, round(channels * self.width))


@dataclass(frozen=True)
class SmallArchitecture:
    """One architecture.

    Args:
        build: From a shape to the module; draws from torch's global generator, which is seeded.
        size: Side of the input unless the spec says otherwise.
        channels: Of the input unless the spec says otherwise.
        options: The architecture's own options with their defaults.
    """

    build: Callable[[Shape], nn.Module]
    size: int = 32
    channels: int = 3
    options: Mapping[str, float] = field(default_factory=dict)


SMALL: Registry[SmallArchitecture] = Registry("small architecture", "invariscope.architectures")


class SmallModel:
    """A small architecture as its spec describes it, ready to be built.

    Args:
        rest: The spec without ``small:``.

    Raises:
        InputError: An unknown architecture or option, or a value that cannot be.

    Example:
        >>> SmallModel("resnet18?width=0.5").spec
        'small:resnet18?width=0.5'
        >>> SmallModel("resnet81")
        Traceback (most recent call last):
        invariscope.errors.InputError: unknown small architecture 'resnet81': did you mean ...
    """

    def __init__(self, rest: str):
        self.name, _, query = rest.partition("?")
        self.spec = f"small:{rest}"
        self._architecture = SMALL.get(self.name)
        given = self._parse(query)
        options = self._architecture.options
        for key in given:
            if key not in ("width", "classes", "channels", "size", *options):
                known = ("width", "classes", "channels", "size", *options)
                raise unknown_name(f"option of small:{self.name}", key, known)
        self.shape = Shape(
            width=self._width(given.get("width", "1")),
            classes=self._whole(given, "classes", 10, 2),
            channels=self._whole(given, "channels", self._architecture.channels, 1),
            size=self._whole(given, "size", self._architecture.size, 4),
            options={key: self._number(key, given.get(key, str(options[key]))) for key in options},
        )

    def build(self, *, seed: int = 0, num_classes: int | None = None) -> nn.Module:
        """Returns the module with weights drawn from the seed, in training mode.

        Args:
            seed: Of the weights.
            num_classes: Replaces the spec's number of classes.

        Raises:
            InputError: A package that it needs is missing, or the size does not fit.
        """
        shape = self.shape
        if num_classes is not None:
            shape = Shape(shape.width, num_classes, shape.channels, shape.size, shape.options)
        with drawing(seed):
            return self._architecture.build(shape)

    @property
    def preprocessing(self) -> Preprocessing:
        """The short side is resized to the input's, the centre is cut out; mean and std 0.5."""
        side, channels = self.shape.size, self.shape.channels
        return Preprocessing(
            size=(side, side),
            resize=side,
            mean=(0.5,) * channels,
            std=(0.5,) * channels,
            channels=channels,
            source=f"small architecture {self.name}",
        )

    def _parse(self, query: str) -> dict[str, str]:
        values: dict[str, str] = {}
        for part in query.split("&") if query else []:
            key, equals, value = part.partition("=")
            if not (key and equals and value):
                raise InputError(f"{self.spec}: {part!r} is not key=value; width=0.5 works")
            if key in values:
                raise InputError(f"{self.spec}: {key!r} is given twice; give it once")
            values[key] = unquote(value)
        return values

    def _number(self, key: str, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise InputError(f"{self.spec}: {key}={text!r} is no number") from None

    def _width(self, text: str) -> float:
        width = self._number("width", text)
        if not 0 < width <= _LARGEST_WIDTH:
            raise InputError(
                f"{self.spec}: width={text}; a factor above 0 and at most {_LARGEST_WIDTH:g} works,"
                " such as 0.25"
            )
        return width

    def _whole(self, given: Mapping[str, str], key: str, default: int, least: int) -> int:
        text = given.get(key, str(default))
        if not text.isdecimal() or int(text) < least:
            raise InputError(f"{self.spec}: {key}={text!r}; a whole number from {least} on works")
        return int(text)
