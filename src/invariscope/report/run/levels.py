"""The levels of a family as the run used them: what they are called, and their pictures.

A run names its families; here they are rebuilt from the manifest, so that the page shows the very
operation that was measured. A family that this installation does not know (one made from a
function, or of a plug-in that is absent) has its magnitudes as labels and no pictures.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from invariscope.errors import InputError
from invariscope.report.kit.words import magnitude_text
from invariscope.report.run.readings import Readings
from invariscope.transformations import Resampling, Transformation, get_transformation

THUMBNAIL = 112
QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """The example at one level: what the level is called, said in full, and the picture."""

    caption: str
    alternative: str
    uri: str


def levels_of(readings: Readings, name: str) -> list[tuple[int, float, str]]:
    """(level, magnitude, unit) of every measured level of a family, ascending."""
    rows = readings.overall
    rows = rows[(rows["transformation"] == name) & (rows["control"] == "")]
    rows = rows.drop_duplicates("level").sort_values("level")
    columns = (rows["level"].astype(int), rows["magnitude"].astype(float), rows["unit"].astype(str))
    # The manifest's first: beside a Lie derivative stands the unit of the value, not of the level.
    planned = {
        cell["level"]: str(cell["unit"])
        for cell in readings.settings.get("cells", ())
        if cell["transformation"] == name and "unit" in cell
    }
    found = zip(*columns, strict=True)
    return [(level, magnitude, planned.get(level, unit)) for level, magnitude, unit in found]


def transformation_of(readings: Readings, name: str) -> Transformation | None:
    """The family as the run used it, or None if this installation cannot rebuild it."""
    settings = readings.settings
    table = str(settings.get("table", "standard"))
    asked = Resampling(
        interpolation=settings.get("interpolation", "bilinear"),
        border=settings.get("border", "zeros"),
        fill=float(settings.get("fill", 0.0)),
    )
    # The default stands for "as the table says": the search table has a fill and centre of its own.
    resampling = None if asked == Resampling() else asked
    levels = levels_of(readings, name)
    own = "/".join(f"{magnitude!r}" for level, magnitude, _ in levels if level > 0)
    for spec in (name, f"{name}={own}"):
        try:
            found = get_transformation(spec, table, resampling)
        except InputError:
            continue
        if all(
            level < len(found.magnitudes) and np.isclose(found.magnitudes[level], magnitude)
            for level, magnitude, _ in levels
        ):
            return found
    return None


def level_labels(readings: Readings, name: str) -> list[str]:
    """A short label for every measured level, such as "±40°"."""
    family = transformation_of(readings, name)
    labels = []
    for level, magnitude, unit in levels_of(readings, name):
        if family is not None and family.family.members:
            labels.append(family.describe(level))
        elif family is None or not family.signed or family.is_identity(level):
            labels.append(magnitude_text(magnitude, unit))
        elif unit == "×":
            labels.append(family.describe(level))
        else:
            labels.append(f"±{magnitude_text(magnitude, unit)}")
    return labels


def strip(readings: Readings, name: str) -> list[Thumbnail]:
    """The example image at every measured level of a family; empty without image or family."""
    picture, family = readings.result.example, transformation_of(readings, name)
    if picture is None or family is None:
        return []
    images = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
    seed = int(readings.settings.get("seed", 0))
    labels = level_labels(readings, name)
    levels = [level for level, _, _ in levels_of(readings, name)]
    return [
        _thumbnail(readings, name, family, images, level, label, seed)
        for level, label in zip(levels, labels, strict=True)
    ]


def thumbnail(readings: Readings, name: str, level: int) -> Thumbnail | None:
    """The example image at one level of a family; None without image or family."""
    picture, family = readings.result.example, transformation_of(readings, name)
    if picture is None or family is None:
        return None
    images = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
    seed = int(readings.settings.get("seed", 0))
    return _thumbnail(readings, name, family, images, level, family.describe(level), seed)


def _thumbnail(
    readings: Readings,
    name: str,
    family: Transformation,
    images: torch.Tensor,
    level: int,
    label: str,
    seed: int,
) -> Thumbnail:
    moved = family(images, level, seed=seed, image_ids=[readings.example_id])
    uri = _jpeg((moved[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
    return Thumbnail(label, f"{name} at level {level}: {family.describe(level)}", uri)


def _jpeg(picture: np.ndarray) -> str:
    image = Image.fromarray(picture)
    # Small images (CIFAR, MNIST) are enlarged without smoothing: these pixels were measured.
    smooth = min(image.size) >= THUMBNAIL
    size = _thumbnail_size(image.size)
    image = image.resize(size, Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _thumbnail_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = THUMBNAIL / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
