"""Permutes the channels of layers that are fields of the regular representation of C_n.

In a group-convolutional network the channels of a layer come in consecutive blocks. A block of n
channels is the regular representation of the rotations by 360/n degrees: one channel per group
element 0 … n − 1, and **turning the input counter-clockwise by k·360/n degrees moves channel j to
channel (j + k) mod n**. That is the order of `e2cnn` and of a network that stacks the filter, the
filter turned once counter-clockwise, and so on. A block of one channel (the trivial representation)
stays. So the maps of the turned image are the turned maps with their channels permuted:

    f(T_g x) = (T_g f(x))[:, fields.permutation(degrees)]

Layers without declared fields are taken as they are: their channels stay. The outputs of `e2cnn`
say their type themselves; a declaration (``load_model(model, fields={…})``) goes first.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from invariscope.errors import InputError

# In steps of the group: far above the rounding of an angle in degrees, far below any turn.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Fields:
    """The channels of a layer, grouped into fields of the rotations C_n.

    Args:
        order: n, the number of rotations of the group.
        sizes: Number of channels of each field, in the order of the channels: n for a field that
            the rotations permute (regular), 1 for a channel that stays (trivial).

    Raises:
        InputError: No fields, an order below 1, a size that is neither 1 nor the order.

    Example:
        >>> Fields(4, (4, 1)).permutation(90).tolist()
        [3, 0, 1, 2, 4]
        >>> Fields(4, (4, 1)).permutation(-90).tolist()
        [1, 2, 3, 0, 4]
    """

    order: int
    sizes: tuple[int, ...]

    def __post_init__(self):
        if self.order < 1:
            raise InputError(f"fields: order {self.order}; a whole number from 1 on works")
        if not self.sizes:
            raise InputError("fields: no sizes; give the number of channels of each field")
        odd = next((size for size in self.sizes if size not in (1, self.order)), None)
        if odd is not None:
            raise InputError(
                f"fields: a field of {odd} channels under the {self.order} rotations of "
                f"C{self.order}; {self.order} (permuted by them) and 1 (not moved) work"
            )

    @property
    def channels(self) -> int:
        """The number of channels that these fields make up."""
        return sum(self.sizes)

    def describe(self) -> str:
        """Returns the fields in words.

        Example:
            >>> Fields(8, (8, 8, 1)).describe()
            'C8: 2 fields of 8 channels, 1 of 1'
        """
        regular = sum(size == self.order for size in self.sizes)
        words = [f"{regular} fields of {self.order} channels"] if regular else []
        if rest := len(self.sizes) - regular:
            words.append(f"{rest} of 1")
        return f"C{self.order}: " + ", ".join(words)

    def permutation(
        self, degrees: float | Fraction, mirrored: bool = False
    ) -> Int64[Tensor, " channel"]:
        """Returns the source of each channel under a turn: f(T_g x) = (T_g f(x))[:, permutation].

        Args:
            degrees: How far the image turns, counter-clockwise.
            mirrored: Whether it is flipped as well.

        Returns:
            [channel], on the CPU: an index into the channels of the turned maps.

        Raises:
            InputError: The rotations of C_n do not contain the motion.
        """
        if mirrored:
            raise InputError(
                f"fields: a flip is no element of C{self.order}, and what it does to the channels "
                f"is not known; rotations by multiples of {_angle(self.order)} degrees work"
            )
        steps = float(degrees * self.order / 360)
        if not math.isfinite(steps):
            raise InputError(f"fields: a motion that is no rotation is no element of C{self.order}")
        turns = round(steps)
        if abs(steps - turns) > _TOLERANCE:
            raise InputError(
                f"fields: a rotation by {float(degrees):g} degrees is no element of "
                f"C{self.order}; multiples of {_angle(self.order)} degrees work"
            )
        ends = torch.tensor(self.sizes).cumsum(0)
        sizes = torch.tensor(self.sizes).repeat_interleave(torch.tensor(self.sizes))
        starts = (ends - torch.tensor(self.sizes)).repeat_interleave(torch.tensor(self.sizes))
        places = torch.arange(self.channels) - starts
        return starts + (places - turns) % sizes


def regular_fields(order: int, channels: int, layer: str) -> Fields:
    """Makes the fields of a layer all of whose channels lie in blocks of n.

    Raises:
        InputError: The number of channels is no multiple of the order.

    Example:
        >>> regular_fields(4, 8, "conv1").sizes
        (4, 4)
    """
    if order < 1:
        raise InputError(f"fields of layer {layer!r}: order {order}; a number from 1 on works")
    if channels % order:
        raise InputError(
            f"fields of layer {layer!r}: {channels} channels are no whole number of fields of "
            f"{order}; declare Fields({order}, sizes) where some channels do not move"
        )
    return Fields(order, (order,) * (channels // order))


def declared_fields(
    layer: str, channels: int | None, declared: Sequence[tuple[str, int | Fields]]
) -> Fields | None:
    """Returns the fields of the last declaration that names a layer or whose glob fits it.

    Args:
        layer: Name of the layer.
        channels: Its number of channels, if it is known.
        declared: Names or globs, each with the order n (all channels in fields of n) or `Fields`.

    Raises:
        InputError: The layer has another number of channels than the declaration.
    """
    from fnmatch import fnmatchcase

    fitting = [value for pattern, value in declared if fnmatchcase(layer, pattern)]
    if not fitting or channels is None:
        return None
    last = fitting[-1]
    if not isinstance(last, Fields):
        return regular_fields(last, channels, layer)
    if last.channels != channels:
        raise InputError(
            f"fields of layer {layer!r}: they make up {last.channels} channels, the layer has "
            f"{channels}; the sizes must add up to the channels"
        )
    return last


def checked_declaration(fields: Any) -> tuple[tuple[str, int | Fields], ...]:
    """Checks the types of the user's declaration.

    Raises:
        InputError: It is not a mapping from layer names or globs to orders or `Fields`.
    """
    if not isinstance(fields, Mapping):
        raise InputError(f"fields: {type(fields).__name__} came; {{'layer name or glob': 8}} works")
    for pattern, value in fields.items():
        known = isinstance(value, int | Fields) and not isinstance(value, bool)
        if not isinstance(pattern, str) or not known:
            raise InputError(
                f"fields: {pattern!r}: {value!r} came; a layer name or glob with the order n of "
                "the rotations, or with Fields(order, sizes), works"
            )
    return tuple(fields.items())


def fields_of_type(kind: Any, channels: int) -> tuple[Fields | None, str]:
    """Reads the fields from the type of an `e2cnn` output; `e2cnn` itself is not imported.

    Args:
        kind: A field type: its ``representations`` have a ``name`` and a ``size``, its ``gspace``
            a ``name`` and a ``fibergroup`` with an ``order()``.
        channels: Number of channels of the output.

    Returns:
        The fields; None where no channel moves (trivial representations only), and where the
        permutation is not known: then with a note that says why.
    """
    try:
        parts = [(str(part.name), int(part.size)) for part in kind.representations]
        order, space = int(kind.gspace.fibergroup.order()), str(kind.gspace.name)
    except (AttributeError, TypeError, ValueError):
        return None, f"its type, a {type(kind).__name__}, is not understood: channels as they are"
    if sum(size for _, size in parts) != channels:
        return None, f"its type does not describe its {channels} channels: channels as they are"
    if all(size == 1 and _is_trivial(name) for name, size in parts):
        return None, ""
    # The name tells rotations from flips, whose group has the same order as that of half turns.
    strange = [name for name, _ in parts if name != "regular" and not _is_trivial(name)]
    if strange or order < 2 or space != f"{order}-Rotations":
        what = f"{strange[0]} of {space}" if strange else f"regular of {space}"
        return None, f"no permutation is known for its field type ({what}): channels as they are"
    return Fields(order, tuple(size for _, size in parts)), ""


def is_steerable(module: nn.Module) -> bool:
    """Tells whether a module is a convolution of `e2cnn`: its weights are coefficients."""
    weights = getattr(module, "weights", None)
    return isinstance(weights, nn.Parameter) and hasattr(module, "basisexpansion")


def _is_trivial(name: str) -> bool:
    return name in ("irrep_0", "irrep_0,0", "trivial")


def _angle(order: int) -> str:
    return f"{360 / order:g}"
