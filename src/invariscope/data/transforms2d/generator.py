"""Makes Transforms-2D in batches: sample i is a function of (seed, split, i) alone.

Sample i shows the object of class i mod (number of classes), so classes are balanced; its
background and the parameters of each transformation are hashes of (seed, split, i). Nothing else
enters: not the batch, the workers, the order of access, nor the number of samples. A sample is the
object's sprite after its transformations in their order, over its background, rounded to 8 bits;
devices may differ by that rounding.

Twins are the same samples with one thing drawn anew: the transformation (same object, same
background), the background (same transformation) or the object.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor

from invariscope.data.transforms2d import colours, fields
from invariscope.data.transforms2d.laws import TRANSFORMS2D
from invariscope.data.transforms2d.numbers import device_draws
from invariscope.data.transforms2d.prototypes import Prototypes
from invariscope.data.transforms2d.scenes import Scenes
from invariscope.data.transforms2d.sprites import (
    Sprites,
    gaussian_blur,
    rotation,
    scaling,
    shearing,
)
from invariscope.errors import InputError
from invariscope.registry import unknown_name

CHUNKS = {"cpu": 256}
_CHUNK_ON_A_DEVICE = 8192
_FEW = 8
_BLURRED_TAPS = 3 / 32
TWINS = ("transformation", "background", "object")
Indices = Sequence[int] | Tensor


@dataclass(frozen=True)
class Transforms2D:
    """A data set of Transforms-2D.

    Args:
        prototypes: The objects, one per class.
        scenes: The backgrounds, of the same size.
        transformations: Categories in the order in which they are applied; or several such lists,
            which go to equal shares of the classes, in their order.
        seed: Of everything that is drawn.
        split: ``train``, ``val`` or ``test``, or any other word: samples of two splits share
            nothing but objects and backgrounds.
        twins: Which twin of ``transformation``, ``background`` and ``object``; 0 is the original.

    Raises:
        InputError: Sizes differ, a transformation is unknown, or there are more lists than classes.

    Example:
        >>> from invariscope.data.transforms2d import prototypes, scenes
        >>> objects = prototypes("shapes", classes=3)
        >>> data = Transforms2D(objects, scenes("drawn"), ("rotation", "scale"))
        >>> images, labels = data.images([4, 2])
        >>> images.shape, labels.tolist()
        (torch.Size([2, 3, 32, 32]), [1, 2])
        >>> bool((data.images([2])[0][0] == images[1]).all())
        True
    """

    prototypes: Prototypes
    scenes: Scenes
    transformations: Sequence[str] | Sequence[Sequence[str]]
    seed: int = 0
    split: str = "train"
    twins: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self):
        side, behind = self.prototypes.pictures.shape[-1], self.scenes.pixels.shape[-1]
        if side != behind:
            raise InputError(f"objects of a frame of {side} and backgrounds of {behind}: give one")
        for name in [name for names in self.lists for name in names]:
            if name not in TRANSFORMS2D:
                raise unknown_name("Transforms-2D transformation", name, TRANSFORMS2D)
        if len(self.lists) > len(self.prototypes):
            raise InputError(
                f"{len(self.lists)} lists of transformations for {len(self.prototypes)} classes; "
                "give each list a class at least"
            )
        for name in self.twins:
            if name not in TWINS:
                raise unknown_name("twin", name, TWINS)
        object.__setattr__(self, "_on", {})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on": {}}

    @property
    def size(self) -> int:
        """Side of the images."""
        return self.prototypes.pictures.shape[-1]

    @property
    def lists(self) -> list[tuple[str, ...]]:
        """The lists of transformations; one where all classes have the same."""
        given = list(self.transformations)
        if all(isinstance(own, str) for own in given):
            return [tuple(str(own) for own in given)]
        return [tuple(own) for own in given]

    def twin(self, **numbers: int) -> "Transforms2D":
        """Returns the same samples with something drawn anew.

        Args:
            numbers: ``transformation=1`` for another transformation, ``background=1``,
                ``object=1``; other numbers are other twins.

        Example:
            >>> from invariscope.data.transforms2d import prototypes, scenes
            >>> data = Transforms2D(prototypes("shapes"), scenes("black"), ("rotation",))
            >>> first, other = data.parameters([0]), data.twin(transformation=1).parameters([0])
            >>> bool(first["rotation"] == other["rotation"])
            False
        """
        return replace(self, twins={**self.twins, **numbers})

    def labels(self, indices: Indices) -> Int64[Tensor, " image"]:
        """Class of each sample."""
        return (_counters(indices) + self.twins.get("object", 0)) % len(self.prototypes)

    def backgrounds(self, indices: Indices) -> Int64[Tensor, " image"]:
        """Draws the background of each sample."""
        drawn = self._draws("background", "background", _counters(indices), 1)[:, 0]
        return torch.floor(drawn * len(self.scenes)).to(torch.int64)

    def parameters(self, indices: Indices) -> dict[str, Float64[Tensor, "image parameter"]]:
        """Draws the parameters of each category that occurs, as `TRANSFORMS2D` names it.

        A class that does not have the category has a row all the same: it is drawn, not used.
        """
        counters = _counters(indices)
        return {name: self._drawn(name, counters) for names in self.lists for name in names}

    def images(
        self, indices: Indices, device: str | torch.device = "cpu"
    ) -> tuple[Float[Tensor, "image 3 height width"], Int64[Tensor, " image"]]:
        """Samples in [0, 1] (multiples of 1/255) and their classes, on a device."""
        return self.pixels(indices, device).float().div_(255), self.labels(indices).to(device)

    def pixels(
        self, indices: Indices, device: str | torch.device = "cpu"
    ) -> UInt8[Tensor, "image 3 height width"]:
        """Samples as bytes, on a device."""
        target = torch.device(device)
        counters = _counters(indices).to(target)
        self._tensors(target)  # made once, before threads ask for them
        chunk = CHUNKS.get(target.type, _CHUNK_ON_A_DEVICE)
        threads = torch.get_num_threads()
        if target.type != "cpu" or threads == 1 or len(counters) <= _FEW:
            parts = [self._composed(part) for part in counters.split(chunk)]
        else:
            parts = self._composed_in_threads(counters.split(chunk), threads)
        return torch.cat(parts)

    def sprites(self, counters: Int64[Tensor, " image"]) -> Float[Tensor, "image 4 height width"]:
        """Transforms the objects of some samples, before they are pasted."""
        labels = self.labels(counters)
        pictures, outlines, _ = self._tensors(counters.device)
        lists = self.lists
        if len(lists) == 1:
            sprites = Sprites.of(pictures[labels], outlines[labels])
            return self._transformed(sprites, lists[0], counters)
        moved = pictures.new_empty((len(counters), 4, self.size, self.size))
        share = labels * len(lists) // len(self.prototypes)
        for number, names in enumerate(lists):
            chosen = torch.nonzero(share == number)[:, 0]
            if len(chosen):
                sprites = Sprites.of(pictures[labels[chosen]], outlines[labels[chosen]])
                moved[chosen] = self._transformed(sprites, names, counters[chosen])
        return moved

    def _composed_in_threads(self, chunks: Sequence[Tensor], threads: int) -> list[Tensor]:
        """Chunks side by side, each on one core.

        Threads within each of the many small operations would wait for one another: on a busy
        machine, longer than the operations take.
        """
        try:
            with ThreadPoolExecutor(
                min(threads, len(chunks)), initializer=torch.set_num_threads, initargs=(1,)
            ) as pool:
                return list(pool.map(self._composed, chunks))
        finally:
            torch.set_num_threads(threads)  # what new threads start with is one number for all

    def _composed(self, counters: Tensor) -> Tensor:
        _, _, scenes = self._tensors(counters.device)
        behind = scenes[self.backgrounds(counters)].float().div_(255)
        return paste(self.sprites(counters), behind)

    def _transformed(self, sprites: Sprites, names: Sequence[str], counters: Tensor) -> Tensor:
        for name in names:
            drawn = self._drawn(name, counters)
            if name in _MOTIONS:
                _MOTIONS[name](sprites, drawn)
            elif name in _CHANGES:
                sprites.pixels = _CHANGES[name](sprites.settle(), drawn.to(torch.float32))
            elif name in _COLOURS:
                sprites.pixels = colours.recolour(
                    sprites.settle(), _COLOURS[name], drawn.to(torch.float32)
                )
            else:
                sprites.pixels = self._disturbed(name, sprites.settle(), drawn[:, 0] > 0, counters)
        return sprites.settle()

    def _disturbed(self, name: str, pixels: Tensor, applied: Tensor, counters: Tensor) -> Tensor:
        """Applies a change that draws a number for every pixel, where that is applied."""
        change, channels = _FIELDS[name]
        chosen = torch.nonzero(applied)[:, 0]
        if not len(chosen):
            return pixels
        count = channels * self.size**2
        numbers = self._draws("transformation", f"{name} field", counters[chosen], count)
        field = numbers.view(-1, channels, self.size, self.size)
        return pixels.index_copy(0, chosen, change(pixels[chosen], field))

    def _drawn(self, name: str, counters: Tensor) -> Tensor:
        law = TRANSFORMS2D[name]
        return law.of(self._draws("transformation", name, counters, law.draws))

    def _draws(self, twin: str, what: str, counters: Tensor, count: int) -> Tensor:
        key = f"transforms2d {self.split} {what} {self.twins.get(twin, 0)}"
        return device_draws(self.seed, key, counters, count)

    def _tensors(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, outlines and backgrounds on a device."""
        kept: dict[str, tuple[Tensor, Tensor, Tensor]] = self.__dict__["_on"]
        if str(device) not in kept:
            arrays = (self.prototypes.pictures, self.prototypes.outlines, self.scenes.pixels)
            pictures, outlines, scenes = (torch.from_numpy(array).to(device) for array in arrays)
            kept[str(device)] = (pictures, outlines, scenes)
        return kept[str(device)]


def paste(
    pixels: Float[Tensor, "image 4 height width"], behind: Float[Tensor, "image 3 height width"]
) -> UInt8[Tensor, "image 3 height width"]:
    """Pastes sprites over pictures, as bytes.

    Example:
        >>> half = torch.tensor([0.5, 0.0, 0.0, 0.5]).view(1, 4, 1, 1)
        >>> paste(half, torch.ones(1, 3, 1, 1)).flatten().tolist()
        [255, 128, 128]
    """
    seen = pixels[:, :3] + (1 - pixels[:, 3:]) * behind
    return seen.clamp_(0, 1).mul_(255).round_().to(torch.uint8)


def _counters(indices: Indices) -> Int64[Tensor, " image"]:
    if isinstance(indices, Tensor):
        return indices.to(torch.int64)
    return torch.as_tensor(list(indices), dtype=torch.int64)


def _mirror(sprites: Sprites, applied: Tensor, horizontal: bool) -> None:
    flipped, still = 1 - 2 * applied, torch.ones_like(applied)
    sprites.turn(scaling(flipped, still) if horizontal else scaling(still, flipped))


def _blurred(pixels: Tensor, drawn: Tensor) -> Tensor:
    side = pixels.shape[-1]
    sigma = drawn[:, 0] * (side / 32)
    return gaussian_blur(pixels, sigma, max(1, round(_BLURRED_TAPS * side)))


_MOTIONS: dict[str, Callable[[Sprites, Tensor], None]] = {
    "translation": lambda sprites, drawn: sprites.place(drawn),
    "rotation": lambda sprites, drawn: sprites.turn(rotation(drawn[:, 0])),
    "scale": lambda sprites, drawn: sprites.turn(scaling(drawn[:, 0], drawn[:, 0])),
    "horizontal_flip": lambda sprites, drawn: _mirror(sprites, drawn[:, 0], True),
    "vertical_flip": lambda sprites, drawn: _mirror(sprites, drawn[:, 0], False),
    "shear": lambda sprites, drawn: sprites.turn(shearing(drawn[:, 0], drawn[:, 1])),
}
_CHANGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "blur": _blurred,
    "sharpening": lambda pixels, drawn: colours.sharpening(pixels, drawn[:, 0]),
    "pixelate": lambda pixels, drawn: fields.pixelate(pixels, drawn[:, 0]),
    "erase": fields.erase,
}
_COLOURS = {
    "color_jitter": colours.color_jitter,
    "hue": colours.hue,
    "brightness": colours.brightness,
    "contrast": colours.contrast,
    "grayscale": colours.grayscale,
    "posterize": colours.posterize,
    "invert": colours.invert,
}
_FIELDS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "noise": (fields.noise, fields.NOISE_CHANNELS),
    "elastic": (fields.elastic, fields.ELASTIC_CHANNELS),
}
