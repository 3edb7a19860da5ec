"""Spatter: drops of water or mud on the lens, the peaks of a smooth random field."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from torch import Generator, Tensor

from invariscope.transformations.corruptions import layers
from invariscope.transformations.corruptions.blurs import normal_blur

Images = Float[Tensor, "image channel height width"]
#: The colours of what is spattered, in red, green and blue of 255.
_WATER, _MUD = (175, 238, 238), (63, 42, 20)
#: How much a gradient of 8 bits must be to go on with an edge, and to begin one.
_WEAK, _STRONG = 50, 150
#: Drops are the same everywhere that is so many pixels from their edge.
_DEEP = 20
#: Light from above on the left: what slopes that way is brighter.
_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
#: Less than this of mud is none.
_THIN = 0.8


def spatter(
    images: Images,
    constants: tuple[float, float, float, float, float, bool],
    draws: Sequence[Generator],
) -> Images:
    """Adds light to where drops of water lie, or covers what is behind mud.

    Images of three bands get the colour of water or mud, all others its grey.

    Args:
        images: In [0, 1].
        constants: Mean and standard deviation of the numbers that are drawn, over how many pixels
            they are smoothed, the least value of a drop, how bright water is (or over how many
            pixels mud is smoothed), and whether it is mud.
        draws: A generator for each image.
    """
    mean, deviation, smooth, least, amount, mud = constants
    fields = layers.normal_fields(images, draws)
    # One by one: a convolution of several images may differ in a last bit, which thresholds see.
    liquid = mean + deviation * torch.cat([normal_blur(one[None], smooth) for one in fields])
    colour = images.new_tensor(_MUD if mud else _WATER).view(1, 3, 1, 1) / 255
    if images.shape[1] != 3:
        weights = images.new_tensor(layers.LUMINANCE).view(1, 3, 1, 1)
        colour = (colour * weights).sum(1, keepdim=True)
    if mud:
        soft = torch.cat([normal_blur(one[None], amount) for one in (liquid > least).float()])
        covered = layers.fitted(torch.where(soft < _THIN, 0.0, soft), images)
        return images * (1 - covered) + colour * covered
    drops = [_drops(np.where(one < least, 0, one)) for one in liquid[:, 0].numpy()]
    shining = torch.from_numpy(np.stack(drops))[:, None].float()
    return images + amount * layers.fitted(shining, images) * colour


def _drops(liquid: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
    """How drops shine, at most 1: as a relief of the distance from their edges, lit from a side."""
    bits = (liquid * 255).astype(np.uint8)
    edge = edges(bits)
    # Without an edge all is as far as can be.
    far = np.full(edge.shape, float(_DEEP))
    if edge.any():
        ndimage.distance_transform_edt(~edge, distances=far)
    near = ndimage.uniform_filter(far.clip(max=_DEEP), 3, mode="mirror")
    # A mean of nine times 20 may come out a little less, which is not to become 19.
    spread = equalised((near + 1e-6).astype(np.uint8)).astype(np.float64)
    relief = ndimage.correlate(spread, _RELIEF, mode="mirror").clip(0, 255)
    shine = bits * ndimage.uniform_filter(relief, 3, mode="mirror").round()
    return shine / max(shine.max(), 1.0)


def equalised(values: UInt8[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column"]:
    """Spreads 8-bit values over 0 to 255 so that as many lie in each part; the least becomes 0."""
    counts = np.bincount(values.ravel(), minlength=256)
    above = counts.cumsum() - counts[values.min()]
    if not above[-1]:  # all are the same
        return values
    return (above / above[-1] * 255).clip(0).round().astype(np.uint8)[values]


def edges(values: UInt8[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """Finds the edges of an 8-bit image by Canny's rule: crests of the gradient that hang together.

    The gradient is Sobel's, its size |x| + |y|. A crest is larger than its neighbour before and no
    smaller than that behind, along the nearest of four directions; it counts where it is strong, or
    weak and joined to a strong one.
    """
    signed = values.astype(np.int64)
    across, down = (ndimage.sobel(signed, axis, mode="nearest") for axis in (1, 0))
    size, height, width = abs(across) + abs(down), *values.shape
    padded = np.pad(size, 1)

    def beside(rows: int, columns: int) -> np.ndarray:
        return padded[1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

    flat = abs(down) < np.tan(np.pi / 8) * abs(across)
    steep = abs(across) < np.tan(np.pi / 8) * abs(down)
    crest = np.select(
        [flat, steep, across * down < 0],
        [
            (size > beside(0, -1)) & (size >= beside(0, 1)),
            (size > beside(-1, 0)) & (size >= beside(1, 0)),
            (size > beside(-1, 1)) & (size > beside(1, -1)),
        ],
        (size > beside(-1, -1)) & (size > beside(1, 1)),
    )
    joined = np.zeros((height, width), np.int32)
    count = ndimage.label(crest & (size > _WEAK), np.ones((3, 3)), output=joined)
    begun = np.zeros(int(count) + 1, bool)
    begun[joined[crest & (size > _STRONG)]] = True
    return begun[joined]
