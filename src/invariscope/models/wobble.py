"""Measures how far two passes over the same pictures are apart."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Wobble:
    """The distance of two passes at a layer, and the distance between pictures there."""

    layer: str
    apart: float
    between: float
    size: float

    @property
    def share(self) -> float:
        """In distances between pictures."""
        return self.apart / self.between if self.between else float("inf")

    @property
    def words(self) -> str:
        """The share in words."""
        where = f"of the distance between images at the {self.layer}"
        if not self.between:
            return f"at the {self.layer}, where different images do not differ"
        if self.share >= 10:
            return f"by {self.share:.0f} times the distance between images at the {self.layer}"
        return f"by {_percent(self.share)} {where}"


def widest(
    first: dict[str, Tensor], second: dict[str, Tensor], all_of: dict[str, Tensor] | None = None
) -> Wobble:
    """Finds the layer at which two passes are furthest apart, relative to the pictures."""
    wobbles = []
    for layer, vectors in first.items():
        every = (all_of or first)[layer]
        size = float(every.norm(dim=1).max())
        apart = apart_by(vectors, second[layer])
        wobbles.append(Wobble(layer, apart, distance_between(every), size))
    return max(wobbles, key=lambda wobble: (wobble.apart > 0, wobble.share))


def apart_by(first: Tensor, second: Tensor) -> float:
    """Returns the largest distance between an image's vectors in two passes; infinite for NaN."""
    distance = float((first.double() - second.double()).norm(dim=1).max())
    return distance if distance == distance else float("inf")


def distance_between(vectors: Tensor) -> float:
    """Returns the root mean square distance between pictures."""
    distances = torch.nn.functional.pdist(vectors.double())
    return float(distances.square().mean().sqrt())


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
