"""Spread: how far apart images are at a layer.

    s² = mean over pairs i < j of ½ ‖f(x_i) − f(x_j)‖²  =  Σ_i ‖f(x_i) − mean f‖² / (N − 1)

the total (unbiased) variance over images. Range [0, ∞); the square of the unit of f.

Degenerate: 0 where all images are alike within the rounding of the values; NaN for fewer than two
images, and where a value is not finite.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.dead import resolution, varies
from invariscope.metrics.distances import double
from invariscope.metrics.memory import at_a_time


class Spread:
    """The squared spread over images that come in batches, in float64.

    Example:
        >>> spread = Spread()
        >>> spread.update(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
        >>> spread.update(torch.tensor([[4.0, 0.0]]))
        >>> spread.compute().item()
        4.0
    """

    def __init__(self):
        self._count = 0
        self._total: Tensor | None = None
        self._power: Tensor | None = None
        self._dtype = torch.float32

    def update(self, values: Float[Tensor, "image ..."]) -> None:
        """Adds the outputs of some images, [N, …]."""
        if not len(values):
            return
        flat = values.reshape(len(values), -1)
        for part in flat.split(at_a_time(flat.shape[1])):
            exact = double(part)
            self._add(len(part), exact.sum(0), exact.square().sum())
        self._dtype = max(self._dtype, values.dtype, key=resolution)

    def merge(self, other: "Spread") -> None:
        """Adds the images of another accumulator."""
        if other._total is not None and other._power is not None:
            self._add(other._count, other._total, other._power)
            self._dtype = max(self._dtype, other._dtype, key=resolution)

    def compute(self) -> Tensor:
        """s², a float64 scalar."""
        if self._total is None or self._power is None or self._count < 2:
            return torch.tensor(torch.nan, dtype=torch.float64)
        deviations = self._power - self._total.square().sum() / self._count
        if not bool(deviations.isfinite()):
            return torch.full_like(deviations, torch.nan)
        spread = deviations / (self._count - 1)
        return torch.where(varies(deviations, self._power, self._dtype), spread, 0.0)

    def _add(self, count: int, total: Tensor, power: Tensor) -> None:
        if self._total is None or self._power is None:
            self._count, self._total, self._power = count, total, power
            return
        if total.shape != self._total.shape:
            raise InputError(
                f"values: {total.numel()} per image came after {self._total.numel()}; all batches "
                "must be of one layer"
            )
        self._count += count
        self._total = self._total + total
        self._power = self._power + power
