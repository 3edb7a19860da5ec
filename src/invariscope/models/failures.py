"""Puts an error of somebody else's code into one line, and says what would work instead.

The text of torch, timm or a model stands in the middle of a message at most; the message ends in
what the caller can do. Which that is, is recognised by the text, by what the model's ``forward``
asks for and by what it is made of.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

_PLAIN = "a model that takes a float batch [image, 3, height, width] and returns a tensor works"
_TEXT_INPUTS = ("input_ids", "tokens", "text", "texts", "token_ids", "ids")
_SIZES = ("image_size", "img_size", "input_size")


def what_would_work(
    error: BaseException, shape: Sequence[int], model: Callable[..., Any] | None = None
) -> str:
    """Says what a model that fails on images seems to need, in the caller's terms.

    Args:
        error: What it raised.
        shape: Shape of the batch, [image, channel, height, width].
        model: The module or callable, whose ``forward`` says what it asks for.

    Example:
        >>> error = AssertionError("Input height (64) doesn't match model (224).")
        >>> what_would_work(error, [2, 3, 64, 64]).partition(";")[0]
        'it needs images of 224 pixels'
    """
    asked = _asks_for(model)
    if asked:
        return asked
    text = " ".join(str(error).split())
    for pattern, need in _KINDS:
        match = re.search(pattern, text, re.IGNORECASE)
        if match:
            return need(match, _Failure(list(shape), model))
    return _PLAIN


def refused_output(output: Any, images: int) -> str:
    """Says why an output is no tensor of one entry per image, and what would be.

    Example:
        >>> refused_output(None, 2)
        'for 2 images it returns None; a forward that returns its output works'
    """
    came, works = _output(output, images)
    return f"for {images} images it returns {came}; {works}"


def for_a_batch_of(images: int) -> str:
    """Says what would work for a model that has put out another number of entries than images.

    Example:
        >>> for_a_batch_of(1)
        'one image at a time needs a model that keeps its axis: flatten(1) instead of squeeze()'
        >>> for_a_batch_of(7)
        'a model with one entry for each image in every batch works'
    """
    if images == 1:
        return (
            "one image at a time needs a model that keeps its axis: flatten(1) instead of squeeze()"
        )
    return "a model with one entry for each image in every batch works"


def is_list_per_image(output: Any, images: int) -> bool:
    """Tells whether an output is a list of dictionaries, one for each image, as detectors give.

    Example:
        >>> is_list_per_image([{"boxes": Tensor(3, 4)}, {"boxes": Tensor(0, 4)}], 2)
        True
    """
    return (
        isinstance(output, list | tuple)
        and len(output) == images
        and all(isinstance(item, Mapping) for item in output)
    )


def _output(output: Any, images: int) -> tuple[str, str]:
    """Says what came, and what would work."""
    if output is None:
        return "None", "a forward that returns its output works"
    if isinstance(output, str) or (
        isinstance(output, list | tuple) and output and all(isinstance(o, str) for o in output)
    ):
        return "text", "its vision encoder, or a function that returns an embedding, works"
    if is_list_per_image(output, images):
        keys = list(output[0])
        named = f"a list of dicts ({', '.join(map(str, keys[:4]))})"
        if "boxes" in keys:
            return (
                f"{named}, as detectors do, with any number of boxes for each",
                "its backbone, model.backbone, or a function that makes one vector per image works",
            )
        key = repr(keys[0]) if keys else "KEY"
        return (
            named,
            f"lambda images: torch.stack([one[{key}] for one in model(images)]) works",
        )
    if isinstance(output, np.ndarray):
        return "a NumPy array", "torch.from_numpy around it works"
    if isinstance(output, Tensor) and output.is_nested:
        return "a nested tensor", "a dense one works, such as its to_padded_tensor(0)"
    if isinstance(output, Tensor):
        kind = str(output.dtype).removeprefix("torch.")
        came = f"a tensor of shape {list(output.shape)} ({kind})"
        if not output.is_floating_point():
            return came, "scores or features, floating-point, before argmax or rounding, work"
        return came, "a floating-point tensor whose first axis is the images works"
    return (
        f"{type(output).__name__}, without a floating-point tensor whose first axis is the images",
        "such a tensor, or a tuple or mapping that holds one, works",
    )


def _asks_for(model: Callable[..., Any] | None) -> str:
    """Says what a forward needs beyond one batch of images; "" where that cannot be told."""
    function: Any = getattr(model, "forward", model)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [parameter for parameter in parameters if parameter.kind in kinds]
    if named and named[0].name in _TEXT_INPUTS:
        others = [parameter.name for parameter in parameters[1:]]
        if "pixel_values" in others:
            return (
                f"its first input is text ({named[0].name}), the images come as pixel_values; its "
                "image tower works: lambda images: model.get_image_features(pixel_values=images), "
                "or model.vision_model"
            )
        return f"its input is text ({named[0].name}), not images; a vision model works"
    required = [
        parameter.name
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty
        and parameter.kind in (*kinds, inspect.Parameter.KEYWORD_ONLY)
    ]
    if len(required) > 1:
        others = ", ".join(required[1:])
        keywords = ", ".join(f"{name}={name}" for name in required[1:])
        return (
            f"it needs more than the images ({others}); a function that gives it the rest works: "
            f"lambda images: model(images, {keywords}), or one of its towers"
        )
    return ""


class _Failure:
    """A failure's circumstances beside its text."""

    def __init__(self, shape: list[int], model: Callable[..., Any] | None):
        self.shape, self.model = shape, model

    def has(self, *kinds: type[nn.Module]) -> bool:
        """Says whether the model has a module of such a kind."""
        parts = self.model.modules() if isinstance(self.model, nn.Module) else ()
        return any(isinstance(part, kinds) for part in parts)

    @property
    def own_size(self) -> int | None:
        """The side of the input that the model states somewhere."""
        parts = self.model.modules() if isinstance(self.model, nn.Module) else ()
        for part in parts:
            for holder in (part, getattr(part, "config", None)):
                for name in _SIZES:
                    value = getattr(holder, name, None)
                    value = value[-1] if isinstance(value, list | tuple) and value else value
                    if isinstance(value, int) and value > 1:
                        return value
        return None


def _size(side: int | str | None, text: str = "it needs images of") -> str:
    how = f"`preprocessing={{'size': {side}}}` works"
    return f"{text} {side} pixels; {how}"


def _another_size(match: re.Match[str], failure: _Failure) -> str:
    if failure.has(nn.Conv3d):
        return _video(match, failure)
    if failure.own_size and failure.own_size not in failure.shape[-2:]:
        return _size(failure.own_size)
    side = "×".join(str(length) for length in reversed(failure.shape[-2:]))
    return (
        f"it seems to need images of another size than {side}; the size it was made for works, "
        "such as `preprocessing={'size': 224}`"
    )


def _stated_size(match: re.Match[str], failure: _Failure) -> str:
    return _size(match[1])


def _divisible(match: re.Match[str], failure: _Failure) -> str:
    step = int(match[1])
    if not any(side % step for side in failure.shape[-2:]):  # a side of its maps, not of the image
        return _another_size(match, failure)
    side = max(step, failure.shape[-1] // step * step)
    return _size(side, f"it needs sides that {step} divides, such as")


def _larger(match: re.Match[str], failure: _Failure) -> str:
    if failure.has(nn.Conv3d):
        return _video(match, failure)
    return (
        f"images of {failure.shape[-1]}×{failure.shape[-2]} are too small for it; a larger size "
        "works, such as `preprocessing={'size': 224}`"
    )


def _channels(match: re.Match[str], failure: _Failure) -> str:
    if failure.has(nn.Conv3d):
        return _video(match, failure)
    wanted, came = int(match[1]), int(match[2])
    if wanted == came:
        return _PLAIN
    if wanted == 1:
        return "it takes 1 channel; `preprocessing={'channels': 1}` works"
    return (
        f"it takes {wanted} channels, the images have {came}; images of {wanted} bands with "
        f"`preprocessing={{'channels': {wanted}}}` work"
    )


def _video(match: re.Match[str], failure: _Failure) -> str:
    return (
        "it takes clips or volumes, [image, channel, time, height, width]; a function that repeats "
        "the picture works: lambda images: model(images[:, :, None].expand(-1, -1, 16, -1, -1))"
    )


def _axes(match: re.Match[str], failure: _Failure) -> str:
    wanted = int(match[1])
    if wanted >= 5 or failure.has(nn.Conv3d):
        return _video(match, failure)
    if wanted == 3:
        return (
            "it takes one image without the axis of images, or a sequence; for the first, lambda "
            "images: torch.stack([model(image) for image in images]) works"
        )
    if wanted == 2:
        return "it takes vectors; lambda images: model(images.flatten(1)) works"
    return _PLAIN


def _says(text: str) -> Callable[[re.Match[str], _Failure], str]:
    return lambda match, failure: text


_TYPES = _says(
    "its parts, or it and the images, are in different precisions; model.float(), or model.half() "
    "as a whole on an accelerator, works"
)
_DEVICES = _says(
    "parts of it lie on another device; parameters and buffers (register_buffer) move with it, "
    "plain tensors do not; give the device on which they lie, such as device='cpu'"
)
_INTEGERS = _says("it takes integers, such as token ids, not images; a vision model works")
_GRADIENTS = _says(
    "it differentiates inside its forward (test-time adaptation?), which a measurement switches "
    "off; the network inside works"
)
_PICTURES = _says(
    "it takes pictures or something else than a tensor; a function from a float batch [image, 3, "
    "height, width] to a tensor works"
)
_MAPPING = _says(
    "it seems to take a mapping; lambda images: model({'pixel_values': images}), with the key that "
    "it reads, works"
)
_DETECTOR = _says(
    "it is a detector in training mode, which asks for targets; its backbone, model.backbone, works"
)

_SEQUENCES = _says(
    "it takes sequences of vectors, not pictures; a function that makes them works: lambda images: "
    "model(images.flatten(2))"
)
_TRAINING = _says("a normalisation in it is in training mode; model.eval() before works")
_NO_FORWARD = _says("it has no forward; a module that defines it, or a callable, works")

#: (what the text says, what would work); the first that fits counts.
_KINDS: list[tuple[str, Callable[[re.Match[str], _Failure], str]]] = [
    (r"doesn't match model \((\d+)", _stated_size),
    (r"(?:height|width|size)!? Expected (\d+) but got", _stated_size),
    (r"divisible by (?:the )?(?:patch|window|input|kernel)?[ _]?(?:size)?:? ?\(?(\d+)", _divisible),
    (r"multiple of \(?(\d+)", _divisible),
    (r"to have (\d+) channels, but got (\d+) channels", _channels),
    (r"not enough values to unpack \(expected (\d), got \d\)", _axes),
    (r"too many values to unpack \(expected (\d)", _axes),
    (r"(5)D (?:\(batched\) )?input|expected (5)", _video),
    (r"3D \(batched\) input|2D or 3D", _SEQUENCES),
    (r"targets should not be none", _DETECTOR),
    (
        r"same device|different devices|not on the expected device|is on \w+, different from",
        _DEVICES,
    ),
    (r"tensors? of type.*(?:Long|Int|Byte)Tensor|scalar types?:? (?:Long|Int|Byte)", _INTEGERS),
    (r"should be the same|same dtype|scalar type|not implemented for '(?:Half|BF)", _TYPES),
    (r"does not require grad|inference tensors|inference tensor", _GRADIENTS),
    (r"Kernel size can't be greater|output size is too small|too small", _larger),
    (r"padding size should be less|non-zero size|non-empty", _larger),
    (
        r"mat1 and mat2 shapes|must match the size of tensor|invalid for input of size",
        _another_size,
    ),
    (r"sizes? of tensors must match|shape mismatch|size mismatch|normalized_shape", _another_size),
    (r"position(?:al)?[ _]embed|relative[ _]position|\bresolution", _another_size),
    (r"Expected more than 1 value per channel when training", _TRAINING),
    (r"missing the required .forward. function|no attribute 'forward'", _NO_FORWARD),
    (r"'Tensor' object has no attribute", _PICTURES),
    (r"must be Tensor, not|\bPIL\b|numpy\.ndarray", _PICTURES),
    (r"only integers, slices|must be integers or slices|too many indices", _MAPPING),
]
