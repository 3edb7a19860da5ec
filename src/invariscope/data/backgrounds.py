"""Crops real photographs to put things on: desktop wallpapers of three Debian packages.

Chosen by eye: photographs without a dominant object of their own (no animal, boat, cup or flower
that a model would name instead), no paintings, no rendered or abstract pictures. They are 17
scenes: crops of one of them are not independent photographs, so intervals over images that share
them are narrower than they would be over as many different places.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from invariscope.data.decode import decode

SHORT_SIDE = 512
"""Photographs are scaled to this short side once; a crop of half of it is 256 pixels wide."""

_KDE, _MATE, _LOMIRI = "plasma-workspace-wallpapers", "mate-backgrounds", "lomiri-wallpapers-16.04"


@dataclass(frozen=True)
class Background:
    """One photograph: its name here, the Debian package that holds it, its file."""

    name: str
    package: str
    file: str


def _kde(name: str) -> Background:
    file = f"/usr/share/wallpapers/{name}/contents/images/2560x1600.jpg"
    return Background(name, _KDE, file)


def _mate(name: str) -> Background:
    return Background(name, _MATE, f"/usr/share/backgrounds/mate/nature/{name}.jpg")


def _lomiri(name: str, author: str) -> Background:
    return Background(name, _LOMIRI, f"/usr/share/backgrounds/{name}_by_{author}.jpg")


BACKGROUNDS = (
    _kde("BytheWater"),
    _kde("ColdRipple"),
    _kde("DarkestHour"),
    _kde("Grey"),
    _kde("Path"),
    _kde("summer_1am"),
    _mate("Blinds"),
    _mate("Dune"),
    _mate("GreenMeadow"),
    _mate("RainDrops"),
    _mate("Storm"),
    _mate("Wood"),
    _lomiri("Bridge", "Sander_Klootwijk"),
    _lomiri("aitzgorri", "Aitzol_Berasategi"),
    _lomiri("life", "Aitzol_Berasategi"),
    _lomiri("picosdeeuropa", "Aitzol_Berasategi"),
    _lomiri("sunset", "Aitzol_Berasategi"),
)
CREDIT = (
    "plasma-workspace-wallpapers (GPL-2+ and others), mate-backgrounds (GPL-2+, CC-BY-SA-4.0), "
    "lomiri-wallpapers-16.04 (CC-BY-4.0, CC-BY-SA, CC0); see each package's copyright file"
)


def installed_backgrounds() -> tuple[list[Background], list[str]]:
    """Returns the photographs on this machine, and the packages that have none here."""
    installed = [background for background in BACKGROUNDS if Path(background.file).is_file()]
    packages = {background.package for background in installed}
    return installed, [name for name in (_KDE, _MATE, _LOMIRI) if name not in packages]


def crop_background(
    background: Background, side: int, fraction: float, x: float, y: float
) -> Image.Image:
    """Crops a square out of a photograph.

    Args:
        background: Which photograph.
        side: Width and height of the crop, in pixels.
        fraction: Its side as a share of the short side of the photograph, in (0, 1].
        x: Where it lies between the left edge (0) and the right one (1).
        y: Where it lies between the top (0) and the bottom (1).

    Returns:
        An RGB image [side × side].

    Raises:
        UnreadableImage: The file cannot be decoded.
    """
    picture = _photograph(background.file, background.name)
    width = min(picture.size) * fraction
    left, top = (picture.width - width) * x, (picture.height - width) * y
    return picture.resize(
        (side, side), Image.Resampling.BICUBIC, box=(left, top, left + width, top + width)
    )


@lru_cache(maxsize=len(BACKGROUNDS))  # decoding one takes longer than all else; 1.2 MB each
def _photograph(file: str, name: str) -> Image.Image:
    picture = decode(file, name)
    scale = SHORT_SIDE / min(picture.size)
    size = np.rint(np.array(picture.size) * scale).astype(int)
    return picture.resize((int(size[0]), int(size[1])), Image.Resampling.BICUBIC)
