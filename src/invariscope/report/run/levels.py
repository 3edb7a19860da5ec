"""Rebuilds the levels of a family as the run used them: their names and their pictures.

A run names its families; here they are rebuilt from the manifest, so that the page shows the very
operation that was measured. A family that this installation does not know (one made from a
function, or of a plug-in that is absent) has its magnitudes as labels and no pictures.
"""

from collections.abc import Sequence

import numpy as np
import torch

from invariscope.errors import InputError
from invariscope.report.kit.pictures import SIDE, Thumbnail, jpeg
from invariscope.report.kit.words import magnitude_text
from invariscope.report.run.readings import Readings
from invariscope.results.resampling import resampling_of
from invariscope.transformations import Transformation, get_transformation


def levels_of(readings: Readings, name: str) -> list[tuple[int, float, str]]:
    """(level, magnitude, unit) of every measured level of a family, ascending."""
    if name in readings.levels:
        return readings.levels[name]
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
    measured = zip(*columns, strict=True)
    readings.levels[name] = [
        (level, magnitude, planned.get(level, unit)) for level, magnitude, unit in measured
    ]
    return readings.levels[name]


def transformation_of(readings: Readings, name: str) -> Transformation | None:
    """The family as the run used it, or None if this installation cannot rebuild it."""
    settings = readings.settings
    table = str(settings.get("table", "standard"))
    resampling = resampling_of(settings, name)
    levels = levels_of(readings, name)
    own = "/".join(f"{magnitude!r}" for level, magnitude, _ in levels if level > 0)
    for spec in (name, f"{name}={own}"):
        try:
            family = get_transformation(spec, table, resampling)
        except InputError:
            continue
        if all(
            level < len(family.magnitudes) and np.isclose(family.magnitudes[level], magnitude)
            for level, magnitude, _ in levels
        ):
            return family
    return None


def level_names(readings: Readings, name: str) -> dict[int, str]:
    """A short label for every measured level, such as "±40°"."""
    if name in readings.level_names:
        return readings.level_names[name]
    family = transformation_of(readings, name)
    labels = readings.level_names[name] = {}
    levels = levels_of(readings, name)
    switch = all(magnitude in (0, 1) for _, magnitude, _ in levels)
    for level, magnitude, unit in levels:
        if unit == "" and not switch:  # three levels and no unit: numbers, not "on" twice
            labels[level] = f"{magnitude:.3g}"
        elif family is not None and family.family.members:
            labels[level] = family.describe(level)
        elif family is None or not family.signed or family.is_identity(level):
            labels[level] = magnitude_text(magnitude, unit)
        elif unit == "×":
            labels[level] = family.describe(level)
        else:
            labels[level] = f"±{magnitude_text(magnitude, unit)}"
    return labels


def all_level_names(readings: Readings) -> dict[tuple[str, int], str]:
    """The label of every measured level of every family."""
    return {
        (name, level): label
        for name in readings.transformations
        for level, label in level_names(readings, name).items()
    }


def strip(
    readings: Readings, name: str, levels: Sequence[int] | None = None, side: int = SIDE
) -> list[Thumbnail]:
    """The example image at levels of a family, all measured ones unless named.

    Their longer side is as long as asked. There are none where the run has kept no image, or where
    the family cannot be rebuilt.
    """
    example, family = readings.result.example, transformation_of(readings, name)
    if example is None or family is None:
        return []
    images = torch.from_numpy(np.ascontiguousarray(example)).permute(2, 0, 1)[None].float() / 255
    seed = int(readings.settings.get("seed", 0))
    shown = []
    labels = level_names(readings, name)
    for level in levels or labels:
        moved = family(images, level, seed=seed, image_ids=[readings.example_id])
        pixels = (moved[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        words = f"{name} at level {level}: {family.describe(level)}"
        shown.append(Thumbnail(labels.get(level, ""), words, jpeg(pixels, side)))
    return shown
