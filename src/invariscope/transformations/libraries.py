"""Makes families of the transforms of torchvision, kornia, albumentations, and any callable.

Those libraries draw from generators of the whole process, and most draw once for a batch. Here each
image is shown to the transform alone, with the generators set to a number hashed from the run's
seed, the family's name and the image's id; they are put back afterwards. An image draws the
same at all levels. Where a transform is seen to draw nothing, a batch is transformed at once.

What such a transform does to positions is looked at (`seen_motion`).
"""

import hashlib
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.randomness import watched_generators
from invariscope.transformations.families import Family
from invariscope.transformations.seen_motion import seen_motion
from invariscope.transformations.transformation import Transformation, of_magnitudes

Images = Float[Tensor, "image channel height width"]

#: Sides of the images on which a transform is tried.
_SIDES = (96, 224, 32)
#: What such a transform may draw from.
_WATCHED = ("torch", "NumPy", "Python")


def transformation_from(
    make: Any,
    magnitudes: Sequence[float] = (0.0, 1.0),
    *,
    name: str = "",
    unit: str = "",
    words: str = "",
) -> Transformation:
    """Makes a transformation of one that another library brings.

    Args:
        make: A function from a magnitude to a transform, such as
            ``lambda a: v2.RandomRotation((a, a))``, or a transform, which is then on or off.
            Transforms are those of torchvision's ``transforms.v2``, of kornia, of albumentations,
            or any callable from images [N, C, H, W] in [0, 1] to images of the same shape.
        magnitudes: One per level; the first is the identity and is never computed.
        name: Its name in tables; by default that of the transform's class.
        unit: Unit of the magnitudes.
        words: What pages call it.

    Raises:
        InputError: The transform cannot be made or used, draws what is not repeated by its seed, or
            changes the shape of images.

    Example:
        >>> from torchvision.transforms import v2
        >>> turn = transformation_from(
        ...     lambda angle: v2.RandomRotation((angle, angle)), (0, 5, 15), name="turn", unit="°")
        >>> turn.describe(2), turn.family.motion
        ('15°', 'turns by 15° counter-clockwise about the centre')
    """
    values = tuple(float(value) for value in magnitudes)
    if len(values) < 2:
        raise InputError(
            f"transformation_from: magnitudes {values} are no levels: give the identity and at "
            "least one more, such as (0, 5, 15)"
        )
    of = _Made(make, name)
    acts = {value: of(value) for value in values[1:]}
    name = name or of.name
    strongest = acts[values[-1]]
    _check(name, strongest)
    operation = f"{name}#{_digest([acts[value].text for value in values[1:]])}"
    family = Family(
        name, "appearance", unit, values[0], operation,
        drawn=lambda images, magnitude, seeds, ids: acts[magnitude](images, seeds),
        words=words, motion=seen_motion(strongest),
    )  # fmt: skip
    return of_magnitudes(family, values)


class _Made:
    """The transforms of magnitudes, made by a function or given."""

    def __init__(self, make: Any, name: str):
        self._make, self.name = make, name
        self._given = _is_transform(make)

    def __call__(self, magnitude: float) -> "_Act":
        transform = self._make if self._given else self._made(magnitude)
        if not _is_transform(transform) and not callable(transform):
            raise InputError(
                f"transformation_from: {transform!r} is no transform: give one of torchvision v2, "
                "kornia or albumentations, or a function from a magnitude to one"
            )
        self.name = self.name or type(transform).__name__
        return _Act(transform)

    def _made(self, magnitude: float) -> Any:
        if not callable(self._make):
            raise InputError(
                f"transformation_from: {self._make!r} is neither a transform nor a function that "
                "makes one from a magnitude"
            )
        try:
            with warnings.catch_warnings():
                # albumentations takes an unknown argument with a warning, and its own default
                warnings.simplefilter("error", UserWarning)
                return self._make(magnitude)
        except Exception as problem:  # whatever the library raises
            line = " ".join(str(problem).split())
            raise InputError(
                f"transformation_from: no transform of magnitude {magnitude:g} can be made "
                f"({type(problem).__name__}: {line})"
            ) from problem


class _Act:
    """A transform that acts on images by their seeds."""

    def __init__(self, transform: Any):
        self._one = _with_albumentations if _is_albumentations(transform) else _with_tensors
        self._transform = transform
        self.text = _text(transform)
        self._draws: bool | None = None

    def __call__(self, images: Tensor, seeds: Sequence[int]) -> Tensor:
        """Transforms each image [N, C, H, W] with the generators set to its seed."""
        if len(images) == 0:
            return images
        first = self._seeded(images[:1], seeds[0])
        if not self._draws and self._one is _with_tensors:
            with watched_generators(images.device, seeds[0]):
                return self._one(self._transform, images)
        rest = [
            self._seeded(image[None], seed)
            for image, seed in zip(images[1:], seeds[1:], strict=True)
        ]
        return torch.cat([first, *rest])

    def _seeded(self, image: Tensor, seed: int) -> Tensor:
        with watched_generators(image.device, seed, _WATCHED) as drawn:
            try:
                result = self._one(self._transform, image, seed)
            except InputError:
                raise
            except Exception as problem:  # whatever the library raises
                line = " ".join(str(problem).split())
                raise InputError(
                    f"{type(self._transform).__name__} cannot be applied to images "
                    f"{tuple(image.shape)} in [0, 1] ({type(problem).__name__}: {line}): give one "
                    "that takes such images"
                ) from problem
            self._draws = bool(self._draws) or bool(drawn())
        return result


def _with_tensors(transform: Any, images: Tensor, seed: int = 0) -> Tensor:
    """Shows images as a batch; in 8 bits to a transform that takes nothing else."""
    try:
        result = transform(images)
    except Exception:  # of a kind of its own for each transform
        result = transform(images.mul(255).round().to(torch.uint8))
    if not isinstance(result, Tensor) or result.shape != images.shape:
        shown = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise _other_shape(transform, shown, tuple(images.shape))
    values = result / 255 if result.dtype == torch.uint8 else result
    return values.to(images.dtype).clamp(0, 1)


def _with_albumentations(transform: Any, image: Tensor, seed: int = 0) -> Tensor:
    """Shows an image [1, C, H, W] as an array; in 8 bits likewise."""
    transform.set_random_seed(seed % (1 << 32))
    pixels = np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().numpy())
    try:
        result = transform(image=pixels)["image"]
    except Exception:
        transform.set_random_seed(seed % (1 << 32))
        result = transform(image=np.round(255 * pixels).astype(np.uint8))["image"]
    if result.shape != pixels.shape:
        raise _other_shape(transform, result.shape, pixels.shape)
    values = result / 255 if result.dtype == np.uint8 else result
    changed = torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None]
    return changed.to(image).clamp(0, 1)


def _other_shape(transform: Any, made: Any, given: tuple[int, ...]) -> InputError:
    return InputError(
        f"{type(transform).__name__} makes {made} of images {given}: a transformation keeps their "
        "shape"
    )


def _text(transform: Any) -> str:
    """What a transform is, for the identity of a run: its parameters, or a function's code."""
    code = getattr(transform, "__code__", None)
    if code is None:
        return re.sub(r" at 0x[0-9a-f]+", "", repr(transform))
    return f"{transform.__module__}.{transform.__qualname__} {code.co_code!r} {code.co_consts!r}"


def _digest(texts: Sequence[str]) -> str:
    """Tells transforms of one name and magnitude apart."""
    return hashlib.blake2b("|".join(texts).encode(), digest_size=4).hexdigest()


def _is_albumentations(transform: Any) -> bool:
    return any(cls.__module__.startswith("albumentations.") for cls in type(transform).__mro__)


def _is_transform(thing: Any) -> bool:
    return isinstance(thing, torch.nn.Module) or _is_albumentations(thing)


def _check(name: str, act: _Act) -> None:
    """Raises an `InputError` unless images come out alike, whatever else has been drawn."""
    problems: list[InputError] = []
    for side in _SIDES:  # a transform may be made for one of them
        try:
            _check_repeats(name, act, side)
            return
        except InputError as problem:
            problems.append(problem)
    raise problems[0]


def _check_repeats(name: str, act: _Act, side: int) -> None:
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    seeds = [1, 2, 3]
    first, again, alone = act(images, seeds), act(images, seeds), act(images[1:2], seeds[1:2])
    if not torch.equal(first, again) or not torch.equal(first[1:2], alone):
        raise InputError(
            f"{name} gives other images when it is repeated with its seed: it draws from a "
            "generator of its own; give a transform that draws from those of torch, NumPy or Python"
        )
