"""Augmentations by the names of the papers, and compositions of them.

| name | paper |
|---|---|
| none, FixedSizeCenterCrop, FixedSizeRandomCrop, RandomSizeCenterCrop, RandomResizedCrop | 000 §2 |
| T.(30%), T.(30%) + RandomSizeCenterCrop (any share) | 000 §2.1 |
| RandomSizeCenterCrop w/o a.r. (also RandomResizedCrop, and after T.(30%)) | 000 Table 1(a) |
| Beta(1, 0.5) (any α) | 000 §2.2 |
| per-class(FOLDER), per-class(FOLDER, softmax): a folder that `factors` wrote | 000 §4.2 |
| random crop (pad 4), horizontal flip, CutMix, RandAugment(2, 9) | 002 §4.4 |
| rotation, rotation(C8) | 002 §4.3, 003 §4.1 |
| whole image | |

A `` + `` means "and then": "random crop + horizontal flip". Names that change the square which the
network sees ("horizontal flip") act on the whole image where there is no crop; in front of a crop
they act on the image as it comes. T.(p) after a crop moves the square.

Two ways of looking at a test image follow: models of paper 000 are tested on FixedSizeCenterCrop,
the others on the whole image; `evaluation_resize` says which.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.search import Factors
from invariscope.training.augmentations.augmentation import Augmentation, Composition
from invariscope.training.augmentations.boxes import RATIO, AreaLaw
from invariscope.training.augmentations.crops import FixedSizeCrop, RandomSizeCrop, enlarged
from invariscope.training.augmentations.cutmix import CutMix
from invariscope.training.augmentations.per_class import PerClassPolicy, class_policies
from invariscope.training.augmentations.places import HorizontalFlip, Rotation, Translation
from invariscope.training.augmentations.randaugment import RandAugment

#: One way of writing each name.
NAMES = (
    "none",
    "FixedSizeCenterCrop",
    "FixedSizeRandomCrop",
    "RandomSizeCenterCrop",
    "RandomSizeCenterCrop w/o a.r.",
    "RandomResizedCrop",
    "RandomResizedCrop w/o a.r.",
    "T.(30%)",
    "T.(30%) + RandomSizeCenterCrop",
    "T.(30%) + RandomSizeCenterCrop w/o a.r.",
    "Beta(1, 0.5)",
    "random crop",
    "random crop (pad 4)",
    "horizontal flip",
    "CutMix",
    "RandAugment",
    "RandAugment(2, 9)",
    "rotation",
    "rotation(C8)",
    "per-class(FOLDER)",
    "whole image",
)
_NUMBER = r"(\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class _Part:
    """One part of a name, understood.

    Args:
        kind: "crop" and "box" give the square, and a box can be of a moved image; "shift" is T.(p);
            "change" keeps the size; "mixing" needs a batch.
        make: The augmentation, from the side of the output and how far the image is moved before.
        share: Of T.(p).
    """

    kind: str
    make: Callable[[int, float], Augmentation]
    share: float = 0.0


def augmentation(name: str, size: int, *, class_names: Sequence[str] | None = None) -> Augmentation:
    """Makes the augmentation of a name.

    Args:
        name: One of the table above, or several joined by " + ".
        size: Side of the square that the network sees.
        class_names: The name of each label, for policies per class; by default the order in which
            the search has them.

    Returns:
        It takes images of any size and gives squares. What acts on whole batches (`mixing`) is not
        in it.

    Raises:
        InputError: The name, or a part of it, is unknown; the nearest names are listed.

    Example:
        >>> import torch
        >>> both = augmentation("random crop + horizontal flip", 32)
        >>> both(torch.zeros(8, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([8, 3, 32, 32])
        >>> augmentation("T.(30%) + RandomSizeCenterCrop w/o a.r.", 28)
        RandomSizeCrop(28, area=AreaLaw(low=0.08, high=1.0, alpha=1.0), ratio=(1.0, 1.0),
        centred=True, translate=0.3)
    """
    if size < 1:
        raise InputError(f"augmentation {name!r}: size is {size}, a positive side works")
    parts = [part for part in _parts(name, class_names) if part.kind != "mixing"]
    steps: list[Augmentation] = []
    framed, moved = False, 0.0
    for number, part in enumerate(parts):
        following = parts[number + 1].kind if number + 1 < len(parts) else ""
        if part.kind == "shift" and following == "box":
            moved = part.share
        elif part.kind == "shift" and framed:
            steps.append(Translation(part.share))
        else:
            steps.append(part.make(size, moved))
            framed, moved = framed or part.kind != "change", 0.0
    if not framed:
        steps.insert(0, FixedSizeCrop(size, resize=size))
    return steps[0] if len(steps) == 1 else Composition(steps)


def mixing(name: str) -> CutMix | None:
    """Returns the part of a name that acts on a batch with its labels.

    Example:
        >>> mixing("random crop + CutMix"), mixing("random crop")
        (CutMix(alpha=1.0), None)
    """
    return CutMix() if any(part.kind == "mixing" for part in _parts(name, None)) else None


def evaluation_resize(name: str, size: int) -> int:
    """Returns the short side of a test image before its crop, for models trained with that name.

    Example:
        >>> evaluation_resize("T.(30%)", 224), evaluation_resize("random crop", 32)
        (256, 32)
    """
    return enlarged(size) if any(_zooms(term) for term in _terms(name)) else size


def _terms(name: str) -> list[str]:
    return [term.strip() for term in name.split(" + ")]


def _zooms(term: str) -> bool:
    """Says whether paper 000 has it, so that test images are enlarged before their crop."""
    known = r"none|(Fixed|Random)Size(Center|Random)Crop.*|RandomResizedCrop.*|T\..*|Beta.*"
    return re.fullmatch(known, term) is not None


def _parts(name: str, class_names: Sequence[str] | None) -> list[_Part]:
    return [_part(term, class_names) for term in _terms(name)]


def _part(term: str, class_names: Sequence[str] | None) -> _Part:
    for pattern, make in _PATTERNS.items():
        match = re.fullmatch(pattern, term)
        if match:
            return make(*match.groups())
    match = re.fullmatch(r"per-class\((.+?)(?:, *(\w+))?\)", term)
    if match:
        policy = _per_class(match[1], match[2] or "uniform", class_names)
        return _Part("change", lambda size, moved: policy)
    raise unknown_name("augmentation", term, NAMES)


def _per_class(folder: str, weighing: str, class_names: Sequence[str] | None) -> PerClassPolicy:
    factors = Factors.load(folder)
    return PerClassPolicy(class_policies(factors.frame, weighing), class_names or factors.classes)


def _fixed(**how: Any) -> _Part:
    return _Part("crop", lambda size, moved: FixedSizeCrop(size, **how))


def _box(square: str | None, centred: bool, alpha: float = 1.0) -> _Part:
    law, ratio = AreaLaw(alpha=alpha), (1.0, 1.0) if square else RATIO
    return _Part(
        "box",
        lambda size, moved: RandomSizeCrop(
            size, area=law, ratio=ratio, centred=centred, translate=moved
        ),
    )


def _shift(percent: str) -> _Part:
    share = float(percent) / 100
    return _Part("shift", lambda size, moved: FixedSizeCrop(size, translate=share), share)


def _padded(pad: str | None) -> _Part:
    padding = int(pad or 4)
    return _Part(
        "crop", lambda size, moved: FixedSizeCrop(size, resize=size, random=True, padding=padding)
    )


def _change(make: Callable[..., Augmentation]) -> Callable[..., _Part]:
    """Numbers in brackets become arguments; those left out keep their defaults."""

    def part(*numbers: str | None) -> _Part:
        values = [int(number) for number in numbers if number is not None]
        return _Part("change", lambda size, moved: make(*values))

    return part


def _whole(kind: str) -> _Part:
    return _Part(kind, lambda size, moved: FixedSizeCrop(size, resize=size))


_SQUARE = r"( w/o a\.r\.)?"
_PATTERNS: dict[str, Callable[..., _Part]] = {
    "none|FixedSizeCenterCrop": _fixed,
    "FixedSizeRandomCrop": lambda: _fixed(random=True),
    "RandomSizeCenterCrop" + _SQUARE: lambda square: _box(square, centred=True),
    "RandomResizedCrop" + _SQUARE: lambda square: _box(square, centred=False),
    rf"T\.\({_NUMBER} ?%\)": _shift,
    rf"Beta\(1, ?{_NUMBER}\)" + _SQUARE: lambda alpha, square: _box(square, False, float(alpha)),
    r"random crop(?: \(pad (\d+)\))?": _padded,
    "horizontal flip": _change(HorizontalFlip),
    r"RandAugment(?:\((\d+), ?(\d+)\))?": _change(RandAugment),
    r"rotation(?:\(C(\d+)\))?": _change(Rotation),
    "CutMix": lambda: _whole("mixing"),
    "whole image": lambda: _whole("crop"),
}
