"""Defines an augmentation: a change of training images that is a pure function of its draws.

An image takes `Augmentation.num_draws` numbers, uniform in [0, 1); what happens to it depends on
them and on nothing else: not on its batch, the worker or the order. The training loop hashes them
from (seed, epoch, image); `Augmentation.forward` takes them from torch's global generator, as
torchvision does, so that every augmentation also stands in a ``v2.Compose``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from PIL import Image
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as pixels

from invariscope.errors import InputError

Images = Float[Tensor, "image channel height width"]
#: What comes out may have another size.
Changed = Float[Tensor, "image channel new_height new_width"]
Draws = Float[Tensor, "image draw"]
Labels = Int64[Tensor, " image"]


class Augmentation(nn.Module):
    """A random change of images.

    A subclass sets `num_draws` and writes `augment`.

    Attributes:
        num_draws: How many uniform numbers one image takes.
    """

    num_draws: int = 0

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Changes a batch.

        Args:
            images: Float in [0, 1], all of one size, on any device.
            draws: `num_draws` numbers in [0, 1) for each image; float64 keeps large images exact.
            labels: The classes, for augmentations that depend on them.

        Returns:
            New images; the ones that came are left as they are.
        """
        raise NotImplementedError

    def forward(self, image: Any) -> Any:
        """Changes one image, or each of a batch, with draws of torch's global generator.

        Args:
            image: A Pillow image, or a tensor [..., channel, height, width] of uint8 or of floats
                in [0, 1].

        Returns:
            The same kind and type; other leading axes stay.

        Raises:
            InputError: Something else came.
        """
        if isinstance(image, Image.Image):
            changed = self._drawn(pixels.pil_to_tensor(image)[None] / 255)[0]
            return pixels.to_pil_image(_eight_bits(changed), image.mode)
        if not isinstance(image, Tensor) or image.ndim < 3:
            came = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise InputError(
                f"an augmentation takes a Pillow image or a tensor [..., channel, height, width], "
                f"not {came}"
            )
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise InputError(f"an image of type {image.dtype} came: uint8 or floats in [0, 1] work")
        batch = image.as_subclass(Tensor).flatten(0, -4) if image.ndim > 3 else image[None]
        batch = batch.as_subclass(Tensor)
        floats = batch / 255 if batch.dtype == torch.uint8 else batch
        changed = self._drawn(floats)
        changed = _eight_bits(changed) if image.dtype == torch.uint8 else changed
        changed = changed.reshape(*image.shape[:-3], *changed.shape[1:])
        return tv_tensors.Image(changed) if isinstance(image, tv_tensors.Image) else changed

    def _drawn(self, images: Tensor) -> Tensor:
        draws = torch.rand(len(images), self.num_draws, dtype=torch.float64)
        return self.augment(images, draws.to(images.device))


class Composition(Augmentation):
    """Augmentations one after the other; each takes its own of the draws.

    Example:
        >>> from invariscope.training.augmentations.places import HorizontalFlip
        >>> both = Composition([HorizontalFlip(), HorizontalFlip()])
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> both.num_draws, both.augment(image, torch.tensor([[0.1, 0.9]])).flatten().tolist()
        (2, [1.0, 0.0])
    """

    def __init__(self, steps: Sequence[Augmentation]):
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.num_draws = sum(step.num_draws for step in steps)

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Returns the images after all steps."""
        start = 0
        for step in self.steps:
            assert isinstance(step, Augmentation)
            images = step.augment(images, draws[:, start : start + step.num_draws], labels)
            start += step.num_draws
        return images


def whole_number(draws: Float[Tensor, "..."], count: Tensor | int) -> Int64[Tensor, "..."]:
    """Returns a number of 0 … count − 1 for each draw, all equally likely."""
    top = torch.as_tensor(count, device=draws.device) - 1
    return torch.minimum((draws * (top + 1)).floor().long(), top.long())


def _eight_bits(images: Tensor) -> Tensor:
    return (images * 255).round_().clamp_(0, 255).to(torch.uint8)
