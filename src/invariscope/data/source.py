"""Defines image sources: the contract, the error for one bad image, the names of sources.

A source knows the ids and, where it can, the labels of its images before any pixel is decoded. It
keeps no decoded image, and `ImageSource.load` gives the same answer for an index in any order and
in any process.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Union, overload
from urllib.parse import unquote

import numpy as np
from PIL import Image

from invariscope.data.depth import DepthFacts, ValueRange
from invariscope.errors import InputError, InvariscopeError
from invariscope.registry import Registry

if TYPE_CHECKING:
    import torch


UNLABELLED = "treated as unlabelled: every label is -1, which stands for none"


class UnreadableImage(InvariscopeError):
    """One image cannot be used; the run skips it, counts it and names it in the report.

    Args:
        image: The id of the image.
        reason: Why, in one line.

    Example:
        >>> str(UnreadableImage("cats/3.jpg", "the file is empty"))
        'cats/3.jpg: the file is empty'
    """

    def __init__(self, image: str, reason: str):
        # both go to the base class so that the error survives pickling out of a worker
        super().__init__(image, " ".join(reason.split()))

    @property
    def image(self) -> str:
        """The id of the image."""
        return self.args[0]

    @property
    def reason(self) -> str:
        """Why it cannot be used, in one line."""
        return self.args[1]

    def __str__(self) -> str:
        return f"{self.image}: {self.reason}"


class ImageSource(ABC):
    """Images by index, with what is known about them without decoding a pixel.

    A subclass sets the attributes and writes `load`.

    Attributes:
        name: The spec as written, such as ``"samples"``.
        ids: Stable, unique image ids: what is selected, reported and paired on.
        labels: Class index of each image (-1: it has none, or it is known only once `load` has
            given the image), or None for unlabelled data.
        class_names: Name of each class index, or None where the source has no names.
        label_meaning: What the numbers of the labels say beside `class_names`. "names": nothing,
            they are places in the list of names. "numbers": the data set states numbers and names;
            where the two contradict each other neither is believed. "outputs": the numbers were
            made to be a model's outputs; names are only shown.
        class_ids: WordNet id of each class index (``"n02084071"``) where the source knows it, or
            None.
        imagenet_outputs: For each class index the outputs 0..999 of an ImageNet-1k classifier that
            are right answers, or None where the source does not say.
        notes: Lines for the report: what was left out, and whose pictures these are.
        decisions: What opening the source has decided, a sentence by subject ("labels", "bit
            depth", …), for the manifest, the dry run and the report. What may surprise belongs to
            `notes` as well.
        splits: The parts that the file holds, where ``split`` chooses one of several.
        concurrent: Whether `load` may run in several threads at once: each call opens what it
            reads, and none draws from a shared generator.
        value_range: Which stored numbers are black and white, where the user has said so or
            `open_source` has found it; None: by the type (`invariscope.data.depth`).
        all_bands: Whether `load` gives the bands that a file holds beyond red, green and blue, too.
    """

    name: str
    ids: Sequence[str]
    labels: Sequence[int] | None = None
    class_names: Sequence[str] | None = None
    label_meaning: Literal["names", "numbers", "outputs"] = "names"
    class_ids: Sequence[str] | None = None
    imagenet_outputs: Sequence[Sequence[int]] | None = None
    notes: Sequence[str] = ()
    decisions: Mapping[str, str] = MappingProxyType({})
    splits: Sequence[str] = ()
    concurrent: bool = False
    value_range: ValueRange | None = None
    all_bands: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @abstractmethod
    def load(self, index: int) -> Union[Image.Image, "torch.Tensor"]:
        """Loads the image at a position of `ids`.

        Returns:
            An RGB Pillow image of any size for grey and colour of 8 bits, else a tensor
            [band, height, width]: uint8, or float32 in [0, 1] for what is deeper.

        Raises:
            UnreadableImage: This one image cannot be used.
        """

    def pixels(
        self, indices: Sequence[int], device: "str | torch.device" = "cpu"
    ) -> "torch.Tensor | None":
        """Returns many images at once, from a source that makes them instead of decoding them.

        Args:
            indices: Positions of `ids`.
            device: Where they are made.

        Returns:
            uint8 [image, 3, height, width], what `load` gives for each; None where the source has
            no quicker way than `load`.
        """
        return None

    def alpha(self, index: int) -> np.ndarray | None:
        """Returns the opacity of each pixel of an image, before `load` composites it over a colour.

        Returns:
            float32 [height, width] in [0, 1], of the size of the image that `load` gives, or None
            where the image has no alpha channel.

        Raises:
            UnreadableImage: This one image cannot be used.
        """
        return None

    def facts(self, index: int) -> DepthFacts | None:
        """Looks at the depth and bands of an image; None: this source has 8 bits."""
        return None

    def say(self, subject: str, sentence: str, *, noted: bool = False) -> None:
        """Adds a decision, and a note where it may surprise."""
        self.decisions = {**self.decisions, subject: sentence}
        if noted:
            self.notes = [*self.notes, sentence]

    def content(self, index: int) -> str:
        """Returns what tells this image from another one of the same id; "" where the id is enough.

        The ids of arrays are only numbers, so arrays give a hash of the pixels here.
        """
        return ""

    def digest(self, index: int) -> str:
        """Returns the digest of an image's content (`invariscope.data.digests`), without decoding.

        "" where only the decoded pixels can tell, or the image cannot be read.
        """
        return self.content(index)


class NumberedIds(Sequence[str]):
    """The ids "0", "1", … of a source whose images have no names, without storing them.

    Args:
        count: How many.
        prefix: What stands before each number.

    Example:
        >>> list(NumberedIds(3)), NumberedIds(3, prefix="test ")[-1]
        (['0', '1', '2'], 'test 2')
    """

    def __init__(self, count: int, prefix: str = ""):
        self._numbers = range(count)
        self._prefix = prefix

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [f"{self._prefix}{number}" for number in self._numbers[index]]
        return f"{self._prefix}{self._numbers[index]}"


SourceFactory = Callable[..., ImageSource]
SOURCES: Registry[SourceFactory] = Registry("image source", group="invariscope.data")
"""Makers of sources, ``maker(argument: str | None, **query: str)``, by the name in a spec.

Other packages add theirs through the entry-point group ``invariscope.data``.
"""


def split_spec(spec: str) -> tuple[str, str | None, dict[str, str]]:
    """Splits ``name:ARGUMENT?key=value&…`` into its name, argument and query.

    Percent escapes in a value are decoded (``%26`` for an ampersand); a plus sign stays one.

    Raises:
        InputError: The query is not a list of ``key=value``, or a key comes twice.

    Example:
        >>> split_spec("torchvision:CIFAR10?root=a b&train=0")
        ('torchvision', 'CIFAR10', {'root': 'a b', 'train': '0'})
        >>> split_spec("samples")
        ('samples', None, {})
    """
    head, _, tail = spec.partition("?")
    name, colon, argument = head.partition(":")
    query: dict[str, str] = {}
    for part in tail.split("&") if tail else []:
        key, equals, value = part.partition("=")
        if not (key and equals):
            raise InputError(
                f"image source {spec!r}: {part!r} is not key=value; "
                "write NAME:ARGUMENT?key=value&key=value"
            )
        if key in query:
            raise InputError(f"image source {spec!r}: {key!r} is given twice; give it once")
        query[key] = unquote(value)
    return name, argument if colon else None, query


def escaped(value: str) -> str:
    """Escapes a value of a query, as `split_spec` reads it."""
    return value.replace("%", "%25").replace("&", "%26")
