"""Crops real photographs that come with two packages: ``samples``.

The files lie inside the scikit-image and scikit-learn wheels and are read from there; neither
package is imported and nothing is downloaded. Drawings, text, charts and blank images are left
out. Each photograph gives square crops on a fixed grid at two or three sizes, so an id such as
``astronaut/3`` names the same pixels on every machine; the run's seed chooses among them.

Crops of one photograph overlap and resemble each other: an interval over them is narrower than one
over as many independent photographs, and a note says so in the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from invariscope.data.decode import decode
from invariscope.data.packages import package_folder
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError

Grid = tuple[float, int, int]  # side as a fraction of the short side, columns, rows

_WIDE: tuple[Grid, ...] = ((1.0, 3, 1), (0.75, 3, 2))
_SQUARE: tuple[Grid, ...] = ((1.0, 1, 1), (0.75, 2, 2), (0.5, 2, 2))
_ROWS: tuple[Grid, ...] = ((1.0, 2, 1), (0.75, 2, 2))
_TEXTURE: tuple[Grid, ...] = ((1.0, 1, 1), (0.5, 2, 2))


@dataclass(frozen=True)
class Photograph:
    """One photograph in a wheel: where it lies, how it is cut, and whose it is."""

    name: str
    package: str
    file: str
    grids: tuple[Grid, ...]
    credit: str


_CC0 = "CC0"
_PUBLIC = "public domain"
PHOTOGRAPHS = (
    Photograph("astronaut", "skimage", "data/astronaut.png", _SQUARE, f"NASA, {_PUBLIC}"),
    Photograph("brick", "skimage", "data/brick.png", _TEXTURE, _CC0),
    Photograph("camera", "skimage", "data/camera.png", _SQUARE, f"Lav Varshney, {_CC0}"),
    Photograph("chelsea", "skimage", "data/chelsea.png", _WIDE, f"Stefan van der Walt, {_CC0}"),
    Photograph("china", "sklearn", "datasets/images/china.jpg", _WIDE, "danielbuechele, CC BY 2.0"),
    Photograph("coffee", "skimage", "data/coffee.png", _WIDE, f"Rachel Michetti, {_CC0}"),
    Photograph("coins", "skimage", "data/coins.png", _ROWS, "no known restrictions"),
    Photograph("flower", "sklearn", "datasets/images/flower.jpg", _WIDE, "vultilion, CC BY 2.0"),
    Photograph("grass", "skimage", "data/grass.png", _TEXTURE, _CC0),
    Photograph("gravel", "skimage", "data/gravel.png", _TEXTURE, _CC0),
    Photograph("hubble", "skimage", "data/hubble_deep_field.jpg", _TEXTURE, f"NASA, {_PUBLIC}"),
    Photograph("ihc", "skimage", "data/ihc.png", _TEXTURE, "no known restrictions"),
    Photograph(
        "motorcycle", "skimage", "data/motorcycle_left.png", _WIDE, "Middlebury stereo 2014"
    ),
    Photograph("retina", "skimage", "data/retina.jpg", _TEXTURE, _CC0),
    Photograph("rocket", "skimage", "data/rocket.jpg", _WIDE, f"SpaceX, {_PUBLIC}"),
)
_PIP = "pip install 'invariscope[demo]'"


@SOURCES.register("samples")
class SamplesSource(ImageSource):
    """Square crops of the photographs in scikit-image and scikit-learn; unlabelled.

    Args:
        argument: Must be None; the name takes no argument.

    Raises:
        InputError: One of the two packages is not installed.

    Example:
        >>> source = SamplesSource()
        >>> source.ids[:2], len(set(source.ids)) >= 64
        (['astronaut/0', 'astronaut/1'], True)
        >>> source.load(0).size
        (512, 512)
    """

    concurrent = True

    def __init__(self, argument: str | None = None):
        if argument is not None:
            raise InputError(f"samples:{argument}: it takes no argument; write samples")
        self.name = "samples"
        self._crops: list[tuple[Path, Grid, int, int]] = []
        ids: list[str] = []
        missing: list[str] = []
        present = []
        for photograph in PHOTOGRAPHS:
            file = _package(photograph.package) / photograph.file
            if not file.is_file():
                missing.append(photograph.name)
                continue
            present.append(photograph)
            crops = list(_grid_cells(photograph.grids))
            ids += [f"{photograph.name}/{number}" for number in range(len(crops))]
            self._crops += [(file, *crop) for crop in crops]
        if not ids:
            raise InputError(f"samples: the packages hold no photographs any more: {_PIP}")
        self.ids = ids
        self.notes = _notes(len(ids), present, missing)

    def load(self, index: int) -> Image.Image:
        """Returns the RGB crop at a position."""
        file, (fraction, columns, rows), column, row = self._crops[index]
        picture = decode(file, self.ids[index])
        side = round(min(picture.size) * fraction)
        left = _offset(picture.width - side, column, columns)
        top = _offset(picture.height - side, row, rows)
        return picture.crop((left, top, left + side, top + side))


def _package(name: str) -> Path:
    folder = package_folder(name)
    if folder is None:
        known = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
        raise InputError(f"samples needs the package {known[name]}: {_PIP}")
    return folder


def _grid_cells(grids: Sequence[Grid]) -> list[tuple[Grid, int, int]]:
    return [
        (grid, column, row) for grid in grids for row in range(grid[2]) for column in range(grid[1])
    ]


def _offset(room: int, position: int, count: int) -> int:
    """Evenly from edge to edge; a single one sits in the middle."""
    return round(room * (position / (count - 1) if count > 1 else 0.5))


def _notes(count: int, present: Sequence[Photograph], missing: Sequence[str]) -> list[str]:
    credits = "; ".join(f"{photograph.name}: {photograph.credit}" for photograph in present)
    notes = [
        f"{count} crops of {len(present)} photographs inside the scikit-image and scikit-learn "
        "packages; crops of one photograph are not independent, so true intervals are wider",
        f"pictures: {credits}",
    ]
    if missing:
        notes.append(f"not in the installed packages: {', '.join(missing)}")
    return notes
