"""The streaming form of every metric that is a mean over images.

`ImageMean` takes per-image values as they come, merges with what another worker has seen, and
counts what is undefined instead of averaging it in.
"""

import torch
from torch import Tensor

from invariscope.metrics.arguments import same_shape


class ImageMean:
    """Σ weight·value / Σ weight over images, in float64; undefined values are counted.

    Example:
        >>> mean = ImageMean()
        >>> mean.update(torch.tensor([1.0, 0.0, torch.nan]))
        >>> mean.compute().item(), mean.count, mean.undefined
        (0.5, 2, 1)
    """

    def __init__(self):
        self.count = 0
        self.undefined = 0
        self._numerator = torch.zeros((), dtype=torch.float64)
        self._denominator = torch.zeros((), dtype=torch.float64)

    def update(self, values: Tensor, weights: Tensor | None = None) -> None:
        """Adds per-image values [N], with weights [N] for a ratio of sums."""
        values = values.double().cpu()
        weights = torch.ones_like(values) if weights is None else weights.double().cpu()
        same_shape(values=values, weights=weights)
        defined = (values * weights).isfinite()
        self.count += int(defined.sum())
        self.undefined += int((~defined).sum())
        self._numerator += (values * weights)[defined].sum()
        self._denominator += weights[defined].sum()

    def merge(self, other: "ImageMean") -> None:
        """Adds the values of another accumulator."""
        self.count += other.count
        self.undefined += other.undefined
        self._numerator += other._numerator
        self._denominator += other._denominator

    def compute(self) -> Tensor:
        """The mean over the defined values; NaN if there is none."""
        return self._numerator / self._denominator
