"""Pastes objects on the images of another data set, X = C + O: paper 004 (§3.2, §4.1, App. A.1).

``pasted:SOURCE?split=train&alpha=0.5&beta=1&label=class``. C are the images of SOURCE, in the paper
CIFAR-10 (``torchvision:CIFAR10`` with its ``root``); stand-ins that need no download are
``fashion-mnist``, each image in two colours of its own, and ``transforms2d:stamps``. O are as many
objects of Transforms-2D as SOURCE has classes. Options that are not listed go to SOURCE.

==================  ================================================================================
``alpha=0``         relevance: the share of the images whose object is the one of their class (class
                    k has object k, really one to one); all others get any object, all equally
                    likely. At 0 object and class are independent, at 1 one tells the other
``beta=1``          availability: the share of the images that have an object at all
``label=class``     Y = C, or ``object``: Y = O; images without an object are then left out
``input=both``      X = C + O, or ``class``: X = C, or ``object``: X = O on black
``objects=shapes``  where the objects come from; ``first_object=0``
``place=corner``    upper right, as the paper; or ``anywhere`` inside the frame
``colours``         ``own``, or ``drawn``: grey images in two colours of their own, one dark, one
                    light (fashion-mnist, rotated-mnist and mnist6, unless said otherwise)
``size=32``         smaller images are framed with black, larger ones are reduced
``twin``            ``object``: the same pictures with objects drawn anew; ``picture``: the same
                    objects on pictures drawn anew. Ids and labels stay those of the original
``seed=0``          of everything that is drawn
==================  ================================================================================

Each image's object, whether it is the class's own, and whether it is there at all are hashes of
(seed, split, index). An object has 0.55 of its size in Transforms-2D; in the corner its box has its
upper left corner at (21, 2) of 32, further left where the frame ends (published code). That code's
α = 1 pastes 6.5 of 10 objects on average, not ten, because of a wrong index; this one does not.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64
from PIL import Image

from invariscope.data.mnist_base import whole_number
from invariscope.data.opening import open_source
from invariscope.data.source import SOURCES, ImageSource, escaped, split_spec
from invariscope.data.transforms2d.prototypes import Prototypes, prototype_source, prototypes
from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.seeding import draws

if TYPE_CHECKING:
    import torch

LABELS, INPUTS = ("class", "object"), ("both", "class", "object")
PLACES, COLOURS = ("corner", "anywhere"), ("own", "drawn")
TWINS = ("object", "picture")
NONE = -1
_GREY_SOURCES = ("fashion-mnist", "rotated-mnist", "mnist6")
_WHAT = "pasted"


def choose_objects(
    labels: Int64[np.ndarray, " image"],
    count: int,
    *,
    alpha: float,
    beta: float,
    seed: int = 0,
    split: str = "train",
) -> Int64[np.ndarray, " image"]:
    """Chooses the object that each image gets.

    Args:
        labels: Class of each image; class k's own object is object k.
        count: How many objects there are.
        alpha: Share of the images that get their class's own.
        beta: Share of the images that get one at all.
        seed: Of what is drawn.
        split: Images of another split draw other numbers.

    Returns:
        0 … count − 1, or `NONE`.

    Example:
        >>> labels = np.arange(6) % 3
        >>> choose_objects(labels, 3, alpha=1, beta=1).tolist()
        [0, 1, 2, 0, 1, 2]
    """
    drawn = draws(seed, f"pasted {split}", np.arange(len(labels)), 3)
    any_of_them = np.floor(drawn[:, 1] * count).astype(np.int64)
    chosen = np.where(drawn[:, 0] < alpha, labels, any_of_them)
    return np.where(drawn[:, 2] < beta, chosen, NONE)


class PastedSource(ImageSource):
    """Images of a source with an object each.

    Args:
        base: C, with labels.
        objects: O, one for each class of C.
        chosen: Which object each image has, or `NONE`.
        split: For what is drawn.
        seed: For what is drawn.
        label: ``class`` or ``object``.
        shown: ``both``, ``class`` or ``object``.
        place: ``corner`` or ``anywhere``.
        coloured: Whether grey images get two colours.
        twin: What is drawn anew: ``object``, ``picture`` or None.

    Attributes:
        chosen: Which object each image of this source has, or `NONE`.
        pictures: Which image of the base it shows.
    """

    def __init__(
        self,
        base: ImageSource,
        objects: Prototypes,
        chosen: Int64[np.ndarray, " image"],
        *,
        split: str,
        seed: int = 0,
        label: str = "class",
        shown: str = "both",
        place: str = "corner",
        coloured: bool = False,
        twin: str | None = None,
    ):
        assert base.labels is not None
        self.name = _WHAT
        self._base, self._objects = base, objects
        self.concurrent = base.concurrent
        self._split, self._seed = split, seed
        self._shown, self._place, self._coloured = shown, place, coloured
        self._positions = np.arange(len(chosen))
        if label == "object":
            self._positions = np.flatnonzero(chosen != NONE)
        self.chosen = chosen[self._positions]
        of_class = np.asarray(base.labels, dtype=np.int64)[self._positions]
        self.labels = (of_class if label == "class" else self.chosen).tolist()
        self.class_names = base.class_names if label == "class" else objects.names
        self.ids = [base.ids[position] for position in self._positions.tolist()]
        self.pictures = self._positions
        if twin == "picture":
            self.pictures = self._anew(twin, len(chosen))
        elif twin == "object":
            self.chosen = np.where(self.chosen == NONE, NONE, self._anew(twin, len(objects)))

    def load(self, index: int) -> Image.Image:
        """Makes one image; the same pixels as in any batch."""
        pixels = self.pixels([index])[0]
        return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())

    def pixels(
        self, indices: Sequence[int], device: "str | torch.device" = "cpu"
    ) -> "torch.Tensor":
        """Makes images as bytes [image, 3, height, width], pasted on a device."""
        from invariscope.data.transforms2d import pasting

        wanted, behind = np.asarray(list(indices), dtype=np.int64), None
        if self._shown != "object":
            pictures, side = self.pictures[wanted], self._objects.pictures.shape[-1]
            colours = self._colours(pictures) if self._coloured else None
            behind = pasting.framed(self._base, pictures.tolist(), side, colours)
        chosen, positions = self.chosen[wanted], self._positions[wanted]
        if self._shown == "class":
            chosen = np.full_like(chosen, NONE)
        room = self._drawn("place", positions, 2) if self._place == "anywhere" else None
        return pasting.pasted(self._objects, chosen, behind, room, device)

    def _colours(self, pictures: np.ndarray) -> np.ndarray:
        """The colours of black and of white in each picture, [image, 2, 3] in [0, 1]."""
        drawn = self._drawn("colours", pictures, 7)
        dark, light = 0.45 * drawn[:, :3], 1 - 0.45 * drawn[:, 3:6]
        swapped = (drawn[:, 6] < 0.5)[:, None]
        black, white = np.where(swapped, light, dark), np.where(swapped, dark, light)
        return np.stack([black, white], 1)

    def _anew(self, twin: str, count: int) -> np.ndarray:
        """One of so many for each image of this source."""
        drawn = self._drawn(f"twin {twin}", self._positions, 1)[:, 0]
        return np.floor(drawn * count).astype(np.int64)

    def _drawn(self, what: str, positions: np.ndarray, count: int) -> np.ndarray:
        return draws(self._seed, f"pasted {self._split} {what}", positions, count)


@SOURCES.register(_WHAT)
def pasted(
    argument: str | None = None,
    *,
    split: str = "test",
    alpha: str = "0",
    beta: str = "1",
    label: str = "class",
    input: str = "both",
    objects: str = "shapes",
    first_object: str = "0",
    place: str = "corner",
    colours: str | None = None,
    size: str = "32",
    twin: str | None = None,
    seed: str = "0",
    **query: str,
) -> PastedSource:
    """Another data set with objects pasted on: pasted:fashion-mnist?alpha=0.5&beta=0.8.

    Raises:
        InputError: A value that cannot be, or a source that cannot be opened.

    Example:
        >>> spec = "pasted:transforms2d:shapes?classes=3&num=6&first_object=10&alpha=1"
        >>> source = open_source(spec)
        >>> source.labels, source.chosen.tolist(), source.load(0).size
        ([0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2], (32, 32))
        >>> open_source("pasted:transforms2d:shapes?alpha=2")
        Traceback (most recent call last):
        invariscope.errors.InputError: pasted: alpha='2'; a number from 0 to 1 works
    """
    if not argument:
        raise InputError("pasted: on what? Write pasted:fashion-mnist or so")
    for key, value, known in (
        ("label", label, LABELS),
        ("input", input, INPUTS),
        ("place", place, PLACES),
        ("colours", colours or COLOURS[0], COLOURS),
        ("twin", twin or TWINS[0], TWINS),
    ):
        if value not in known:
            raise unknown_name(f"{key} of {_WHAT}", value, known)
    if label == "object" and input == "class":
        raise InputError("pasted: label=object with input=class: the objects are not shown")
    relevance, availability = _share("alpha", alpha), _share("beta", beta)
    side, number = whole_number(_WHAT, "size", size, 8), whole_number(_WHAT, "seed", seed)
    base = open_source(_base_spec(argument, split, query, side))
    if base.labels is None or base.class_names is None or min(base.labels) < 0:
        raise InputError(f"pasted:{argument}: its images have no labels that are known beforehand")
    count = len(base.class_names)
    chosen = choose_objects(
        np.asarray(base.labels, dtype=np.int64),
        count,
        alpha=relevance,
        beta=availability,
        seed=number,
        split=split,
    )
    if label == "object" and not (chosen != NONE).any():
        raise InputError(f"pasted: beta={beta}: no image has an object; give beta above 0")
    first = whole_number(_WHAT, "first_object", first_object)
    source = PastedSource(
        base,
        prototypes(objects, size=side, first=first, classes=count),
        chosen,
        split=split,
        seed=number,
        label=label,
        shown=input,
        place=place,
        coloured=(colours or ("drawn" if argument.partition(":")[0] in _GREY_SOURCES else "own"))
        == "drawn",
        twin=twin,
    )
    source.notes = [
        *base.notes,
        f"pasted: {count} objects of {objects}, α = {relevance:g}, β = {availability:g}, "
        f"{place}; X: {input}, Y: {label}",
        prototype_source(objects).credit,
    ]
    return source


def _share(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise InputError(f"{_WHAT}: {key}={text!r}; a number from 0 to 1 works")
    return value


def _base_spec(argument: str, split: str, query: dict[str, str], side: int) -> str:
    """The spec of SOURCE in this split, with its own options."""
    name, rest, _ = split_spec(argument)
    if name not in SOURCES:
        raise unknown_name(f"source of {_WHAT}", name, SOURCES)
    factory: Callable[..., Any] = SOURCES.get(name)
    if name == "torchvision":
        from torchvision import datasets

        factory = getattr(datasets, rest or "", factory)
    known = inspect.signature(factory).parameters
    if split not in ("train", "test", "val"):
        raise unknown_name(f"{_WHAT} split", split, ("train", "test", "val"))
    own = dict(query)
    if "train" in known:
        own["train"] = "1" if split == "train" else "0"
    elif "split" in known:
        own["split"] = split
    else:
        raise InputError(
            f"pasted:{argument}: it has no parts to train and to test on; fashion-mnist, "
            "torchvision:CIFAR10, transforms2d:stamps work"
        )
    if "size" in known and name == "transforms2d":
        own["size"] = str(side)
    options = "&".join(f"{key}={escaped(value)}" for key, value in own.items())
    return f"{argument}?{options}"
