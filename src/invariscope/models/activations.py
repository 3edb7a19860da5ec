"""Brings the output of a layer into one of two forms: a feature map or a vector per image.

Models put out channels first or last, tokens with or without class tokens, tokens before or after
the image axis. `layout_of` recognises the axes once, in the dry run, and `Layout.normalise` then
brings every later output of that layer into [image, channel, height, width] or [image, element] as
a view, without a copy. Which tensor of an output it is says `invariscope.models.leaves`.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from invariscope.models.readings import Cells

# More leading tokens than this are not class or register tokens: the tokens are no grid then.
MAX_PREFIX_TOKENS = 8
# What shows a map where its own cells leave it open.
BY_CLASS = "as others of their class"
BY_KERNEL = "by their convolutions"


@dataclass(frozen=True)
class FeatureMap:
    """A spatial activation; tokens arrive here on their grid, without the prefix tokens."""

    values: Float[Tensor, "image channel height width"]


@dataclass(frozen=True)
class Vector:
    """An activation without spatial axes."""

    values: Float[Tensor, "image element"]


Activation = FeatureMap | Vector


def average_pool(layer: str, activation: Activation) -> Float[Tensor, "image element"]:
    """Returns the default reducer: the mean over positions, in float32, [image, channel].

    Always a new tensor: an in-place operation after the layer cannot change it.

    Example:
        >>> average_pool("stem", FeatureMap(torch.ones(2, 5, 3, 3))).shape
        torch.Size([2, 5])
    """
    if isinstance(activation, Vector):
        return activation.values.to(torch.float32, copy=True)
    return activation.values.mean((2, 3), dtype=torch.float32)


@dataclass(frozen=True)
class Layout:
    """The reading of a layer's tensor.

    Args:
        kind: "nchw", "nhwc", "tokens" (image, token, channel), "tokens_first" (token, image,
            channel), "cells" (in the order that ``cells`` gives; "cells_first" with the image axis
            second), "sequence" (places without a grid: averaged to a vector; "sequence_first"
            likewise), "vector".
        prefix: Leading tokens that are no position (class, distillation, register tokens).
        grid: Height and width of the map; (1, 1) for vectors.
        cells: Where the cells of the kinds "cells" stand.
        channels: The channel axis of a sequence, the image axis in front.
        shown: How a map was shown to be one (`invariscope.models.grids`); "" for what is only
            suggested by the shape.
    """

    kind: str
    prefix: int = 0
    grid: tuple[int, int] = (1, 1)
    cells: Cells | None = None
    channels: int = -1
    shown: str = field(default="", compare=False)

    @property
    def spatial(self) -> bool:
        """Says whether the activation is a `FeatureMap`."""
        return self.kind in ("nchw", "nhwc", "tokens", "tokens_first", "cells", "cells_first")

    @property
    def images_first(self) -> bool:
        """Says whether the first axis counts the images, not the second."""
        return not self.kind.endswith("_first")

    def normalise(self, tensor: Shaped[Tensor, "..."]) -> Activation:
        """Returns the tensor as an activation: a view wherever the kind allows one."""
        if self.kind == "nchw":
            return FeatureMap(tensor)
        if self.kind == "nhwc":
            return FeatureMap(tensor.permute(0, 3, 1, 2))
        if self.kind == "vector":
            return Vector(tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None])
        if not self.images_first:
            tensor = tensor.transpose(0, 1)
        if self.cells is not None:
            return FeatureMap(self.cells.raster(tensor))
        if not self.spatial:
            return Vector(tensor.movedim(self.channels, -1).flatten(1, -2).mean(1))
        tokens = tensor[:, self.prefix :].transpose(1, 2)
        return FeatureMap(tokens.unflatten(2, self.grid))

    def channels_in(self, shape: tuple[int, ...]) -> int:
        """Counts the channels of an output of this shape, or the elements of a vector.

        Example:
            >>> Layout("nchw").channels_in((2, 16, 7, 7)), Layout("vector").channels_in((2, 4, 5))
            (16, 20)
        """
        rest = shape[1:] if self.images_first else (shape[0], *shape[2:])
        if self.kind == "vector":
            return math.prod(rest)
        if self.cells is not None:
            return math.prod(n for axis, n in enumerate(rest, 1) if axis not in self.cells.axes)
        return rest[0] if "nchw" in self.kind or self.channels == 1 else rest[-1]

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tells whether an output of this shape has as many places as the map has cells."""
        rest = shape[1:] if self.images_first else (shape[0], *shape[2:])
        axes = self.cells.axes if self.cells else (1,)
        extra = self.prefix + (self.cells.suffix if self.cells else 0)
        places = math.prod(rest[axis - 1] for axis in axes if axis <= len(rest))
        return places == extra + math.prod(self.grid)

    def unshown(self) -> "Layout":
        """Returns the layout of an output that shows no grid: a sequence, averaged to a vector.

        Example:
            >>> Layout("nchw", 0, (7, 7)).unshown()
            Layout(kind='sequence', prefix=0, grid=(1, 1), cells=None, channels=1, shown='')
        """
        if not self.spatial:
            return self
        kind = "sequence" if self.images_first else "sequence_first"
        return Layout(kind, channels=1 if self.kind == "nchw" else -1)

    def describe(self) -> str:
        """Returns the layout in words.

        Example:
            >>> Layout("tokens", 1, (14, 14)).describe()
            'tokens with 1 prefix token'
        """
        if self.cells is None:
            words = {"nchw": "NCHW", "nhwc": "NHWC", "tokens_first": "tokens before images"}
            name = words.get(self.kind, self.kind)
            prefix = self.prefix
        else:
            name, prefix = self.cells.describe(), self.cells.prefix
        if not prefix:
            return name
        return f"{name} with {prefix} prefix token{'s' if prefix > 1 else ''}"


def layout_of(
    tensor: Tensor,
    *,
    images: int,
    input_size: tuple[int, int],
    channels_last: bool | None = None,
    prefix: int | None = None,
) -> Layout | None:
    """Recognises the axes of a layer's output; None where it is not one value set per image.

    Args:
        tensor: The output of a forward pass.
        images: Number of images of that pass.
        input_size: Height and width of the images.
        channels_last: What is known of a 4-D output; None decides by the shape, whose two spatial
            axes have the proportions of the input.
        prefix: Number of leading tokens, where the model says it.
    """
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point() or tensor.numel() == 0 or not shape:
        return None
    if len(shape) == 3 and shape[0] != images and shape[1] == images:
        tokens = token_grid(shape[0], input_size, prefix)
        return Layout("tokens_first", *tokens) if tokens else Layout("sequence_first")
    if shape[0] != images:
        return None
    if len(shape) <= 2:
        return Layout("vector")
    if len(shape) == 3:
        tokens = token_grid(shape[1], input_size, prefix)
        return Layout("tokens", *tokens) if tokens else Layout("sequence")
    if len(shape) == 4:
        if channels_last is None:
            channels_last = _looks_channels_last(shape, input_size)
        grid = shape[1:3] if channels_last else shape[2:4]
        return Layout("nhwc" if channels_last else "nchw", 0, (grid[0], grid[1]))
    return None


def token_grid(
    tokens: int, input_size: tuple[int, int], prefix: int | None = None
) -> tuple[int, tuple[int, int]] | None:
    """Finds the prefix tokens and the grid of a row of tokens; None where they are no grid.

    The smallest number of prefix tokens (at most 8) that leaves a grid with the proportions of the
    image; the model's own number goes first.

    Example:
        >>> token_grid(197, (224, 224))
        (1, (14, 14))
        >>> token_grid(198, (224, 224), prefix=2)
        (2, (14, 14))
    """
    height, width = input_size
    known = [] if prefix is None else [prefix]
    for count in [*known, *range(MAX_PREFIX_TOKENS + 1)]:
        rest = tokens - count
        if rest < 1:
            break
        rows = max(1, round(math.sqrt(rest * height / width)))
        columns = max(1, round(math.sqrt(rest * width / height)))
        if rows * columns == rest:
            return count, (rows, columns)
    return None


def _looks_channels_last(shape: tuple[int, ...], input_size: tuple[int, int]) -> bool:
    """Says whether axes 1 and 2 have the proportions of the image, and better than axes 2 and 3."""
    height, width = input_size
    last, first = (abs(a * width - b * height) for a, b in (shape[1:3], shape[2:4]))
    # Less than one row or column off: strides round sides up or down.
    return last < max(input_size) and last < first
