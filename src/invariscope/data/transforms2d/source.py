"""Opens Transforms-2D as an image source: ``transforms2d:stamps?transformations=rotation+scale``.

All options have defaults: ``transformations=paper`` (names joined by ``+`` in the order in which
they are applied; lists separated by ``/`` go to equal shares of the classes), ``classes`` (all) and
``first=0`` choose the objects, ``split=test``, ``num`` (50,000 to train, 10,000 to validate and to
test), ``size=32``, ``seed=0``, ``backgrounds`` (``photographs``; ``drawn`` for ``shapes``) and
``twin`` (``transformation``, ``background`` or ``object``, ``transformation:2`` for the second one,
several joined by ``+``).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from invariscope.data.mnist_base import whole_number
from invariscope.data.source import SOURCES, ImageSource, NumberedIds
from invariscope.data.transforms2d.laws import transformation_list
from invariscope.data.transforms2d.prototypes import prototype_source, prototypes
from invariscope.data.transforms2d.scenes import scenes
from invariscope.errors import InputError
from invariscope.registry import unknown_name

if TYPE_CHECKING:
    import torch

    from invariscope.data.transforms2d.generator import Transforms2D

COUNTS = {"train": 50_000, "val": 10_000, "test": 10_000}
_WHAT = "transforms2d"


class Transforms2DSource(ImageSource):
    """Transforms-2D as the project reads all images: by index, with labels.

    Args:
        data: The generator.
        num: How many samples.
        notes: Lines for the report.

    Example:
        >>> source = transforms2d("shapes", classes="4", num="10")
        >>> len(source), source.class_names[0], source.load(3).size
        (10, 'plain triangle', (32, 32))
    """

    concurrent = True

    def __init__(self, data: "Transforms2D", num: int, notes: Sequence[str] = ()):
        self.name = _WHAT
        self.data = data
        self.ids = NumberedIds(num, prefix=f"{data.split} ")
        self.labels = data.labels(range(num)).tolist()
        self.class_names = data.prototypes.names
        self.notes = notes

    def load(self, index: int) -> Image.Image:
        """Makes the RGB image of a sample; the same pixels as in any batch."""
        pixels = self.data.pixels([index])[0]
        return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())

    def pixels(
        self, indices: Sequence[int], device: "str | torch.device" = "cpu"
    ) -> "torch.Tensor":
        """Samples as bytes [image, 3, height, width], made on a device."""
        return self.data.pixels(indices, device)


@SOURCES.register(_WHAT)
def transforms2d(
    argument: str | None = None,
    *,
    split: str = "test",
    transformations: str = "paper",
    classes: str | None = None,
    first: str = "0",
    num: str | None = None,
    size: str = "32",
    seed: str = "0",
    backgrounds: str | None = None,
    twin: str | None = None,
) -> Transforms2DSource:
    """Objects on backgrounds, made as asked: transforms2d:shapes?transformations=rotation.

    Raises:
        InputError: A value that cannot be, or a package that is not installed.

    Example:
        >>> transforms2d("shapes", twin="objects")
        Traceback (most recent call last):
        invariscope.errors.InputError: unknown twin 'objects': did you mean object? ...
    """
    # torch is imported with the generator
    from invariscope.data.transforms2d.generator import TWINS, Transforms2D

    name = argument or "shapes"
    if split not in COUNTS:
        raise unknown_name(f"{_WHAT} split", split, COUNTS)
    lists = [transformation_list(names) for names in transformations.split("/")]
    side = whole_number(_WHAT, "size", size, 8)
    wanted = None if classes is None else whole_number(_WHAT, "classes", classes, 1)
    objects = prototypes(name, size=side, first=whole_number(_WHAT, "first", first), classes=wanted)
    behind = scenes(backgrounds or default_backgrounds(name), side)
    data = Transforms2D(
        objects,
        behind,
        lists,
        seed=whole_number(_WHAT, "seed", seed),
        split=split,
        twins=_twins(twin, TWINS),
    )
    count = COUNTS[split] if num is None else whole_number(_WHAT, "num", num, 1)
    how = " / ".join(" → ".join(names) or "none" for names in lists)
    notes = [
        f"Transforms-2D: {len(objects)} objects of {name}, {split}; transformations: {how}",
        prototype_source(name).credit,
        behind.note,
    ]
    return Transforms2DSource(data, count, notes)


def default_backgrounds(name: str) -> str:
    """Returns the backgrounds that go with objects.

    Example:
        >>> default_backgrounds("shapes"), default_backgrounds("stamps")
        ('drawn', 'photographs')
    """
    if name.startswith("hf:"):
        return name
    return "drawn" if name == "shapes" else "photographs"


def _twins(text: str | None, known: Sequence[str]) -> dict[str, int]:
    twins: dict[str, Any] = {}
    for part in text.split("+") if text else ():
        name, colon, number = part.partition(":")
        if name not in known:
            raise unknown_name("twin", name, known)
        if name in twins:
            raise InputError(f"{_WHAT}: twin={text}: {name} comes twice; give it once")
        twins[name] = whole_number(_WHAT, "twin", number) if colon else 1
    return twins
