"""Finds the images, levels and metrics that runs have in common; only these are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from invariscope.errors import InputError
from invariscope.results.averages import cells_of, metrics_of
from invariscope.results.estimated import stopped_by_itself
from invariscope.results.measured import Measured
from invariscope.results.rows import RowStore


@dataclass(frozen=True)
class Agreement:
    """The images, levels and metrics that all runs have.

    Attributes:
        positions: For each run, the positions of the common images in its store, in the first run's
            order: row i is the same image everywhere.
        entries: The manifest's entries of the levels that all runs have, as the same operation.
        metrics: The metrics that all runs have.
        notes: What differs or is left out.
        anytime: Whether a run stopped by itself: what is compared then depends on what it saw.
    """

    positions: tuple[np.ndarray, ...]
    entries: tuple[dict[str, Any], ...]
    metrics: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    anytime: bool = False

    @property
    def images(self) -> int:
        """The number of common images."""
        return len(self.positions[0])

    @property
    def cells(self) -> dict[str, tuple[str, ...]]:
        """The distinct common cells of each transformation."""
        return cells_of(self.entries)


def agree(results: Sequence[Measured]) -> Agreement:
    """Finds what the runs have in common.

    Raises:
        InputError: Fewer than two runs; other data; fewer than two common images; no common metric.
    """
    if len(results) < 2:
        raise InputError(f"{len(results)} run: give two or more to compare")
    settings = [result.manifest["settings"] for result in results]
    for later in settings[1:]:
        if later["data"] != settings[0]["data"]:
            raise InputError(
                f"the runs are on different data ({settings[0]['data']} and {later['data']}): "
                "measure all models on the same images"
            )
    notes: list[str] = []
    positions = _places(results, notes)
    entries = _entries(settings, notes)
    metrics = _metrics(results, notes)
    notes += _other_orbits(results, metrics)
    notes += _differences(settings)
    anytime = any(stopped_by_itself(result.manifest) for result in results)
    return Agreement(positions, entries, metrics, notes, anytime)


def _places(results: Sequence[Measured], notes: list[str]) -> tuple[np.ndarray, ...]:
    stores = [result.store for result in results]
    named = set(stores[0].images).intersection(*(store.images for store in stores[1:]))
    changed = [image for image in other_contents(stores) if image in named]
    common = named.difference(changed)
    said = ""
    if changed:
        said = f"{len(changed)} images of equal ids have other contents, the first: {changed[0]}"
        notes.append(f"left out: {said}")
    if len(common) < 2:
        raise InputError(
            f"the runs share {len(common)} images{said and ' (' + said + ')'}: measure all models "
            "with the same data, `num_images` and `seed`"
        )
    order = [image for image in stores[0].images if image in common]
    if any(len(store.images) > len(common) for store in stores):
        notes.append(f"compared on the {len(common)} images that all runs have")
    positions = []
    for store in stores:
        position = {image: number for number, image in enumerate(store.images)}
        positions.append(np.array([position[image] for image in order]))
    return tuple(positions)


def other_contents(stores: Sequence[RowStore]) -> list[str]:
    """Lists the images whose contents differ between runs though their ids are equal, in order.

    Images whose content a run has not recorded count as the same.
    """
    first: dict[str, str] = {}
    return list(
        dict.fromkeys(
            image
            for store in stores
            for image, digest in store.digests.items()
            if first.setdefault(image, digest) != digest
        )
    )


def _entries(settings: list[dict[str, Any]], notes: list[str]) -> tuple[dict[str, Any], ...]:
    # By what is done to the image: what is level 2 of one run may be level 1 of another.
    known = [{_operation(entry) for entry in run["cells"]} for run in settings]
    common = set.intersection(*known)
    entries = tuple(entry for entry in settings[0]["cells"] if _operation(entry) in common)
    lost = len(set().union(*known) - common)
    if lost:
        notes.append(f"levels that not all runs have are left out: {lost}")
    return entries


def _operation(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["transformation"], entry["cell"]


def _metrics(results: Sequence[Measured], notes: list[str]) -> tuple[str, ...]:
    known = [metrics_of(result.store, result.manifest) for result in results]
    metrics = tuple(name for name in known[0] if all(name in names for names in known[1:]))
    if not metrics:
        raise InputError(
            "the runs have no metric in common: measure all models with the same `metrics`"
        )
    lost = sorted(set().union(*known).difference(metrics))
    if lost:
        notes.append(f"metrics that not all runs have are left out: {', '.join(lost)}")
    return metrics


def _other_orbits(results: Sequence[Measured], metrics: Sequence[str]) -> list[str]:
    """Warns where orbits differ: their metrics compare with the mean over all levels of a run."""
    known = results[0].manifest["metrics"]
    orbits = [name for name in metrics if known.get(name, {}).get("at_identity")]
    levels = [cells_of(result.manifest["settings"]["cells"]) for result in results]
    names = [
        name
        for name in levels[0]
        if any(name in own and set(own[name]) != set(levels[0][name]) for own in levels)
    ]
    if not orbits or not names:
        return []
    return [
        f"{', '.join(orbits)} under {', '.join(names)}: the runs have other levels and so other "
        "orbits; these numbers are not of the same thing"
    ]


def _differences(settings: list[dict[str, Any]]) -> list[str]:
    """Lists settings that change the transformed images though the cells have equal names."""
    notes = []
    if len({run["seed"] for run in settings}) > 1:
        notes.append("the seeds differ: directions drawn per image are not the same in all runs")
    for key in ("border", "fill", "interpolation"):
        choices = list(dict.fromkeys(str(run.get(key)) for run in settings))
        if len(choices) > 1:
            notes.append(f"{key} differs between the runs: {', '.join(choices)}")
    return notes
