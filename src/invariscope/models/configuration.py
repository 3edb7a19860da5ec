"""Reads preprocessing from a configuration: a file, a folder, the name of a known model.

=========================  =======================================================
a JSON file                `Preprocessing.as_dict`, Hugging Face's
                           ``preprocessor_config.json``, timm's ``config.json`` or
                           the settings of pretrainedmodels (``input_space`` …)
a folder                   one of these inside it
``timm:NAME``              timm's configuration of the model, without its weights
``torchvision:NAME@W``     the preset of torchvision's weights
=========================  =======================================================
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from invariscope.errors import InputError, first_line
from invariscope.models.preprocessing import (
    Preprocessing,
    from_timm_config,
    from_torchvision,
)
from invariscope.registry import unknown_name

PROCESSOR = "preprocessor_config.json"
_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
# Processors whose plain number of a size is the short side; for all others it is a square.
_SHORT_SIDE = (
    "CLIP",
    "ConvNext",
    "Levit",
    "Poolformer",
    "Bit",
    "MobileNet",
    "MobileViT",
    "Chinese",
)
# Processors that do what these values do not say.
_OTHER = ("Perceiver", "ImageGPT", "Flava", "Pix2Struct", "Detr", "Yolos", "Video", "Vivit")


def read_configuration(what: str, words: Iterable[str]) -> Preprocessing:
    """Reads the preprocessing that a file, a folder or the name of a known model states.

    Args:
        what: See the top of this module.
        words: What else could have been meant, for the message.

    Raises:
        InputError: There is no such thing, or it holds no configuration that is understood.
    """
    library, colon, name = what.partition(":")
    if colon and library == "timm":
        return _of_timm_name(name)
    if colon and library == "torchvision":
        from invariscope.models.zoo import TorchvisionModel

        name, _, weights = name.partition("@")
        model = TorchvisionModel(name, weights or None)
        if model.weights is None:
            raise InputError(f"preprocessing {what!r}: torchvision has no weights for it")
        source = f"torchvision preset of {type(model.weights).__name__}.{model.weights.name}"
        return from_torchvision(model.weights.transforms(), source)
    path = Path(what).expanduser()
    if path.is_dir():
        files = [path / name for name in (PROCESSOR, "config.json") if (path / name).is_file()]
        if not files:
            raise InputError(f"preprocessing {what}: the folder has no {PROCESSOR} or config.json")
        path = files[0]
    if not path.is_file():
        if "/" in what or path.suffix:
            raise InputError(f"preprocessing {what}: there is no such file")
        known = unknown_name("preprocessing", what, [*words, "FILE", "timm:NAME"])
        raise InputError(f"{known}; or write key=value, such as size=224")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(
            f"preprocessing {what} is no JSON file ({first_line(error)}); a "
            "preprocessor_config.json, a timm config.json or what a manifest holds works"
        ) from error
    return from_values(values, str(path))


def from_values(values: Any, source: str) -> Preprocessing:
    """Reads the content of a configuration file of whichever kind.

    Raises:
        InputError: It is none that is understood.
    """
    try:
        if isinstance(values, Mapping):
            if "pretrained_cfg" in values:
                return from_timm_values(values["pretrained_cfg"], source)
            if "image_mean" in values or "image_processor_type" in values:
                return from_processor(values, source)
            if (caffe := from_caffe(values, source)) is not None:
                return caffe
            if "input_size" in values:
                return from_timm_values(values, source)
            if "interpolation" in values and "mean" in values:
                return Preprocessing.from_dict({**values, "source": source})
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"preprocessing {source} is not understood ({type(error).__name__}: "
            f"{first_line(error)}); give size, mean and std instead"
        ) from error
    raise InputError(
        f"preprocessing {source} is no configuration of preprocessing: mean and std as "
        f"Preprocessing.as_dict() writes them, a {PROCESSOR} or timm's config.json work"
    )


def from_timm_values(config: Mapping[str, Any], source: str) -> Preprocessing:
    """Reads the preprocessing of timm from a ``pretrained_cfg``."""
    from timm.data import resolve_data_config

    return from_timm_config(resolve_data_config(pretrained_cfg=dict(config)), source)


def from_caffe(values: Mapping[str, Any], source: str) -> Preprocessing | None:
    """Reads the preprocessing of the library pretrainedmodels; None: the values are not its.

    Args:
        values: ``input_space`` ("RGB" or, for Caffe's weights, "BGR"), ``input_range`` ([0, 1] or
            [0, 255]), ``mean`` and ``std`` in that order and range, ``input_size``.
        source: Where they come from, for the manifest.

    Example:
        >>> caffe = {"input_space": "BGR", "input_range": [0, 255], "mean": [102, 51, 0]}
        >>> found = from_caffe({**caffe, "std": [1, 1, 1]}, "an example")
        >>> found.channel_order, found.mean
        ('bgr', (0.4, 0.2, 0.0))
    """
    space, limits = values.get("input_space"), values.get("input_range")
    mean, std = values.get("mean"), values.get("std")
    if not (isinstance(mean, list | tuple) and isinstance(std, list | tuple)):
        return None
    if len(mean) != 3 or len(std) != 3 or (space is None and limits is None):
        return None
    space, limits = str(space or "RGB").upper(), list(limits or (0, 1))
    if space not in ("RGB", "BGR") or limits not in ([0, 1], [0, 255]):
        return None
    side = values.get("input_size")
    side = side[-1] if isinstance(side, list | tuple) and len(side) == 3 else None
    return Preprocessing(
        size=None if side is None else (side, side),
        resize=None if side is None else math.floor(side / 0.875),
        mean=tuple(float(value) / limits[1] for value in mean),
        std=tuple(float(value) / limits[1] for value in std),
        channel_order=space.lower(),
        source=f"{source}: {space} in 0..{limits[1]}, as in pretrainedmodels",
    )


def from_processor(values: Mapping[str, Any], source: str) -> Preprocessing:
    """Reads the preprocessing of a Hugging Face image processor.

    Raises:
        InputError: It does something that is no resizing, cropping and normalising.
    """
    kind = str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")
    odd = next((word for word in _OTHER if word in kind), None)
    if odd:
        raise InputError(
            f"preprocessing {source}: {kind or 'the image processor'} does more than resize, crop "
            f"and normalise ({odd}); give size, mean and std, or a factory that wraps the model"
        )
    size, resize, crop_mode = _processor_size(values, kind)
    mean, std = _processor_normalisation(values)
    return Preprocessing(
        size=size,
        resize=resize,
        interpolation=_FILTERS[int(values.get("resample", 2))],
        mean=mean,
        std=std,
        channels=len(mean),
        source=source,
        crop_mode=crop_mode,
        channel_order="bgr" if values.get("do_flip_channel_order") else "rgb",
    )


def _processor_size(
    values: Mapping[str, Any], kind: str
) -> tuple[tuple[int, int] | None, int | tuple[int, int] | None, str]:
    """Size, resize and crop mode."""
    short = any(word in kind for word in _SHORT_SIDE)
    side, pair = _side_or_pair(values.get("size"), short)
    crop = None
    if values.get("do_center_crop"):
        crop = _side_or_pair(values.get("crop_size") or values.get("size"), False)[1]
    if not values.get("do_resize", True):
        return crop, None, "center"
    if side is not None and "ConvNext" in kind:
        if side < 384:
            resize = int(side / (values.get("crop_pct") or 224 / 256))
            return (side, side), resize, "center"
        return (side, side), (side, side), "squash"
    if side is not None and "Levit" in kind:
        side = int(256 / 224 * side)
    if side is not None:
        return crop or (side, side), side, "center"
    return crop or pair, pair, "squash"


def _side_or_pair(size: Any, short: bool) -> tuple[int | None, tuple[int, int] | None]:
    """The short side, or height and width."""
    if isinstance(size, int):
        return (size, None) if short else (None, (size, size))
    if isinstance(size, list | tuple):
        return None, (int(size[0]), int(size[-1]))
    if size and size.get("shortest_edge"):
        return int(size["shortest_edge"]), None
    return None, (int(size["height"]), int(size["width"]))


def _processor_normalisation(
    values: Mapping[str, Any],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std for pixels in [0, 1], whatever range the processor brings them into."""
    mean, std = values.get("image_mean") or (0.5,) * 3, values.get("image_std") or (0.5,) * 3
    # MobileViT's processor keeps a mean, and has no step that would subtract it
    normalises = "image_mean" in values and "do_flip_channel_order" not in values
    if not values.get("do_normalize", normalises):
        mean, std = (0.0,) * len(mean), (1.0,) * len(mean)
    if values.get("include_top"):  # EfficientNet's divides once more
        twice = zip(std, values.get("image_std") or std, strict=True)
        std = tuple(first * second for first, second in twice)
    scale = 255 * values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 255
    scale = 1.0 if math.isclose(scale, 1.0) else scale
    offset = 1.0 if values.get("rescale_offset") and values.get("do_rescale", True) else 0.0
    return (
        tuple((float(value) + offset) / scale for value in mean),
        tuple(float(value) / scale for value in std),
    )


def _of_timm_name(name: str) -> Preprocessing:
    from timm.models import get_pretrained_cfg

    from invariscope.models.zoo import TimmModel

    known = TimmModel(name).name
    config = get_pretrained_cfg(known)
    if config is None:
        raise InputError(f"preprocessing timm:{name}: timm has no configuration of it")
    return from_timm_values(config.to_dict(), f"timm configuration of {known}")
