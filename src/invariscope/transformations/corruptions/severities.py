"""Lists the corruptions that are made on the fly, with what they do at severities 1 to 5.

    corruption:fog            severities 1 to 5
    corruption:fog=1/3        two of them
    corruption:all            every one of the table

| kind | corruptions |
|---|---|
| noise | gaussian_noise, shot_noise, impulse_noise, speckle_noise |
| blur | defocus_blur, glass_blur, motion_blur, zoom_blur, gaussian_blur |
| weather and light | snow, spatter, fog, brightness, contrast, saturate |
| digital | pixelate, jpeg_compression, elastic_transform |

The constants are those of Hendrycks and Dietterich (2019) for images of 224 pixels; lengths grow
with the shorter side of others. An image draws from a generator of its own, by the run's seed, the
name and its id, and the same at all severities. Values are clipped to [0, 1].

Not here: frost, which needs photographs. So there is no mCE of these: it is the mean over all
fifteen, and one is missing. And none of these numbers is comparable with published ones, which are
of the published pictures, cropped from larger ones and stored as JPEG (`imagenet-c:FOLDER` reads
those). What else differs: nothing is rounded to 8 bits on the way, and the zoom of zoom_blur is
about the middle of the image. docs/corruptions.md has the differences in numbers.

Not all severities are in order: glass_blur has one pass at severity 2 and two at 1, and
elastic_transform pulls the whole image at 1 and 2, hardly at 3 to 5. In glass_blur pixels come from
one away at least, so that its severities hardly differ on images below 100 pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.transformations.corruptions import (
    blurs,
    digital,
    elastic,
    noise,
    scenes,
    snow,
    spatter,
)
from invariscope.transformations.families import Family

PREFIX = "corruption:"
UNIT = "of 5"


@dataclass(frozen=True)
class Corruption:
    """What is done to images, and how strongly at each severity.

    Args:
        act: (images, the constants of a severity, a generator for each image) to images.
        severities: The constants of the severities 1 to 5.
        needs_colour: Whether it has a meaning for red, green and blue alone.
    """

    act: Callable[[Tensor, Any, Sequence[Generator]], Tensor]
    severities: tuple[Any, Any, Any, Any, Any]
    needs_colour: bool = False

    def family(self, name: str) -> Family:
        """The corruption as a family whose magnitude is its severity."""

        def corrupted(
            images: Tensor, magnitude: float, seeds: Sequence[int], ids: Sequence[str]
        ) -> Tensor:
            draws = [torch.Generator().manual_seed(seed % (1 << 63)) for seed in seeds]
            return self.act(images, self.severities[_severity(name, magnitude)], draws).clamp(0, 1)

        return Family(
            f"{PREFIX}{name}", "appearance", UNIT, 0.0, f"{PREFIX}{name}", drawn=corrupted,
            needs_colour=self.needs_colour, words=name.replace("_", " "), unit_words="severity",
        )  # fmt: skip


def _severity(name: str, magnitude: float) -> int:
    """The place of a severity in the table."""
    if magnitude not in (1, 2, 3, 4, 5):
        raise InputError(f"{PREFIX}{name} has the severities 1 to 5, not {magnitude:g}")
    return int(magnitude) - 1


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(noise.gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": Corruption(noise.shot_noise, (60, 25, 12, 5, 3)),
    "impulse_noise": Corruption(noise.impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": Corruption(noise.speckle_noise, (0.15, 0.2, 0.35, 0.45, 0.6)),
    "defocus_blur": Corruption(
        blurs.defocus_blur, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
    ),
    "glass_blur": Corruption(
        blurs.glass_blur, ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
    ),
    "motion_blur": Corruption(blurs.motion_blur, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    "zoom_blur": Corruption(
        blurs.zoom_blur, ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
    ),
    "gaussian_blur": Corruption(blurs.gaussian_blur, (1, 2, 3, 4, 6)),
    "snow": Corruption(
        snow.snow,
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    "spatter": Corruption(
        spatter.spatter,
        (
            (0.65, 0.3, 4, 0.69, 0.6, False),
            (0.65, 0.3, 3, 0.68, 0.6, False),
            (0.65, 0.3, 2, 0.68, 0.5, False),
            (0.65, 0.3, 1, 0.65, 1.5, True),
            (0.67, 0.4, 1, 0.65, 1.5, True),
        ),
    ),
    "fog": Corruption(scenes.fog, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    "brightness": Corruption(scenes.brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": Corruption(scenes.contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "saturate": Corruption(
        scenes.saturate, ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)), needs_colour=True
    ),
    "pixelate": Corruption(digital.pixelate, (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": Corruption(digital.jpeg_compression, (25, 18, 15, 10, 7)),
    "elastic_transform": Corruption(
        elastic.elastic_transform,
        (
            (488, 170.8, 24.4),
            (488, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
    ),
}


def corruption(name: str) -> list[Family]:
    """Finds a corruption by its name, or all of them.

    Args:
        name: What stands behind "corruption:".

    Raises:
        InputError: There is none of that name.

    Example:
        >>> [family.name for family in corruption("fog")], len(corruption("all"))
        (['corruption:fog'], 18)
    """
    if name == "all":
        return [one.family(known) for known, one in CORRUPTIONS.items()]
    if name == "frost":
        raise InputError(
            f"{PREFIX}{name} needs photographs of frost, so it is not made on the fly; "
            "imagenet-c:FOLDER reads it from files"
        )
    if name not in CORRUPTIONS:
        raise unknown_name("corruption", name, [*CORRUPTIONS, "all"])
    return [CORRUPTIONS[name].family(name)]
