"""Differentiates transformations: how images begin to change when one sets in.

A one-parameter family T_t of transformations, T_0 the identity, changes an image x at the rate

    v = d/dt T_t x at t = 0                                            (`Generator.tangent`)

For a motion that takes the point p to p + t ξ(p), with ξ(p) = A p + b in pixels from the centre
(x right, y down, as in `geometry`), v(p) = −ξ(p) · ∇x(p): the transport equation. The gradient is
the central difference (x(p + 1) − x(p − 1)) / 2. It is what a cubic interpolation (Keys, a = −1/2)
has at a pixel, and the mean of the two one-sided derivatives of the bilinear one, whose kink is
there: so v is exactly the limit of (warp(x, t) − warp(x, −t)) / 2t. The pixels next to the frame
are those of the border: ``fill`` for "zeros" and "valid", the mirror image or the other side.

On a feature map of the same frame acts the same motion in cells of the map (`Generator.on_maps`).

| name | unit of t | ξ, or the change |
|---|---|---|
| translate_x, translate_y | side of the image | one width to the right, one height down |
| rotate | radian | counter-clockwise on the screen: (y, −x) |
| shear_x, shear_y | radian | the top to the right: (−y, 0); the right side up: (0, −x) |
| scale | factor | (x, y): enlarges |
| stretch | factor | (x, −y): wider and flatter, at equal area |
| brightness | factor | x |
| contrast | factor | x − mean luminance of the image |
| saturation | factor | x − luminance of the pixel |
| sharpness | factor | x − x smoothed over 3 × 3 (the outermost pixels stay) |

Appearance: the factor is 1 + t, as in the families of these names; clipping to [0, 1] is left out,
for at t = 0 nothing is clipped.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.registry import Registry
from invariscope.transformations.families import Kind
from invariscope.transformations.geometry import Resampling, at_grid
from invariscope.transformations.transformation import Transformation

Images = Float[Tensor, "image channel height width"]

#: Luminance of red, green and blue, as in torchvision and Pillow.
_LUMINANCE = (0.2989, 0.587, 0.114)
_PADDING = {
    "zeros": "constant",
    "valid": "constant",
    "reflect": "replicate",
    "circular": "circular",
}
_PLAIN = Resampling()


@dataclass(frozen=True)
class Generator:
    """The derivative of a one-parameter family of transformations at the identity.

    Args:
        name: The operation of the families it belongs to ("scale" for zoom in and out).
        unit: What t = 1 is, in one word: "radian", "side" (of the image), "factor".
        kind: "geometric" or "appearance".
        velocity: For motions: (height, width) to [2, 3], A and b of ξ(p) = A p + b, in pixels.
        change: For appearance: images in [0, 1] to their rate of change.

    Example:
        >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> moved = GENERATORS.get("translate_x").tangent(ramp, Resampling(border="reflect"))
        >>> moved[0, 0, 0].tolist()  # 4 pixels to the right per unit: −4 × slope
        [-2.0, -4.0, -4.0, -2.0]
    """

    name: str
    unit: str
    kind: Kind
    velocity: Callable[[int, int], np.ndarray] | None = None
    change: Callable[[Images], Images] | None = None

    def __post_init__(self):
        if (self.velocity is None) == (self.change is None):
            raise InputError(f"generator {self.name}: give either its velocity or its change")

    def tangent(self, images: Images, resampling: Resampling = _PLAIN) -> Images:
        """Computes d/dt T_t x at t = 0.

        Args:
            images: Float images in [0, 1].
            resampling: Border, fill and centre of the motion; the interpolation is the one above.

        Returns:
            Change per unit of t, of the shape, dtype and device of the images.
        """
        if self.change is not None:
            return self.change(images)
        height, width = images.shape[-2:]
        velocity = self._velocity(height, width, resampling)
        return transport(images, velocity, resampling.border, resampling.fill)

    def on_maps(
        self,
        maps: Images,
        size: tuple[int, int],
        resampling: Resampling = _PLAIN,
    ) -> Images:
        """Computes d/dt T′_t y at t = 0 on feature maps; 0 for a change of appearance.

        Args:
            maps: Feature maps whose frame is the image's.
            size: Height and width of the image.
            resampling: As for the images; the fill is 0 here.
        """
        if self.velocity is None or maps.shape[-2:] == (1, 1):
            return torch.zeros_like(maps)
        velocity = self._velocity(*size, resampling)[None]
        scaled = at_grid(velocity, size, (maps.shape[-2], maps.shape[-1]))[0]
        return transport(maps, scaled, resampling.border, 0.0)

    def _velocity(self, height: int, width: int, resampling: Resampling) -> np.ndarray:
        assert self.velocity is not None, self.name
        velocity = np.array(self.velocity(height, width), dtype=np.float64)
        if resampling.centre == "corner":  # the point at rest is the corner
            velocity[:, 2] += velocity[:, :2] @ np.array([width / 2, height / 2])
        return velocity


def transport(images: Images, velocity: np.ndarray, border: str, fill: float) -> Images:
    """Computes −ξ · ∇x by central differences, ξ(p) = A p + b from ``velocity`` [2, 3] in pixels.

    Example:
        >>> bump = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]).expand(1, 1, 1, 5)
        >>> right = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
        >>> transport(bump, right, "zeros", 0.0)[0, 0, 0].tolist()  # it leaves the left side
        [0.0, -0.5, 0.0, 0.5, 0.0]
    """
    height, width = images.shape[-2:]
    mode = _PADDING[border]
    value = fill if mode == "constant" else None
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    y = torch.arange(height, device=images.device, dtype=images.dtype)[:, None] - (height - 1) / 2
    rate = torch.zeros_like(images)
    for axis, (along_x, along_y, constant) in enumerate(velocity.tolist()):
        if along_x == along_y == constant == 0:
            continue
        sides = (1, 1, 0, 0) if axis == 0 else (0, 0, 1, 1)
        padded = functional.pad(images, sides, mode=mode, value=value)
        dimension, length = (3, width) if axis == 0 else (2, height)
        slope = padded.narrow(dimension, 2, length) - padded.narrow(dimension, 0, length)
        rate -= (along_x * x + along_y * y + constant) * slope / 2
    return rate


GENERATORS: Registry[Generator] = Registry("generator", "invariscope.generators")


def generator_of(transformation: Transformation) -> Generator | None:
    """Returns the generator of a transformation; None if it has none (flips, posterize, …).

    Example:
        >>> from invariscope.transformations import get_transformation
        >>> generator_of(get_transformation("zoom_in")).name
        'scale'
    """
    operation = transformation.family.operation
    return GENERATORS.get(operation) if operation in GENERATORS else None


def _motion(name: str, unit: str, velocity: Callable[[int, int], np.ndarray]) -> None:
    GENERATORS.add(name, Generator(name, unit, "geometric", velocity=velocity))


def _linear(xx: float, xy: float, yx: float, yy: float) -> Callable[[int, int], np.ndarray]:
    return lambda height, width: np.array([[xx, xy, 0.0], [yx, yy, 0.0]])


_motion("translate_x", "side", lambda height, width: np.array([[0, 0, width], [0, 0, 0.0]]))
_motion("translate_y", "side", lambda height, width: np.array([[0, 0, 0], [0, 0, float(height)]]))
_motion("rotate", "radian", _linear(0, 1, -1, 0))
_motion("shear_x", "radian", _linear(0, -1, 0, 0))
_motion("shear_y", "radian", _linear(0, 0, -1, 0))
_motion("scale", "factor", _linear(1, 0, 0, 1))
_motion("stretch", "factor", _linear(1, 0, 0, -1))


def _appearance(name: str) -> Callable[[Callable[[Images], Images]], Callable[[Images], Images]]:
    def add(change: Callable[[Images], Images]) -> Callable[[Images], Images]:
        GENERATORS.add(name, Generator(name, "factor", "appearance", change=change))
        return change

    return add


def _luminance(images: Images) -> Float[Tensor, "image 1 height width"]:
    if images.shape[1] != 3:  # as the family takes it
        return images.mean(1, keepdim=True)
    weights = images.new_tensor(_LUMINANCE)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


@_appearance("brightness")
def _brightness(images: Images) -> Images:
    return images.clone()


@_appearance("contrast")
def _contrast(images: Images) -> Images:
    return images - _luminance(images).mean((2, 3), keepdim=True)


@_appearance("saturation")
def _saturation(images: Images) -> Images:
    return images - _luminance(images)


@_appearance("sharpness")
def _sharpness(images: Images) -> Images:
    """Against Pillow's SMOOTH: weights 1 and, in the middle, 5, over 13."""
    change = torch.zeros_like(images)
    if min(images.shape[-2:]) > 2:
        total = functional.avg_pool2d(images, 3, stride=1) * 9
        inner = images[:, :, 1:-1, 1:-1]
        change[:, :, 1:-1, 1:-1] = inner - (total + 4 * inner) / 13
    return change
