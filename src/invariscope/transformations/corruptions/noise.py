"""Noise: each image draws from a generator of its own, so no image's noise is another's."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Images = Float[Tensor, "image channel height width"]


def drawn(
    draw: Callable[[Tensor, Generator], Tensor], images: Images, draws: Sequence[Generator]
) -> Float[Tensor, "image number row column"]:
    """Draws for each image on the CPU, so that all devices see the same numbers."""
    some = [draw(image.cpu(), own) for image, own in zip(images, draws, strict=True)]
    return torch.stack(some).to(images)


def gaussian_noise(images: Images, deviation: float, draws: Sequence[Generator]) -> Images:
    """Adds normal noise of a standard deviation to every value."""
    return images + deviation * drawn(_normal, images, draws)


def speckle_noise(images: Images, deviation: float, draws: Sequence[Generator]) -> Images:
    """Adds normal noise in proportion to the value."""
    return images + images * deviation * drawn(_normal, images, draws)


def shot_noise(images: Images, photons: float, draws: Sequence[Generator]) -> Images:
    """Counts photons: Poisson, with so many expected where a value is 1."""
    return drawn(lambda x, own: torch.poisson(x * photons, generator=own), images, draws) / photons


def impulse_noise(images: Images, share: float, draws: Sequence[Generator]) -> Images:
    """Makes a share of all values 0 or 1, either as often."""
    hit = drawn(lambda x, own: torch.rand(x.shape, generator=own), images, draws)
    return torch.where(hit < share / 2, 0.0, torch.where(hit < share, 1.0, images))


def _normal(image: Tensor, own: Generator) -> Tensor:
    return torch.randn(image.shape, generator=own)
