"""Splits labelled images into those a network is tuned on and those that judge it.

Which is which depends on (seed, image id) alone, within each class: no image is in both, and the
same images are held out whatever the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from invariscope.data import ImageSource, open_source, stratified
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.runs.bands import matched
from invariscope.training.splits import held_out, labelled, with_labels

_FEWEST = 4


class Part(ImageSource):
    """Some images of a source, under their own ids.

    Args:
        whole: The source.
        indices: Which of its images, in an order.
        name: What the part is called.
        framed: Resizes and crops each image as it is loaded; None leaves them as they come.
    """

    def __init__(
        self,
        whole: ImageSource,
        indices: Sequence[int],
        name: str,
        framed: Preprocessing | None = None,
    ):
        self._whole, self._indices, self._framed = whole, list(indices), framed
        self.name = name
        self.ids = [whole.ids[index] for index in indices]
        assert whole.labels is not None
        self.labels = [int(whole.labels[index]) for index in indices]
        for about in ("class_names", "label_meaning", "class_ids", "imagenet_outputs", "notes",
                      "decisions", "concurrent", "value_range", "all_bands"):  # fmt: skip
            setattr(self, about, getattr(whole, about))

    def framed(self, preprocessing: Preprocessing) -> "Part":
        """Returns the same images as a model's preprocessing resizes and crops them."""
        return Part(self._whole, self._indices, self.name, preprocessing)

    def load(self, index: int) -> Image.Image | Tensor:
        """Loads an image."""
        image = self._whole.load(self._indices[index])
        return image if self._framed is None else self._framed.geometry(image)

    def content(self, index: int) -> str:
        """Returns what tells this image from another one of the same id."""
        return self._whole.content(self._indices[index])

    def digest(self, index: int) -> str:
        """Returns the digest of its content."""
        return self._whole.digest(self._indices[index])

    def facts(self, index: int) -> Any:
        """Looks at its depth and bands."""
        return self._whole.facts(self._indices[index])


@dataclass(frozen=True)
class Parts:
    """The images of an improvement.

    Attributes:
        tuning: Those that the network is tuned on, and that the evidence is from.
        held_out: Those that judge it, before and after.
        share: The share that is held out.
        unlabelled: Images without a label, which are left out.
    """

    tuning: Part
    held_out: Part
    share: float
    unlabelled: int

    @property
    def words(self) -> str:
        """Says how the images were split."""
        text = (
            f"{len(self.tuning):,} images to tune on, {len(self.held_out):,} held out: "
            f"{100 * self.share:g} % of each class, chosen by a hash of the seed and the image's id"
        )
        return text + (f"; {self.unlabelled:,} without a label left out" if self.unlabelled else "")


def split_in_two(
    images: Any,
    preprocessing: Preprocessing,
    *,
    share: float,
    seed: int,
    num_images: int | None = None,
    value_range: Any = None,
) -> Parts:
    """Opens labelled images and splits them.

    Args:
        images: As for `measure`.
        preprocessing: The model's, which says how many bands it takes.
        share: The share of each class that is held out.
        seed: Which images these are.
        num_images: The most images, by class in proportion; None takes all.
        value_range: As for `measure`.

    Raises:
        InputError: The images have no labels, fewer than two classes, or are too few.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((20, 4, 4, 3), np.uint8), [0] * 10 + [1] * 10
        >>> parts = split_in_two(images, Preprocessing(), share=0.3, seed=0)
        >>> len(parts.tuning), len(parts.held_out), set(parts.tuning.ids) & set(parts.held_out.ids)
        (14, 6, set())
    """
    if not 0 < share < 1:
        raise InputError(f"held_out is {share:g}: give a share between 0 and 1, such as 0.3")
    source = open_source(images, value_range, num_images=num_images)
    if source.labels is None:
        raise InputError(
            f"{source.name} has no labels, and a network is tuned on them and its accuracy judged "
            "by them: give a folder with one folder per class, or another labelled data set"
        )
    source = with_labels(matched(source, preprocessing))
    labels = source.labels or []
    known = labelled(source)
    chosen = stratified(
        [source.ids[i] for i in known], [int(labels[i]) for i in known], num_images, seed
    )
    known = [known[i] for i in chosen]
    held = held_out(source, known, share, seed)
    tuning = [index for index in known if index not in held]
    classes = {int(labels[index]) for index in known}
    if len(classes) < 2 or min(len(tuning), len(held)) < _FEWEST:
        raise InputError(
            f"{source.name} gives {len(known)} labelled images of {len(classes)} classes: a "
            f"classifier is tuned on {_FEWEST} or more of two classes, and judged on as many others"
        )
    return Parts(
        Part(source, tuning, f"{source.name} (tuned on)"),
        Part(source, [index for index in known if index in held], f"{source.name} (held out)"),
        share,
        len(source) - len(known) if num_images is None else 0,
    )
