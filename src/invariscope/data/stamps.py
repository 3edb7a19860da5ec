"""Composes labelled images with known masks of cut-outs and photographs: ``stamps:8``.

Each photographic cut-out of Debian's ``tuxpaint-stamps-default`` (`invariscope.data.cutouts`) is
put on real photographs (`invariscope.data.backgrounds`): 8 images of each unless the argument says
otherwise, 256 × 256. The image number k of a stamp

- lies on its k-th background, in an order of its own (a background returns when all had their
  turn), cropped to a square of 0.5 to 1 of the short side at any place;
- has a longer side of 0.35 to 0.9 of the frame, evenly in its logarithm, yet is never enlarged more
  than 1.5-fold, so that small stamps stay small instead of blurred;
- lies wholly inside the frame, all places being equally likely; it is not turned or mirrored.

All that is drawn is a hash of the image's id, so ``dog/dog@Path-0`` names the same pixels on every
machine with these packages. Size and place are drawn by us: what `foregrounds` says about them is
known, which makes this source its test, not a finding about the world.

``stamps?background=grey`` (or any other colour, ``%23336699``) puts the same cut-outs, at the same
places and sizes, on a plain colour: ``dog/dog@grey-0`` is ``dog/dog@Path-0`` without the forest if
that was its background number 0.

Classes are nouns. An answer of an ImageNet model counts as right if it is a class at or below the
noun in WordNet (`ImageSource.imagenet_outputs`): any of 118 breeds for a dog.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from invariscope.data import backgrounds, cutouts
from invariscope.data.backgrounds import Background, crop_background, installed_backgrounds
from invariscope.data.cutouts import cutout_classes, read_cutout
from invariscope.data.packages import needs_debian
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError, first_of
from invariscope.seeding import uniform

SIDE = 256
PER_STAMP = 8
SIZES = (0.35, 0.9)
ENLARGED = 1.5
_CROPS = (0.5, 1.0)


@dataclass(frozen=True)
class _Composition:
    """One image: a stamp, what it lies on, and the key of what is drawn for it."""

    file: str
    background: Background | None
    key: str


@SOURCES.register("stamps")
class StampsSource(ImageSource):
    """Cut-outs of 100 nouns on real photographs, labelled, with known masks.

    Args:
        argument: Images per stamp, as text; None: 8.
        background: ``photographs``, or the name or ``#rrggbb`` of a colour.

    Raises:
        InputError: No positive number, an unknown colour, or a package that is not installed.

    Example:
        >>> StampsSource("none")
        Traceback (most recent call last):
        invariscope.errors.InputError: stamps:none: give how many images per stamp, such as stamps:8
    """

    concurrent = True

    def __init__(self, argument: str | None = None, *, background: str = "photographs"):
        self.name = "stamps" if argument is None else f"stamps:{argument}"
        count = _count(argument)
        self._colour = None if background == "photographs" else _colour(background)
        scenes: list[Background] = [] if self._colour else _photographs()
        self.notes: list[str] = []
        self._compositions: list[_Composition] = []
        self.ids: list[str] = []
        self.labels: list[int] = []
        self.class_names: list[str] = []
        self.class_ids: list[str] = []
        self.imagenet_outputs: list[tuple[int, ...]] = []
        missing: list[str] = []
        for kind in cutout_classes():
            present = [file for file in kind.files if Path(cutouts.FOLDER, f"{file}.png").is_file()]
            missing += [file for file in kind.files if file not in present]
            if not present:
                continue
            for file in present:
                self._add(kind.noun, file, count, scenes, background)
            self.labels += [len(self.class_names)] * (len(present) * count)
            self.class_names.append(kind.noun)
            self.class_ids.append(kind.synset)
            self.imagenet_outputs.append(kind.outputs)
        if not self.ids:
            raise needs_debian("stamps", [cutouts.PACKAGE])
        self._write_notes(count, scenes, missing)

    def load(self, index: int) -> Image.Image:
        """Composes the RGB image [256 × 256] at a position."""
        what = self._compositions[index]
        if what.background is None:
            frame = Image.new("RGB", (SIDE, SIDE), self._colour)
        else:
            fraction, x, y = _draws(what.key, "fraction", "crop x", "crop y")
            fraction = _CROPS[0] + (_CROPS[1] - _CROPS[0]) * fraction
            frame = crop_background(what.background, SIDE, fraction, x, y)
        layer = self._layer(index)
        return Image.alpha_composite(frame.convert("RGBA"), layer).convert("RGB")

    def alpha(self, index: int) -> np.ndarray:
        """Returns the mask of the cut-out, float32 [256, 256] in [0, 1]: its opacity."""
        return np.asarray(self._layer(index).getchannel("A"), dtype=np.float32) / 255

    def _layer(self, index: int) -> Image.Image:
        """The scaled cut-out at its place in a transparent frame."""
        what = self._compositions[index]
        cutout = read_cutout(what.file)
        size, x, y = _draws(what.key, "size", "x", "y")
        longest = max(cutout.size)
        high = min(SIZES[1] * SIDE, ENLARGED * longest)
        low = min(SIZES[0] * SIDE, high)
        scale = low * (high / low) ** size / longest
        width, height = (max(1, round(side * scale)) for side in cutout.size)
        # Pillow multiplies colours by alpha before it resizes RGBA: no fringe of hidden colours.
        small = cutout.resize((width, height), Image.Resampling.BICUBIC)
        layer = Image.new("RGBA", (SIDE, SIDE))
        layer.paste(small, (_place(SIDE - width, x), _place(SIDE - height, y)))
        return layer

    def _add(self, noun: str, file: str, count: int, scenes: list[Background], colour: str) -> None:
        stem = file.rpartition("/")[2]
        order = np.argsort(uniform(0, f"stamps background {file}", [s.name for s in scenes]))
        for number in range(count):
            scene = scenes[order[number % len(scenes)]] if scenes else None
            where = colour if scene is None else scene.name
            self.ids.append(f"{noun}/{stem}@{where}-{number}")
            self._compositions.append(_Composition(file, scene, f"{file} {number}"))

    def _write_notes(self, count: int, scenes: list[Background], missing: list[str]) -> None:
        stamps = len(self.ids) // count
        notes = [
            f"{stamps} cut-outs of {len(self.class_names)} nouns, {count} images of each; size and "
            "place are drawn, not found; images of one cut-out are not independent",
            cutouts.CREDIT,
        ]
        if scenes:
            names = ", ".join(scene.name for scene in scenes)
            notes.append(
                f"on crops of {len(scenes)} photographs ({names}), which are not independent "
                f"photographs, so true intervals are wider: {backgrounds.CREDIT}"
            )
            gone = len(backgrounds.BACKGROUNDS) - len(scenes)
            if gone:
                notes.append(f"{gone} of the photographs are not in the installed packages")
        if missing:
            notes.append(f"not in {cutouts.PACKAGE}: {first_of(missing)}")
        self.notes = notes


def _draws(key: str, *what: str) -> list[float]:
    """Numbers in [0, 1) that belong to an image."""
    return [float(uniform(0, f"stamps {name}", [key])[0]) for name in what]


def _place(room: int, share: float) -> int:
    return min(int((room + 1) * share), room)


def _count(argument: str | None) -> int:
    if argument is None:
        return PER_STAMP
    if not argument.isdecimal() or int(argument) < 1:
        raise InputError(f"stamps:{argument}: give how many images per stamp, such as stamps:8")
    return int(argument)


def _colour(name: str) -> tuple[int, int, int]:
    try:
        colour = ImageColor.getrgb(name)
    except ValueError as error:
        raise InputError(
            f"stamps?background={name}: no such colour; write photographs, grey, %23808080, …"
        ) from error
    return colour[:3]


def _photographs() -> list[Background]:
    installed, missing = installed_backgrounds()
    if missing:
        raise needs_debian("stamps", missing, "; or write stamps?background=grey")
    return installed
