"""The similarity of channel maps that channel invariance and channel equivariance share.

S(a, b) of two maps, taken as vectors of H·W values:

- ``pearson``: the correlation, Σ(a − ā)(b − b̄) / √(Σ(a − ā)² Σ(b − b̄)²). It ignores the mean and
  any positive scale of a map.
- ``cosine``: Σab / √(Σa² Σb²). It ignores a positive scale only: a map with a large mean is similar
  to every other such map.

Range [−1, 1] (paper 002 writes [0, 1], which holds for neither). 1: the same map; 0: unrelated;
−1: the negative. A dead map, one that is constant (pearson) or zero (cosine) or not finite, is
similar to nothing: NaN. A map of one pixel is always constant.

Maps are centred in float64, a few images at a time, so that a mean that is large against the
variation costs no digits and memory depends neither on the number of images nor on that of pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.dead import varies
from invariscope.metrics.distances import double
from invariscope.metrics.memory import at_a_time

SIMILARITIES = ("pearson", "cosine")


def check_similarity(similarity: str) -> None:
    """Raises an `InputError` unless ``similarity`` is a known name."""
    if similarity not in SIMILARITIES:
        raise InputError(f"similarity must be one of {', '.join(SIMILARITIES)}, not {similarity!r}")


@dataclass(frozen=True)
class Channels:
    """Channel maps, ready to be compared.

    Args:
        vectors: [B, C, H·W] in float64, centred for pearson.
        squares: [B, C], the sums of their squares.
        alive: [B, C], whether a channel has a similarity to anything.
    """

    vectors: Tensor
    squares: Tensor
    alive: Tensor

    def directions(self) -> Tensor:
        """The vectors at unit length; dead channels hold anything."""
        return self.vectors / self.squares.sqrt()[..., None]

    def taken(self, indices: Tensor) -> "Channels":
        """Takes the channels at ``indices`` [B, C] of each image."""
        rows = indices[..., None].expand(*indices.shape, self.vectors.shape[-1])
        return Channels(
            self.vectors.gather(1, rows),
            self.squares.gather(1, indices),
            self.alive.gather(1, indices),
        )


def prepared_channels(maps: Tensor, similarity: str) -> Channels:
    """The channels of maps [B, C, H, W]."""
    vectors = double(maps.flatten(2))
    if similarity == "cosine":
        squares = vectors.square().sum(-1)
        return Channels(vectors, squares, (squares > 0) & squares.isfinite())
    mean = vectors.mean(-1, keepdim=True)
    vectors = vectors - mean
    squares = vectors.square().sum(-1)
    power = squares + vectors.shape[-1] * mean.square().squeeze(-1)
    return Channels(vectors, squares, varies(squares, power, maps.dtype))


def similarity_of(a: Channels, b: Channels) -> Tensor:
    """Similarity [B, C] of each channel of ``a`` to that of ``b``; exactly 1 if they are equal."""
    products = (a.vectors * b.vectors).sum(-1)
    # correlations leave [-1, 1] by rounding only; NaN stays NaN
    values = (products / (a.squares * b.squares).sqrt()).clamp(-1, 1)
    return torch.where(a.alive & b.alive, values, torch.nan)


def steps(
    acted: Tensor, transformed: Tensor, similarity: str
) -> Iterator[tuple[Channels, Channels]]:
    """Channels of both maps [B, C, H, W], some images at a time."""
    _, channels, height, width = acted.shape
    images = at_a_time(channels * max(channels, height * width))
    for start in range(0, len(acted), images):
        some = slice(start, start + images)
        yield (
            prepared_channels(acted[some], similarity),
            prepared_channels(transformed[some], similarity),
        )
