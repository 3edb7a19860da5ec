"""Moves sprites, the objects that wait to be pasted, in their frame.

Sprites are a batch of pictures with an alpha channel, colours multiplied by alpha, so that blurring
and resampling mix no colour of transparent pixels in. Motions are collected as one linear map per
image about the object's own centre and resampled once, when something other than a motion follows
or at the end: rotation, scale and flips of one image cost one interpolation.

Coordinates are pixels from the centre of the frame, x to the right, y down. Sampling is bilinear;
before a reduction by a factor f < 1 the picture is blurred with sigma = ½ √(1/f² − 1), the width of
the pixel that it is reduced to.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

_RADIUS = 5  # four sigma of a reduction to 0.4

Pixels = Float[Tensor, "image 4 height width"]


@dataclass
class Sprites:
    """Objects of a batch of images.

    Args:
        pixels: Red, green, blue (multiplied by alpha) and alpha, in [0, 1], square.
        outline: Points around each object as it is to lie, relative to its centre, x and y.
        centre: Where the object's centre is to lie.
        linear: The motion that `pixels` have not made yet: about the centre.
        origin: Where the object's centre lies in `pixels`.
        waiting: Whether there is such a motion.
    """

    pixels: Pixels
    outline: Float64[Tensor, "image point 2"]
    centre: Float64[Tensor, "image 2"]
    linear: Float64[Tensor, "image 2 2"]
    origin: Float64[Tensor, "image 2"]
    waiting: bool = False

    @classmethod
    def of(cls, pixels: Pixels, outline: Float64[Tensor, "image point 2"]) -> "Sprites":
        """Objects whose centres are that of the frame."""
        at = torch.zeros(len(pixels), 2, dtype=torch.float64, device=pixels.device)
        linear = torch.eye(2, dtype=torch.float64, device=pixels.device)
        return cls(pixels, outline, at, linear.expand(len(pixels), 2, 2), at)

    def turn(self, matrix: Float64[Tensor, "image 2 2"]) -> None:
        """Moves each object by a linear map about its own centre."""
        self.linear = _product(matrix, self.linear)
        self.outline = _product(matrix, self.outline.mT).mT
        self.waiting = True

    def place(self, share: Float64[Tensor, "image 2"]) -> None:
        """Puts each object somewhere in the frame.

        Args:
            share: Of the room that the frame leaves to the object's box: 0 is left (top), 1 right
                (bottom). A box larger than the frame covers it.
        """
        half = self.pixels.shape[-1] / 2
        low, high = -half - self.outline.amin(1), half - self.outline.amax(1)
        self.centre = low + (high - low) * share
        self.waiting = True

    def shift(self, centre: Float64[Tensor, "image 2"]) -> None:
        """Puts the centre of each object somewhere."""
        self.centre = centre
        self.waiting = True

    def settle(self) -> Pixels:
        """Returns the pixels after all motions so far."""
        if self.waiting:
            self.pixels = self._resampled()
            self.origin = self.centre
            self.linear = torch.eye(2, dtype=torch.float64, device=self.pixels.device).expand(
                len(self.pixels), 2, 2
            )
            self.waiting = False
        return self.pixels

    def _resampled(self) -> Pixels:
        side = self.pixels.shape[-1]
        a, b, c, d = self.linear.flatten(1).unbind(1)
        size = a * d - b * c
        factor = size.abs().clamp(min=1e-6).sqrt()
        pixels = self.pixels
        if bool((factor < 1).any()):
            sigma = 0.5 * (1 / factor.square() - 1).clamp(min=0).sqrt()
            pixels = gaussian_blur(pixels, sigma.to(pixels.dtype), _RADIUS)
        # the inverse map, in grid_sample's coordinates, which span [-1, 1]
        scale = 2.0 / side
        back = torch.stack([d, -b, -c, a], 1) / size[:, None]
        xx, xy, yx, yy = back.to(pixels.dtype).unbind(1)
        offset = self.origin - _product(back.view(-1, 2, 2), self.centre[:, :, None])[:, :, 0]
        at_x, at_y = (scale * offset).to(pixels.dtype).unbind(1)
        line = (torch.arange(side, device=pixels.device, dtype=pixels.dtype) + 0.5) * scale - 1
        right, down = line[None, None, :], line[None, :, None]

        def plane(along: Tensor, across: Tensor, start: Tensor) -> Tensor:
            along, across, start = (value[:, None, None] for value in (along, across, start))
            return along * right + across * down + start

        grid = torch.stack([plane(xx, xy, at_x), plane(yx, yy, at_y)], -1)
        return functional.grid_sample(pixels, grid, padding_mode="zeros", align_corners=False)


def rotation(degrees: Float64[Tensor, " image"]) -> Float64[Tensor, "image 2 2"]:
    """Makes counter-clockwise rotations, as seen on the screen.

    Example:
        >>> rotation(torch.tensor([90.0], dtype=torch.float64)).round()[0].tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
    """
    angle = torch.deg2rad(degrees)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return _rows(cos, sin, -sin, cos)


def scaling(
    x: Float64[Tensor, " image"], y: Float64[Tensor, " image"]
) -> Float64[Tensor, "image 2 2"]:
    """Factors along x and along y; a negative one mirrors."""
    zero = torch.zeros_like(x)
    return _rows(x, zero, zero, y)


def shearing(
    x: Float64[Tensor, " image"], y: Float64[Tensor, " image"]
) -> Float64[Tensor, "image 2 2"]:
    """Shears first along x (the top moves right), then along y (the right side up), in degrees."""
    lean_x, lean_y = -torch.tan(torch.deg2rad(x)), -torch.tan(torch.deg2rad(y))
    unit = torch.ones_like(x)
    return _rows(unit, lean_x, lean_y, 1 + lean_x * lean_y)


def gaussian_blur(pixels: Pixels, sigma: Float[Tensor, " image"], radius: int) -> Pixels:
    """Blurs each image by its own Gaussian; what is outside the frame is transparent.

    Args:
        pixels: Their pixels.
        sigma: In pixels; 0 leaves an image as it is.
        radius: Taps to each side of the middle one.
    """
    kernel = gaussian_matrix(sigma, pixels.shape[-1], radius)[:, None]
    return kernel @ pixels @ kernel.mT


def gaussian_matrix(
    sigma: Float[Tensor, " image"], side: int, radius: int
) -> Float[Tensor, "image row column"]:
    """Puts the taps of the Gaussian about pixel r in row r; taps outside the frame are dropped."""
    line = torch.arange(side, device=sigma.device, dtype=sigma.dtype)
    apart = line[:, None] - line[None, :]
    reach = torch.arange(-radius, radius + 1, device=sigma.device, dtype=sigma.dtype)
    width = (2 * sigma.square()).clamp(min=1e-6)[:, None]
    total = torch.exp(-reach.square() / width).sum(1)
    # e^-80 instead of less: numbers too small to be normal make everything after them slow
    taps = torch.exp((-apart.square() / width[:, :, None]).clamp_(min=-80)) / total[:, None, None]
    return taps * ((apart.abs() <= radius) & (apart.square() < 80 * width[:, :, None]))


def _product(left: Tensor, right: Tensor) -> Tensor:
    """2 × 2 by 2 × anything, spelled out: a library's product may round by the batch's size."""
    (a, b), (c, d) = left[:, 0].unbind(1), left[:, 1].unbind(1)
    first, second = right[:, 0], right[:, 1]
    return torch.stack(
        [a[:, None] * first + b[:, None] * second, c[:, None] * first + d[:, None] * second], 1
    )


def _rows(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], -2)
