"""What changes an object's pixels in place, on colours that are multiplied by alpha.

The photometric operations are torchvision's on the visible colours, with two differences that an
object in a transparent frame needs: contrast is about the mean grey of the object, not of the frame,
and sharpening treats alpha like a colour, so that edges get harder instead of fringed.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from invariscope.data.transforms2d.layers import Pixels

_GREY = (0.2989, 0.587, 0.114)
_SHARPENED = 7.0

Each = Float[Tensor, " image"]


def brightness(layer: Pixels, factor: Each) -> Pixels:
    """Colours times a factor."""
    return _with_colours(layer, _wide(factor) * layer[:, :3])


def contrast(layer: Pixels, factor: Each) -> Pixels:
    """Colours drawn to (or away from) the mean grey of the object."""
    alpha = layer[:, 3:]
    total = alpha.sum((1, 2, 3)).clamp(min=1e-6)
    mean = _grey(layer).sum((1, 2, 3)) / total
    return _with_colours(layer, _blend(layer[:, :3], _wide(mean) * alpha, factor))


def saturation(layer: Pixels, factor: Each) -> Pixels:
    """Colours drawn to (or away from) their own grey."""
    return _with_colours(layer, _blend(layer[:, :3], _grey(layer), factor))


def hue(layer: Pixels, shift: Each) -> Pixels:
    """Colours turned about the colour circle by a share of it; saturation and value stay."""
    red, green, blue = layer[:, 0], layer[:, 1], layer[:, 2]
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    some = chroma.clamp(min=1e-12)
    place = torch.where(
        value == red,
        (green - blue) / some,
        torch.where(value == green, (blue - red) / some + 2, (red - green) / some + 4),
    )
    place = place + 6 * shift[:, None, None]

    def channel(start: int) -> Tensor:
        turned = torch.remainder(place + start, 6)
        return value - chroma * torch.minimum(turned, 4 - turned).clamp(0, 1)

    return _with_colours(layer, torch.stack([channel(5), channel(3), channel(1)], 1))


def color_jitter(layer: Pixels, drawn: Float[Tensor, "image 4"]) -> Pixels:
    """Brightness, contrast, saturation and hue, one after the other."""
    layer = brightness(layer, drawn[:, 0])
    layer = contrast(layer, drawn[:, 1])
    return hue(saturation(layer, drawn[:, 2]), drawn[:, 3])


def sharpening(layer: Pixels, applied: Each) -> Pixels:
    """Seven times the difference to a 3 × 3 smoothing, as Pillow's filter has it."""
    # the kernel is 1 everywhere and 5 in the middle: nine times the mean and four times the pixel
    around = functional.avg_pool2d(layer, 3, stride=1, padding=1)
    smooth = (9 * around + 4 * layer) / 13
    sharp = _SHARPENED * layer + (1 - _SHARPENED) * smooth
    alpha = sharp[:, 3:].clamp(0, 1)
    return _where(applied, torch.cat([_between(sharp[:, :3], alpha), alpha], 1), layer)


def grayscale(layer: Pixels, applied: Each) -> Pixels:
    """Colours replaced by their grey."""
    return _where(applied, _with_colours(layer, _grey(layer).expand(-1, 3, -1, -1)), layer)


def posterize(layer: Pixels, applied: Each) -> Pixels:
    """One bit per channel, as Pillow does it: below 128 black, else 128."""
    alpha = layer[:, 3:]
    upper = torch.round(255 * layer[:, :3]) >= 128 * alpha
    return _where(applied, _with_colours(layer, upper * alpha * (128 / 255)), layer)


def invert(layer: Pixels, applied: Each) -> Pixels:
    """One minus the colour."""
    return _where(applied, _with_colours(layer, layer[:, 3:] - layer[:, :3]), layer)


def _grey(layer: Pixels) -> Float[Tensor, "image 1 height width"]:
    red, green, blue = _GREY
    return red * layer[:, :1] + green * layer[:, 1:2] + blue * layer[:, 2:3]


def _blend(first: Tensor, second: Tensor, factor: Each) -> Tensor:
    return _wide(factor) * first + (1 - _wide(factor)) * second


def _with_colours(layer: Pixels, colours: Tensor) -> Pixels:
    """A layer of other colours, none below 0 or above its alpha."""
    alpha = layer[:, 3:]
    return torch.cat([_between(colours, alpha), alpha], 1)


def _between(colours: Tensor, alpha: Tensor) -> Tensor:
    return torch.minimum(colours.clamp(min=0), alpha)


def _where(applied: Each, changed: Pixels, layer: Pixels) -> Pixels:
    return torch.where(_wide(applied) > 0, changed, layer)


def _wide(values: Each) -> Float[Tensor, "image 1 1 1"]:
    return values[:, None, None, None]
