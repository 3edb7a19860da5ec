"""Prepares an image before a model sees it: resize, centre crop, normalise.

A model is measured with the preprocessing it was trained for, read from its own configuration and
written into the manifest. The two halves are separate because transformations act between them:
after `Preprocessing.geometry`, on pixels in [0, 1], and before `Preprocessing.normalise`. How the
bands of pictures become the channels of a network: see `invariscope.models.bands`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pixels

from invariscope.errors import InputError
from invariscope.models.bands import check_numbers, chosen_bands, to_channels
from invariscope.registry import unknown_name

# How the source of values begins where nobody has stated mean and std.
UNSTATED = "identity"
CHANNEL_ORDERS = ("rgb", "bgr")
_CROP_MODES = ("center", "squash", "border")
_INTERPOLATIONS = tuple(mode.value for mode in InterpolationMode if mode.value != "nearest-exact")
_FLOAT_INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing that a model needs.

    Args:
        size: Height and width of the model's input; None leaves images as large as they are.
        resize: Length of the short side before the centre crop; a pair (height, width) where the
            crop is not square or the crop mode is not "center"; None crops without resizing.
        interpolation: Pillow's name of the resampling filter.
        mean: Subtracted per channel, in units of [0, 1].
        std: Divided by per channel.
        channels: How many the model takes; with 1, colour pictures are shown as their luminance.
            None takes pictures of any number of bands as they are; mean and std are then one number
            for all.
        source: Where these values come from, for the manifest.
        crop_mode: "center" keeps the aspect ratio and crops, "squash" does not keep it, "border"
            keeps it and pads with the mean colour; timm's three.
        bands: Numbers, from 1, of the bands of the pictures that are used, in this order; None uses
            all of them.
        channel_order: "bgr" for a network that takes blue first (Caffe's weights); mean and std
            are then in that order too.

    Example:
        >>> small = Preprocessing(size=(4, 4), resize=4)
        >>> small.geometry(Image.new("RGB", (8, 6))).shape
        torch.Size([3, 4, 4])
    """

    size: tuple[int, int] | None = None
    resize: int | tuple[int, int] | None = None
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    channels: int | None = 3
    source: str = f"{UNSTATED}: the model has no configuration, images keep their size and values"
    crop_mode: str = "center"
    bands: tuple[int, ...] | None = None
    channel_order: str = "rgb"

    def __post_init__(self):
        check_numbers(self.channels, self.bands)
        for key in ("mean", "std"):
            if len(getattr(self, key)) != (self.channels or 1):
                raise InputError(
                    f"preprocessing: {key} has {len(getattr(self, key))} values for "
                    f"{self.channels or 'any number of'} channel(s); give one value per channel"
                )
        if not all(math.isfinite(value) for value in self.mean + self.std):
            raise InputError("preprocessing: mean and std must be finite numbers")
        if min(self.std) <= 0:
            raise InputError(f"preprocessing: std is {self.std}, every value must be above 0")
        if self.interpolation not in _INTERPOLATIONS:
            raise unknown_name("interpolation", self.interpolation, _INTERPOLATIONS)
        if self.crop_mode not in _CROP_MODES:
            raise unknown_name("crop mode", self.crop_mode, _CROP_MODES)
        if self.channel_order not in CHANNEL_ORDERS:
            raise unknown_name("channel order", str(self.channel_order), CHANNEL_ORDERS)
        if self.channel_order != "rgb" and self.channels != 3:
            raise InputError(
                f"preprocessing: channel_order {self.channel_order} is for three channels, and "
                f"{self.channels or 'any number'} came; with mean and std for three it works, or "
                "channels=3"
            )

    @property
    def pictures_key(self) -> "Preprocessing":
        """What `geometry` depends on; the mean does not count where it fills no border."""
        mean = self.mean if self.crop_mode == "border" else (0.0,) * len(self.mean)
        return replace(self, mean=mean, std=(1.0,) * len(self.std), source="")

    def geometry(self, image: Image.Image | Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Resizes and crops one image to the model's input resolution.

        Args:
            image: A PIL image of any mode, which counts as RGB, or a tensor [band, height, width],
                uint8 or float in [0, 1]. A uint8 tensor takes the path of a PIL image, so the same
                pixels give the same result.

        Returns:
            uint8 [band, height, width] for a PIL image or a uint8 tensor; float in [0, 1] for a
            float tensor. The bands are those that are used; one band is repeated for a model of
            three channels.

        Raises:
            InputError: The tensor has another shape or type.
            BandMismatch: The model takes another number of channels.
        """
        if not isinstance(image, Tensor):
            image = image if image.mode == "RGB" else image.convert("RGB")
            if self.bands is None and self.channels in (3, 1, None):
                return _pixels_of(self._resize_and_crop(image, self._colour))
            image = _pixels_of(image)
        image = chosen_bands(image, self.bands, self.channels)
        if self.size is None:
            return image if image.dtype == torch.uint8 else image.clamp(0, 1)
        if image.dtype == torch.uint8 and len(image) == 3:
            return _pixels_of(self._resize_and_crop(pixels.to_pil_image(image), self._colour))
        if image.dtype == torch.uint8 or self.interpolation not in _FLOAT_INTERPOLATIONS:
            return self._band_by_band(image).clamp(0, 1 if image.is_floating_point() else 255)
        return self._resize_and_crop(image, self._colour).clamp(0, 1)

    def _band_by_band(self, image: Tensor) -> Tensor:
        """Each band as a grey Pillow image: two or four together would count as holding alpha."""
        means = self._colour
        means = means if len(means) == len(image) else (sum(means) / len(means),)
        plain = image if image.dtype == torch.uint8 else image.float()  # Pillow has no float16
        bands = [Image.fromarray(band.contiguous().numpy()) for band in plain]
        means = means * len(bands) if len(means) == 1 else means
        done = [
            self._resize_and_crop(band, (mean,)) for band, mean in zip(bands, means, strict=True)
        ]
        return torch.from_numpy(np.stack([np.asarray(band) for band in done])).to(image.dtype)

    def _resize_and_crop(self, image: Any, mean: Sequence[float]) -> Any:
        if self.size is None:
            return image
        mode = InterpolationMode(self.interpolation)
        if self.resize is None:
            return pixels.center_crop(image, list(self.size))
        if self.crop_mode == "center" and isinstance(self.resize, int):
            image = pixels.resize(image, [self.resize], mode, antialias=True)
            return pixels.center_crop(image, list(self.size))
        target = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize
        if self.crop_mode == "squash":
            image = pixels.resize(image, list(target), mode, antialias=True)
            return pixels.center_crop(image, list(self.size))
        from timm.data.transforms import CenterCropOrPad, ResizeKeepRatio

        longest = 1.0 if self.crop_mode == "border" else 0.0
        image = ResizeKeepRatio(target, longest=longest, interpolation=self.interpolation)(image)
        if self.crop_mode == "border":
            fill = [round(255 * value) for value in mean]
            if isinstance(image, Tensor):  # torchvision pads tensors with one number alone
                colour = image.new_tensor(fill).view(-1, 1, 1) / 255
                return CenterCropOrPad(list(self.size), fill=0)(image - colour) + colour
            fill = [value / 255 for value in fill] if image.mode == "F" else fill
            padded: Any = CenterCropOrPad  # its types know no colours that are lists of floats
            return padded(list(self.size), fill=fill)(image)
        return pixels.center_crop(image, list(self.size))

    def normalise(
        self, images: Float[Tensor, "image band height width"]
    ) -> Float[Tensor, "image channel height width"]:
        """Computes (images - mean) / std per channel, in the memory format of the input.

        Args:
            images: What `geometry` gave, in [0, 1].

        Returns:
            A new tensor, or the input itself where there is nothing to do; with ``channels == 1``
            the luminance of three bands, [image, 1, height, width].
        """
        images = to_channels(images, self.channels)
        if self.channel_order == "bgr":
            images = images.flip(1)
        if not any(self.mean) and all(value == 1 for value in self.std):
            return images
        mean = images.new_tensor(self.mean).view(1, -1, 1, 1)
        std = images.new_tensor(self.std).view(1, -1, 1, 1)
        return (images - mean).div_(std)

    def override(self, changes: Mapping[str, Any], by: str = "the user") -> "Preprocessing":
        """Returns these values with some of them replaced by the user's.

        A new ``size`` without a new ``resize`` keeps the ratio of the two, a new ``channel_order``
        without mean and std takes these along. A single number stands for a square size and for
        the same mean or std in every channel.

        Example:
            >>> Preprocessing(size=(224, 224), resize=256).override({"size": 112}).resize
            128
        """
        known = [field.name for field in fields(self) if field.name != "source"]
        for key in changes:
            if key not in known:
                raise unknown_name("preprocessing value", str(key), known)
        values: dict[str, Any] = dict(changes)
        channels = values.get("channels", self.channels)
        given = [
            values[key] for key in ("mean", "std") if isinstance(values.get(key), list | tuple)
        ]
        if channels is None and given and "channels" not in values:
            channels = values["channels"] = len(given[0])
        if channels is None and values.get("channel_order", "rgb") != "rgb":
            channels = values["channels"] = 3
        bands = values.get("bands", self.bands)
        values["bands"] = tuple(bands) if isinstance(bands, list | tuple | range) else bands
        values["bands"] = (bands,) if isinstance(bands, int) else values["bands"]
        check_numbers(channels, values["bands"])
        if channels != 3 and "channel_order" not in values:
            values["channel_order"] = "rgb"
        count = channels or 1
        for key in ("mean", "std"):
            if key in values:
                values[key] = _numbers(values[key], key, count)
            elif count != len(getattr(self, key)):
                values[key] = _per_channel(getattr(self, key), count)
            elif values.get("channel_order", self.channel_order) != self.channel_order:
                values[key] = getattr(self, key)[::-1]
        if values.get("size") is not None:
            values["size"] = _pair(values["size"], "size")
            if "resize" not in values:
                values["resize"] = self._scaled_resize(values["size"])
        if isinstance(values.get("resize"), list | tuple):
            values["resize"] = _pair(values["resize"], "resize")
        source = f"by {by}: {', '.join(sorted(changes))}"
        if not changes or not by:
            source = self.source
        elif self.stated or not {"mean", "std"} <= changes.keys():
            source = f"{self.source}; {source}"
        return replace(self, **values, source=source)

    @property
    def _colour(self) -> tuple[float, ...]:
        """The mean in the order of the picture, with which a border is filled."""
        return self.mean[::-1] if self.channel_order == "bgr" else self.mean

    @property
    def stated(self) -> bool:
        """Says whether mean and std were stated by anyone, be it as 0 and 1.

        Example:
            >>> Preprocessing().stated, Preprocessing().override({"mean": 0.5, "std": 0.5}).stated
            (False, True)
        """
        return not self.source.startswith(UNSTATED)

    def _scaled_resize(self, size: tuple[int, int]) -> int | tuple[int, int]:
        square = size[0] == size[1]
        if self.size is None or self.resize is None:
            return size[0] if square else size
        old = self.resize if isinstance(self.resize, tuple) else (self.resize, self.resize)
        new = [
            math.floor(length * side / before)
            for length, side, before in zip(old, size, self.size, strict=True)
        ]
        return new[0] if square and new[0] == new[1] else (new[0], new[1])

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON knows them; `from_dict` is the way back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.bands is None:  # as in the manifests of earlier versions
            del values["bands"]
        if self.channel_order == "rgb":
            del values["channel_order"]
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Reads the values that `as_dict` wrote.

        Example:
            >>> Preprocessing.from_dict(Preprocessing(size=(8, 8)).as_dict()).size
            (8, 8)
        """
        decoded: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**decoded)


ANY_CHANNELS = Preprocessing(mean=(0.0,), std=(1.0,), channels=None)
"""For a model that says nothing: the identity on pictures of any number of bands."""


def from_timm(module: Any) -> Preprocessing:
    """Reads timm's evaluation of this model from the module's ``pretrained_cfg``."""
    from timm.data import resolve_model_data_config

    name = (getattr(module, "pretrained_cfg", None) or {}).get("architecture", "?")
    config = resolve_model_data_config(module)
    return from_timm_config(config, f"timm configuration of {name}")


def from_timm_config(config: Mapping[str, Any], source: str) -> Preprocessing:
    """Reads a data configuration that timm has resolved."""
    channels, height, width = config["input_size"]
    side = [math.floor(length / config["crop_pct"]) for length in (height, width)]
    mode = config["crop_mode"]
    plain = side[0] == side[1] and mode == "center"
    return Preprocessing(
        size=(height, width),
        resize=side[0] if plain else (side[0], side[1]),
        interpolation=config["interpolation"],
        mean=_per_channel(config["mean"], channels),
        std=_per_channel(config["std"], channels),
        channels=channels,
        source=source,
        crop_mode=mode,
    )


def from_torchvision(preset: Any, source: str) -> Preprocessing:
    """Reads torchvision's ``weights.transforms()``."""
    resize = getattr(preset, "resize_size", None)
    resize = list(resize) if isinstance(resize, list | tuple) else [resize] if resize else None
    crop = getattr(preset, "crop_size", None) or resize
    crop = list(crop) if isinstance(crop, list | tuple) else [crop] if crop else None
    return Preprocessing(
        size=(int(crop[0]), int(crop[-1])) if crop else None,
        resize=None if not resize else resize[0] if len(resize) == 1 else (resize[0], resize[1]),
        interpolation=getattr(preset, "interpolation", InterpolationMode.BILINEAR).value,
        mean=tuple(getattr(preset, "mean", (0.0, 0.0, 0.0))),
        std=tuple(getattr(preset, "std", (1.0, 1.0, 1.0))),
        source=source,
    )


def _pixels_of(image: Image.Image) -> Tensor:
    # The copy is for torch: it wants memory that it may write to.
    array = np.array(image, dtype=np.uint8)
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def _per_channel(values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return tuple(float(value) for value in values)
    return (float(sum(values) / len(values)),) * channels


def _pair(value: Any, key: str) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise InputError(f"preprocessing: {key} is {value!r}; a positive whole number or two work")
    return pair


def _numbers(value: Any, key: str, channels: int) -> tuple[float, ...]:
    try:
        if isinstance(value, int | float):
            return (float(value),) * channels
        return tuple(float(number) for number in value)
    except (TypeError, ValueError):
        raise InputError(
            f"preprocessing: {key} is {value!r}; one number per channel works"
        ) from None
