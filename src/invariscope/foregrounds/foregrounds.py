"""Measures where foregrounds are in a data set and how large they are: paper 000, App. E.1.

Each image has a mask (`masks`), each mask a box (`boxes`), and the boxes vary by size and by place
(`spread`): the variation to which the data set itself demands invariance. The
paper measures all training images of ImageNet with U²-Net at the threshold 0.1 and finds that the
scale of objects varies more than their place, which is centred.

Images without any foreground are counted and named; they count in no mean. Neither do images that
cannot be read or have no mask.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invariscope.foregrounds.boxes import THRESHOLD
from invariscope.foregrounds.job import ForegroundsRequest, prepare_foregrounds
from invariscope.foregrounds.masks import SALIENCY
from invariscope.foregrounds.result import Foregrounds
from invariscope.runs import Progress, carry_out


def measure_foregrounds(
    images: Any,
    *,
    masks: str | os.PathLike[str] = SALIENCY,
    values: Sequence[int] | None = None,
    threshold: float = THRESHOLD,
    num_images: int | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Foregrounds:
    """Measures the boxes of the foregrounds of a data set and how they vary.

    Args:
        images: Anything that `invariscope.data.open_source` opens.
        masks: ``"alpha"`` (the images' own alpha channel), ``"saliency"`` (U²-Netp), or a folder of
            masks with the images' names; what their values mean is decided over several of them
            (`invariscope.foregrounds.mask_values`) and said in the manifest.
        values: The values of mask files that are foreground, where that is decided wrongly.
        threshold: A pixel is foreground where its mask is above this; in [0, 1).
        num_images: How many images, stratified by class; None: all.
        seed: Decides which images, and the resamples of the intervals.
        output: A folder for the rows and the tables; without it everything stays in memory.
        resume: Go on with a measurement that the folder holds; False refuses such a folder.
        progress: Told what goes on.

    Returns:
        The boxes, image by image, and their statistics.

    Raises:
        InputError: A threshold that is none, masks that are not there, not one image with a
            foreground, or a folder that holds something else.
        RunError: The folder cannot be written; what was written before is kept.

    Example:
        >>> import numpy as np
        >>> from PIL import Image
        >>> pictures = []
        >>> for left in (0, 20, 40):
        ...     pixels = np.zeros((50, 100, 4), dtype=np.uint8)
        ...     pixels[10:40, left : left + 40, 3] = 255
        ...     pictures.append(Image.fromarray(pixels))
        >>> found = measure_foregrounds(pictures, masks="alpha")
        >>> found.overall("area")["mean"].item(), found.overall("x")["q50"].item()
        (0.24, 0.4)
        >>> found.spread["size_share"].item()  # only the place varies
        0.0
    """
    request, how = ForegroundsRequest.split(locals())
    return carry_out(prepare_foregrounds(request), workers=0, **how)
