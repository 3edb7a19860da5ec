"""Stripes: every second row of an image, darkened."""

from torch import Tensor

from invariscope.transformations import appearance


@appearance(
    "stripes", unit="of black", unit_words="share of black in every second row",
    words="dark stripes", magnitudes=(0.0, 0.25, 0.5, 1.0),
)  # fmt: skip
def stripes(images: Tensor, share: float) -> Tensor:
    """Darkens every second row."""
    striped = images.clone()
    striped[:, :, ::2] *= 1 - share
    return striped
