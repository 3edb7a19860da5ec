"""Turns the bands of pictures into the channels of a network.

A picture has bands (red, green, blue; near infrared; one band of an X-ray), a network takes
channels. Transformations act on the bands, normalisation on the channels.

| bands | channels | what the network sees |
|---|---|---|
| n | n | the bands as they are |
| 3 | 1 | their luminance (Rec. 601, what Pillow's ``convert("L")`` uses) |
| 1 | 3 | the band three times |
| other | other | an error: choose bands by number, ``preprocessing={"bands": [1, 2, 3]}`` |
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from invariscope.errors import InputError

LUMINANCE = (0.299, 0.587, 0.114)


class BandMismatch(InputError):
    """A picture has a number of bands that the model cannot be shown."""


def check_numbers(channels: object, bands: object) -> None:
    """Raises an `InputError` where these are no number of channels and no numbers of bands."""
    if channels is not None and not (type(channels) is int and channels > 0):
        raise InputError(f"preprocessing: channels is {channels!r}; a whole number from 1 on works")
    if bands is None:
        return
    known = isinstance(bands, tuple) and all(type(number) is int and number > 0 for number in bands)
    if not (known and bands):
        raise InputError(
            f"preprocessing: bands is {bands!r}; the numbers of the bands work, counted from 1, "
            "such as [1, 2, 3]"
        )


def chosen_bands(
    image: Shaped[Tensor, "..."], bands: Sequence[int] | None, channels: int | None
) -> Shaped[Tensor, "..."]:
    """Returns the bands of a picture that are used, as many as transformations act on.

    Args:
        image: [band, height, width], uint8 or float.
        bands: Their numbers, from 1; None for all.
        channels: How many channels the model takes; None for any number.

    Returns:
        The bands, repeated where a model of three channels (or of any number) is shown one.

    Raises:
        InputError: No picture of that form.
        BandMismatch: Bands that the picture does not have, or another number than the model takes.

    Example:
        >>> chosen_bands(torch.zeros(4, 2, 2), [4, 1, 2], 3).shape
        torch.Size([3, 2, 2])
    """
    if image.ndim != 3 or 0 in image.shape:
        raise InputError(f"image: a tensor of shape {list(image.shape)} came; [band, height, "
                         "width] works, such as [3, height, width]")  # fmt: skip
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise InputError(f"image: type {image.dtype} came; uint8, or float in [0, 1], works")
    if bands is not None:
        if max(bands) > len(image):
            raise BandMismatch(
                f"band {max(bands)} is asked for, and the picture has {counted(len(image))}; "
                "preprocessing bands are numbers from 1 on"
            )
        image = image[[number - 1 for number in bands]]
    check_fit(len(image), channels)
    return image.expand(3, -1, -1) if len(image) == 1 and channels in (3, None) else image


def check_fit(bands: int, channels: int | None) -> None:
    """Raises a `BandMismatch` where a model of so many channels cannot be shown so many bands.

    Example:
        >>> check_fit(4, 3)
        Traceback (most recent call last):
        invariscope.models.bands.BandMismatch: the picture has 4 bands and the model takes 3 chan...
    """
    if channels is None or bands == channels or (bands, channels) in ((3, 1), (1, 3)):
        return
    if bands > channels:
        numbers = list(range(1, channels + 1))
        way = (
            f"choose bands, such as preprocessing={{'bands': {numbers}}} "
            f"(--preprocessing bands={','.join(map(str, numbers))}), or give a model of {bands}"
        )
    else:
        way = f"give pictures of {counted(channels)} or a model of {bands}"
    taken = counted(channels, "channel")
    raise BandMismatch(f"the picture has {counted(bands)} and the model takes {taken}; {way}")


def to_channels(
    images: Float[Tensor, "image band height width"], channels: int | None
) -> Float[Tensor, "image channel height width"]:
    """Turns bands into the channels of the network, before normalisation; see the table above."""
    bands = images.shape[1]
    if channels is None or bands == channels:
        return images
    check_fit(bands, channels)
    if channels == 1:
        return torch.einsum("nchw,c->nhw", images, images.new_tensor(LUMINANCE))[:, None]
    return images.expand(-1, channels, -1, -1)


def counted(number: int, noun: str = "band") -> str:
    """Writes a number with its noun, such as "1 band" and "4 bands"."""
    return f"{number} {noun}{'s' * (number != 1)}"
