"""Changes an object's colours or sharpness in place; colours are multiplied by alpha.

The photometric operations are torchvision's on the visible colours, with two differences that an
object in a transparent frame needs: contrast is about the mean grey of the object instead of the
frame, and sharpening treats alpha like a colour, so that edges get harder and not fringed.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.data.transforms2d.sprites import Pixels

_GREY = (0.2989, 0.587, 0.114)
_SHARPENED = 7.0

Colours = Float[Tensor, "image 3 height width"]
Alpha = Float[Tensor, "image 1 height width"]
Drawn = Float[Tensor, "image parameter"]


def recolour(
    pixels: Pixels, change: Callable[[Colours, Alpha, Drawn], Colours], drawn: Drawn
) -> Pixels:
    """Changes the colours of sprites; none gets below 0 or above its alpha."""
    return torch.cat([change(pixels[:, :3], pixels[:, 3:], drawn), pixels[:, 3:]], 1)


def brightness(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Multiplies colours by a factor."""
    return _within(colours * _wide(drawn), alpha)


def contrast(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Draws colours to (or away from) the mean grey of the object."""
    factor = _wide(drawn)
    mean = _grey(colours).sum((2, 3), keepdim=True) / alpha.sum((2, 3), keepdim=True).clamp(1e-6)
    return _within((colours * factor).add_((1 - factor) * mean * alpha), alpha)


def saturation(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Draws colours to (or away from) their own grey."""
    factor = _wide(drawn)
    return _within((colours * factor).add_((1 - factor) * _grey(colours)), alpha)


def hue(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Turns colours about the colour circle by a share of it; saturation and value stay."""
    red, green, blue = colours.unbind(1)
    value = colours.amax(1)
    chroma = value - colours.amin(1)
    some = chroma.clamp(min=1e-12)
    angle = torch.where(
        value == red,
        (green - blue).div_(some),
        torch.where(value == green, (blue - red).div_(some).add_(2), (red - green).div_(some) + 4),
    )
    # channel n is value − chroma · clamp(min(k, 4 − k), 0, 1) with k = (n + place) mod 6
    steps = colours.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    turned = (angle + 6 * drawn[:, :1, None])[:, None] + steps
    turned = torch.remainder(turned, 6)
    part = torch.minimum(turned, 4 - turned).clamp_(0, 1)
    return _within(value[:, None] - part.mul_(chroma[:, None]), alpha)


def color_jitter(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Changes brightness, contrast, saturation and hue, one after the other."""
    for number, change in enumerate((brightness, contrast, saturation, hue)):
        colours = change(colours, alpha, drawn[:, number : number + 1])
    return colours


def grayscale(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Replaces colours by their grey."""
    return torch.where(_wide(drawn) > 0, _within(_grey(colours), alpha), colours)


def posterize(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Keeps one bit per channel, as Pillow does it: below 128 black, else 128."""
    upper = torch.round(255 * colours) >= 128 * alpha
    return torch.where(_wide(drawn) > 0, upper * alpha * (128 / 255), colours)


def invert(colours: Colours, alpha: Alpha, drawn: Drawn) -> Colours:
    """Replaces colours by one minus the colour."""
    return torch.where(_wide(drawn) > 0, alpha - colours, colours)


def sharpening(pixels: Pixels, applied: Float[Tensor, " image"]) -> Pixels:
    """Adds seven times the difference to a 3 × 3 smoothing, as Pillow's filter has it."""
    # the kernel is 1 everywhere and 5 in the middle, over 13
    rows = pixels.clone()
    rows[:, :, 1:] += pixels[:, :, :-1]
    rows[:, :, :-1] += pixels[:, :, 1:]
    around = rows.clone()
    around[..., 1:] += rows[..., :-1]
    around[..., :-1] += rows[..., 1:]
    smooth = around.add_(pixels, alpha=4).div_(13)
    sharp = smooth.mul_(1 - _SHARPENED).add_(pixels, alpha=_SHARPENED).clamp_(0, 1)
    sharp[:, :3] = torch.minimum(sharp[:, :3], sharp[:, 3:])
    return torch.where(applied[:, None, None, None] > 0, sharp, pixels)


def _grey(colours: Colours) -> Float[Tensor, "image 1 height width"]:
    red, green, blue = (colours[:, number : number + 1] for number in range(3))
    weights = _GREY
    return (red * weights[0]).add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])


def _within(colours: Tensor, alpha: Alpha) -> Tensor:
    return torch.minimum(colours.clamp_(min=0), alpha)


def _wide(drawn: Drawn) -> Float[Tensor, "image 1 1 1"]:
    return drawn[:, :1, None, None]
