"""Rotates digits of the classes 0 to 8 at random, as paper 003 (§4) does: ``rotated-mnist``.

``?split=train|test&of=mnist5k&size=29&seed=0&digits=0,1,2``. The angle is uniform in [0°, 360°) and
a function of the seed and of the image's id alone. A digit is padded with black to ``size`` (odd by
default: then every quarter turn of the picture has a pixel at its centre), enlarged three times,
rotated about its centre and reduced again, all bilinearly, so that little is lost; positive angles
are counter-clockwise. Nine is left out, which a rotation makes a six. What ``of`` can be is said in
`mnist_base`. ``rotate=no`` keeps the digits upright, for what rotates them later.
"""

from collections.abc import Sequence

from PIL import Image

from invariscope.data.mnist_base import digit_images, whole_number
from invariscope.data.rgb import to_rgb
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError
from invariscope.seeding import uniform

DIGITS = tuple(range(9))
_FINER = 3


class RotatedMnistSource(ImageSource):
    """Digits, each rotated by an angle of its own.

    Args:
        split: ``train`` or ``test``.
        of: Where the digits come from.
        size: Side of the images; digits are padded or cut at the centre.
        seed: Of the angles.
        digits: Which digits; the class is the digit's place in this list.
        rotated: Whether they are rotated.

    Raises:
        InputError: An unknown part or source.

    Example:
        >>> source = RotatedMnistSource("test", of="digits")
        >>> len(source.class_names), source.load(0).size, 0 <= min(source.angles) < 360
        (9, (29, 29), True)
    """

    def __init__(
        self,
        split: str,
        of: str = "mnist5k",
        size: int = 29,
        seed: int = 0,
        digits: Sequence[int] = DIGITS,
        rotated: bool = True,
    ):
        self.name = "rotated-mnist"
        self._base = digit_images(of, split, digits, "rotated-mnist")
        self._size = size
        self.ids = self._base.ids
        self.concurrent = self._base.source.concurrent
        self.labels = [list(digits).index(digit) for digit in self._base.digits]
        self.class_names = [str(digit) for digit in digits]
        drawn = 360 * uniform(seed, "rotated-mnist", self.ids)
        self.angles = drawn.tolist() if rotated else [0.0] * len(self.ids)
        how = "rotated by any angle" if rotated else "upright"
        self.notes = [*self._base.source.notes, f"rotated-mnist: {split} part, {how}"]

    def load(self, index: int) -> Image.Image:
        """Returns the digit at its angle."""
        image = self._base.source.load(self._base.positions[index])
        assert isinstance(image, Image.Image)
        side, angle = self._size, self.angles[index]
        framed = Image.new("RGB", (side, side))
        framed.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        if angle == 0:
            return framed
        bilinear = Image.Resampling.BILINEAR
        large = framed.resize((_FINER * side, _FINER * side), bilinear)
        return to_rgb(large.rotate(angle, bilinear).resize((side, side), bilinear))


@SOURCES.register("rotated-mnist")
def rotated_mnist(
    argument: str | None = None,
    *,
    split: str = "test",
    of: str = "mnist5k",
    size: str = "29",
    seed: str = "0",
    digits: str = "0,1,2,3,4,5,6,7,8",
    rotate: str = "yes",
) -> RotatedMnistSource:
    """Digits turned by any angle, labelled: rotated-mnist?split=train&of=digits.

    Raises:
        InputError: A value that cannot be.

    Example:
        >>> rotated_mnist(digits="0,10")
        Traceback (most recent call last):
        invariscope.errors.InputError: rotated-mnist: digits='0,10'; different digits from 0 to 9...
    """
    what = "rotated-mnist"
    if argument is not None:
        raise InputError(f"{what}:{argument}: it takes no argument; write {what}")
    wanted = [part.strip() for part in digits.split(",")]
    if not all(len(part) == 1 and part.isdecimal() for part in wanted) or len(set(wanted)) < len(
        wanted
    ):
        raise InputError(
            f"{what}: digits={digits!r}; different digits from 0 to 9 with commas work"
        )
    if rotate not in ("yes", "no"):
        raise InputError(f"{what}: rotate={rotate!r}; yes and no work")
    return RotatedMnistSource(
        split,
        of,
        whole_number(what, "size", size, 8),
        whole_number(what, "seed", seed),
        [int(part) for part in wanted],
        rotate == "yes",
    )
