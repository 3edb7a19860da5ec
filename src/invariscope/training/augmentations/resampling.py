"""Crops and resizes a whole batch by two small matrices for each image.

Each row of a matrix is one output pixel: the weights of the input pixels along one axis. The filter
is torchvision's ``resized_crop(antialias=True)``: with a box of b pixels that becomes s pixels, the
scale is r = b / s, output pixel i has its centre at r (i + ½) in the box, and the input pixel with
centre x weighs max(0, 1 − |x − r (i + ½)| / max(1, r)); weights sum to one over the pixels of the
box. A box of s pixels is taken over exactly. What the picture does not cover is black.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Weights = Float[Tensor, "image size length"]


def box_weights(
    length: int, start: Int64[Tensor, " image"], extent: Int64[Tensor, " image"], size: int
) -> Weights:
    """Returns the weights along one axis of boxes that become `size` pixels.

    Args:
        length: Pixels of the image along the axis.
        start: The first pixel of each box.
        extent: How many pixels each box has; it lies in the image.
        size: Pixels of the output.

    Returns:
        float64 [image, size, length].

    Example:
        >>> box_weights(4, torch.tensor([1]), torch.tensor([2]), 2)[0].tolist()
        [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    scale = extent.double()[:, None, None] / size
    pixel = torch.arange(length, device=start.device)[None, None, :]
    centre = scale * (torch.arange(size, device=start.device).double()[None, :, None] + 0.5)
    offset = pixel - start[:, None, None]
    weights = (1 - (offset + 0.5 - centre).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * ((offset >= 0) & (offset < extent[:, None, None]))
    return weights / weights.sum(dim=2, keepdim=True)


def moved(
    weights: Float[Tensor, "image_or_one size length"], shift: Int64[Tensor, " image"]
) -> Weights:
    """Returns the weights of a picture moved by `shift` pixels to the right or down, else black.

    Example:
        >>> moved(torch.eye(3)[None], torch.tensor([1]))[0].tolist()
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    length = weights.shape[2]
    source = torch.arange(length, device=weights.device)[None, :] + shift[:, None]
    inside = (source >= 0) & (source < length)
    index = source.clamp(0, length - 1)[:, None, :].expand(-1, weights.shape[1], -1)
    return weights.expand(len(shift), -1, -1).gather(2, index) * inside[:, None, :]


def window(
    weights: Float[Tensor, "1 resized length"], start: Int64[Tensor, " image"], size: int
) -> Weights:
    """Takes `size` output pixels from `start` on of one common resize; those beyond it are black.

    Args:
        weights: [1, resized, length].
        start: Where the window of each image begins; it may lie outside.
        size: Pixels of the window.
    """
    row = start[:, None] + torch.arange(size, device=start.device)[None, :]
    inside = (row >= 0) & (row < weights.shape[1])
    return weights[0][row.clamp(0, weights.shape[1] - 1)] * inside[:, :, None]


def resample(
    images: Float[Tensor, "image channel height width"],
    rows: Float[Tensor, "image new_height height"],
    columns: Float[Tensor, "image new_width width"],
) -> Float[Tensor, "image channel new_height new_width"]:
    """Reads each image with its rows' and its columns' weights."""
    rows, columns = (w.to(images.device, images.dtype)[:, None] for w in (rows, columns))
    return rows @ images @ columns.mT
