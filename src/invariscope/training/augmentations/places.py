"""Flips, moves and turns the square that the network sees."""

import numpy as np
import torch

from invariscope.errors import InputError
from invariscope.training.augmentations.augmentation import (
    Augmentation,
    Changed,
    Draws,
    Images,
    Labels,
)
from invariscope.training.augmentations.crops import checked_share
from invariscope.training.augmentations.resampling import moved, resample
from invariscope.transformations import geometry


class HorizontalFlip(Augmentation):
    """Left becomes right in half of the images."""

    num_draws = 1

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Returns the images, half of them flipped."""
        flipped = (draws[:, 0] < 0.5).to(images.device)
        return torch.where(flipped[:, None, None, None], images.flip(-1), images)


class Translation(Augmentation):
    """Moves by up to a share of width and height, in whole pixels; what comes in is black.

    Args:
        share: The largest move, of the side.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> Translation(0.5).augment(image, torch.tensor([[0.5, 0.75]])).flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    num_draws = 2

    def __init__(self, share: float):
        super().__init__()
        self.share = checked_share(share)

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Returns the images, moved."""
        frame = images.shape[-2:]
        axes = [
            moved(
                torch.eye(side, device=draws.device, dtype=torch.float64)[None],
                ((2 * draws[:, axis] - 1) * self.share * side).round().long(),
            )
            for axis, side in enumerate(frame)
        ]
        return resample(images, *axes)

    def extra_repr(self) -> str:
        """Prints the settings."""
        return f"{self.share}"


class Rotation(Augmentation):
    """Turns about the centre, every angle as likely; what comes in is black.

    Args:
        order: 0 turns by any angle, n by a multiple of 360°/n, the elements of C_n.

    Example:
        >>> Rotation(8).degrees(torch.tensor([[0.0], [0.99]])).tolist()
        [0.0, 315.0]
    """

    num_draws = 1

    def __init__(self, order: int = 0):
        super().__init__()
        if order < 0:
            raise InputError(f"rotation(C{order}) came: a positive order works")
        self.order = order

    def degrees(self, draws: Draws) -> np.ndarray:
        """Returns the angle of each image, counter-clockwise, in [0, 360)."""
        turn = draws[:, 0].double().cpu().numpy()
        return 360 * (np.floor(turn * self.order) / self.order if self.order else turn)

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Returns the images, turned."""
        return geometry.warp(images, geometry.rotation(self.degrees(draws)))

    def extra_repr(self) -> str:
        """Prints the settings."""
        return f"order={self.order}"
