"""Pastes objects on images, in batches: what `pasted` does once torch is there."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8
from PIL import Image
from torch import Tensor

from invariscope.data.rgb import seen_as_rgb
from invariscope.data.source import ImageSource
from invariscope.data.transforms2d.generator import paste
from invariscope.data.transforms2d.prototypes import Prototypes
from invariscope.data.transforms2d.sprites import Sprites, scaling

SCALE = 0.55
_CORNER = (21 / 32, 2 / 32)
_CHUNK = 256
Bytes = UInt8[Tensor, "image 3 height width"]


def pasted(
    objects: Prototypes,
    chosen: Int64[np.ndarray, " image"],
    behind: Bytes | None,
    room: Float64[np.ndarray, "image 2"] | None,
    device: str | torch.device,
) -> Bytes:
    """Pastes objects on images.

    Args:
        objects: The objects.
        chosen: Which one each image gets; −1 for none.
        behind: The images; None: black.
        room: Where each lies as a share of the room in the frame; None: in the corner.
        device: Where they are pasted.
    """
    side = objects.pictures.shape[-1]
    if behind is None:
        behind = torch.zeros((len(chosen), 3, side, side), dtype=torch.uint8)
    behind = behind.to(device)
    pictures = torch.from_numpy(objects.pictures).to(device)
    outlines = torch.from_numpy(objects.outlines).to(device)
    which = torch.from_numpy(chosen).to(device)
    places = None if room is None else torch.from_numpy(room).to(device)
    images = behind.clone()
    there = torch.nonzero(which >= 0)[:, 0]
    for part in there.split(_CHUNK if torch.device(device).type == "cpu" else len(which)):
        number = which[part]
        sprites = Sprites.of(pictures[number], outlines[number])
        small = torch.full((len(part),), SCALE, dtype=torch.float64, device=sprites.pixels.device)
        sprites.turn(scaling(small, small))
        if places is None:
            sprites.shift(corner(sprites))
        else:
            sprites.place(places[part])
        images[part] = paste(sprites.settle(), behind[part].float().div_(255))
    return images


def corner(sprites: Sprites) -> Float64[Tensor, "image 2"]:
    """Returns the centres of objects that are to lie in the upper right corner."""
    side = sprites.pixels.shape[-1]
    low, high = sprites.outline.amin(1), sprites.outline.amax(1)
    left = torch.minimum(_CORNER[0] * side + 0 * low[:, 0], side - (high - low)[:, 0])
    top = torch.full_like(left, _CORNER[1] * side)
    return torch.stack([left, top], 1) - side / 2 - low


def framed(
    source: ImageSource,
    indices: Sequence[int],
    side: int,
    colours: Float64[np.ndarray, "image 2 3"] | None = None,
) -> Bytes:
    """Brings images of a source to one size, as bytes: smaller ones framed, larger ones reduced.

    Args:
        source: The images.
        indices: Which of them.
        side: Height and width.
        colours: Of black and of white in each, in [0, 1], for grey ones.
    """
    images = source.pixels(indices)
    if images is None or images.shape[-1] != side:
        pictures = [_framed(source.load(index), side) for index in indices]
        images = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
    if colours is None:
        return images
    ends = torch.from_numpy(colours).float()[:, :, :, None, None]
    for part in torch.arange(len(images)).split(4096):
        share = images[part].float().div_(255)
        mixed = ends[part, 0] * (1 - share) + ends[part, 1] * share
        images[part] = mixed.mul_(255).round_().to(torch.uint8)
    return images


def _framed(picture: Image.Image | Tensor, side: int) -> np.ndarray:
    """One image as bytes [side, side, 3]."""
    picture = seen_as_rgb(picture)
    longest = max(picture.size)
    if longest > side:
        width, height = (max(1, round(length * side / longest)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    if picture.size == (side, side):
        return np.asarray(picture)
    frame = Image.new("RGB", (side, side))
    frame.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return np.asarray(frame)
