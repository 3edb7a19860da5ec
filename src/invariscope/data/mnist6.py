"""Makes MNIST6 of paper 002 (§4.3): digits that no rotation maps to one another, or turned ones.

========================  ==========================================================================
``mnist6:plain``          the digits 2, 3, 4, 5, 7 and 9 (without 0, 1, 6, 8), six classes
``mnist6:rot-inv``        each turned by 0°, 90°, 180° or 270°; the classes are the digits
``mnist6:rot-eq``         the same pictures; the 24 classes are digit and turn
========================  ==========================================================================

``?split=train|test&of=mnist5k&seed=0``; what ``of`` can be and how images without parts are split
is said in `mnist_base`. How far an image turns is a function of the seed and of its id alone. Turns
are exact (pixels are moved, not interpolated) and counter-clockwise.
"""

import numpy as np
from PIL import Image

from invariscope.data.mnist_base import digit_images, whole_number
from invariscope.data.rgb import to_rgb
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.seeding import uniform

DIGITS = (2, 3, 4, 5, 7, 9)
TASKS = ("plain", "rot-inv", "rot-eq")
_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


class Mnist6Source(ImageSource):
    """One of the three tasks.

    Args:
        task: One of `TASKS`.
        split: ``train`` or ``test``.
        of: Where the digits come from.
        seed: Of the turns.

    Raises:
        InputError: An unknown task, part or source.

    Example:
        >>> source = Mnist6Source("rot-eq", "test", of="digits")
        >>> len(source.class_names), source.class_names[:2], source.load(0).size
        (24, ['2 at 0°', '2 at 90°'], (28, 28))
    """

    def __init__(self, task: str, split: str, of: str = "mnist5k", seed: int = 0):
        if task not in TASKS:
            raise unknown_name("task of mnist6", task, TASKS)
        self.name = f"mnist6:{task}"
        self._base = digit_images(of, split, DIGITS, "mnist6")
        self.ids = self._base.ids
        self.concurrent = self._base.source.concurrent
        plain = np.searchsorted(DIGITS, self._base.digits)
        turns = np.zeros(len(self.ids), dtype=int)
        if task != "plain":
            turns = np.floor(4 * uniform(seed, "mnist6 turn", self.ids)).astype(int)
        self.turns = turns.tolist()
        if task == "rot-eq":
            self.labels = (4 * plain + turns).tolist()
            self.class_names = [f"{digit} at {90 * k}°" for digit in DIGITS for k in range(4)]
        else:
            self.labels = plain.tolist()
            self.class_names = [str(digit) for digit in DIGITS]
        self.notes = [
            *self._base.source.notes,
            f"{self.name}: {split} part, digits {', '.join(map(str, DIGITS))}"
            + ("" if task == "plain" else ", each turned by a multiple of 90°"),
        ]

    def load(self, index: int) -> Image.Image:
        """Returns the digit, turned as the task says."""
        image = self._base.source.load(self._base.positions[index])
        assert isinstance(image, Image.Image)
        turn = _TURNS[self.turns[index]]
        return image if turn is None else to_rgb(image.transpose(turn))


@SOURCES.register("mnist6")
def mnist6(
    argument: str | None = None, *, split: str = "test", of: str = "mnist5k", seed: str = "0"
) -> Mnist6Source:
    """Six digits, upright or turned: mnist6:plain, mnist6:rot-inv, mnist6:rot-eq.

    Raises:
        InputError: An unknown task, part or source.

    Example:
        >>> mnist6("rot")
        Traceback (most recent call last):
        invariscope.errors.InputError: unknown task of mnist6 'rot': did you mean rot-eq, ...
    """
    if argument is None:
        raise InputError(f"mnist6: which task? mnist6:{', mnist6:'.join(TASKS)} work")
    return Mnist6Source(argument, split, of, whole_number("mnist6", "seed", seed))
