"""Mixes by CutMix: a box of each image, and a share of its label, come from its neighbour.

torchvision's ``v2.CutMix`` (Yun et al. 2019), with one box for the whole batch: λ ~ Beta(α, α), a
box of the share 1 − λ about a uniform centre, cut off at the frame; labels are mixed by the area
that came. It needs a batch and its labels, so the training loop calls it, after the augmentations
of single images.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchvision.transforms import v2

from invariscope.errors import InputError


@dataclass(frozen=True)
class CutMix:
    """CutMix on a batch, called by the training loop.

    Args:
        alpha: Both parameters of the Beta distribution of λ.

    Example:
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
        >>> mixed, soft = CutMix()(images, labels, num_classes=3, seed=0)
        >>> mixed.shape, soft.sum(dim=1).tolist()
        (torch.Size([4, 3, 8, 8]), [1.0, 1.0, 1.0, 1.0])
    """

    alpha: float = 1.0

    def __post_init__(self):
        if not self.alpha > 0:
            raise InputError(f"CutMix: alpha {self.alpha:g} came, a number above 0 works")

    def __call__(
        self,
        images: Float[Tensor, "image channel height width"],
        labels: Int64[Tensor, " image"],
        *,
        num_classes: int,
        seed: int,
    ) -> tuple[Float[Tensor, "image channel height width"], Float[Tensor, "image class"]]:
        """Mixes each image with the one before it in the batch.

        Args:
            images: A batch, in an order that says nothing about the classes.
            labels: Their classes.
            num_classes: How many there are.
            seed: Decides λ and the box: a number of its own for each iteration.

        Returns:
            The images, and for each the share of each class.
        """
        mix = v2.CutMix(alpha=self.alpha, num_classes=num_classes)
        # torchvision draws from the global generator of the CPU, which is put back afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            mixed, soft = mix(images, labels)
        return mixed, soft
