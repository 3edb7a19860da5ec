"""Everything that a search's numbers depend on, checked and resolved before the first block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from invariscope.data import ImageSource, fingerprint, open_source
from invariscope.devices import as_float, choose_device
from invariscope.errors import InputError
from invariscope.models import PreprocessingLike, Probe, load_model
from invariscope.registry import unknown_name
from invariscope.search.operations import ALL, Operation, get_operations, unique_operations
from invariscope.search.pairs import class_pairs
from invariscope.search.result import COMMAND
from invariscope.search.rows import PAIRS_PER_BLOCK
from invariscope.sweep.bands import check_colour, colour_bands, left_out, matched, said
from invariscope.sweep.loading import Picture, first_picture, random_images, size_note
from invariscope.sweep.prepare import steadiness
from invariscope.sweep.record import environment, execution, head, value_range_of
from invariscope.transformations import FAMILIES, Transformation

DEFAULT_PAIRS = 64
EMBEDDING = "embedding"
_SHOWN = 5


@dataclass(frozen=True)
class Search:
    """A search that is ready to start.

    Attributes:
        probe: The model.
        source: The images.
        operations: The pool, in the order of the table.
        unique: What is computed, by key.
        pairs: int64 [pair, 3]: number of the class, positions in the source of anchor and other.
        seed: The run's seed.
        decoded: Pictures that are decoded already.
        manifest: The manifest at the start.
    """

    probe: Probe
    source: ImageSource
    operations: tuple[Operation, ...]
    unique: dict[tuple[str, ...], Operation]
    pairs: np.ndarray
    seed: int
    decoded: dict[int, Picture]
    manifest: dict[str, Any]

    @property
    def blocks(self) -> list[np.ndarray]:
        """The pairs of each block."""
        starts = range(0, len(self.pairs), PAIRS_PER_BLOCK)
        return [self.pairs[start : start + PAIRS_PER_BLOCK] for start in starts]

    def passes(self, block: np.ndarray) -> int:
        """Images that go through the network for a block.

        Each of its images once as it is, each second image once for every computed operation.
        """
        return len(np.unique(block[:, 1:])) + len(np.unique(block[:, 2])) * len(self.unique)


def prepare_search(
    model: Any,
    images: Any,
    *,
    operations: str | Sequence[str | Transformation | Operation] = ALL,
    pairs: int = DEFAULT_PAIRS,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    shear_centre: str = "corner",
    preprocessing: PreprocessingLike | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    value_range: Sequence[float] | None = None,
) -> Search:
    """Checks and resolves everything, and measures nothing yet. Arguments as for `find_factors`."""
    if pairs < 1:
        raise InputError(f"pairs must be at least 1 per class, not {pairs}")
    pool = get_operations(operations, shear_centre)
    source = open_source(images, value_range)
    members = _members(source, classes)
    drawn = {name: _draw(source, positions, pairs, seed) for name, positions in members.items()}
    alone = [name for name, found in drawn.items() if not len(found)]
    paired = {name: found for name, found in drawn.items() if len(found)}
    if not paired:
        raise InputError(
            f"{source.name}: no class has two images, so there are no pairs; give classes of two "
            "images or more"
        )
    table = np.concatenate(
        [np.column_stack([np.full(len(p), k), p]) for k, p in enumerate(paired.values())]
    )
    probe = load_model(
        model,
        preprocessing=preprocessing,
        task=task,
        embedding=embedding,
        output_key=output_key,
        seed=seed,
    ).to(choose_device(device))
    source = matched(source, probe.preprocessing)
    order = list(dict.fromkeys(table[:, 1:].ravel().tolist()))
    example, decoded = first_picture(source, probe.preprocessing, order)
    random = random_images(source, probe.preprocessing, order, decoded)
    assert example.pixels is not None
    bands = len(example.pixels)
    probe = probe.for_bands(bands)
    colours = colour_bands(source, probe.preprocessing, order, decoded, bands)
    pool, colourless = _acting(pool, colours, operations)
    shown = as_float(example.pixels)[None].to(probe.device)
    probe.watch("last", shown)
    manifest = _manifest(
        probe, source, pool, members, drawn, alone, table, pairs, seed, shear_centre
    )
    manifest["decisions"] = {
        **source.decisions, **said(bands, probe.preprocessing), **probe.decisions(shown)
    }  # fmt: skip
    manifest["warnings"] += [*probe.doubts(shown), *colourless]
    note = size_note(probe.preprocessing, example.size)
    manifest["warnings"] += [note] if note else []
    manifest["warnings"] += steadiness(probe, source, order, decoded)
    manifest["warnings"] += [random] if random else []
    search = Search(
        probe, source, pool, unique_operations(pool), table, seed, decoded, manifest
    )  # fmt: skip
    passes = sum(search.passes(block) for block in search.blocks)
    manifest["execution"] = execution(len(search.unique), passes)
    return search


def _acting(
    pool: tuple[Operation, ...], bands: int, asked: Any
) -> tuple[tuple[Operation, ...], list[str]]:
    """The operations that can act on pictures of so many bands, and a warning of the others."""
    without = [one.name for one in pool if bands != 3 and one.needs_colour]
    if not without:
        return pool, []
    words = asked.split(",") if isinstance(asked, str) else asked
    pools = {"all", "singles", "policies"}
    tabled = {
        one.name
        for word in words
        if isinstance(word, str) and word.strip() in pools
        for one in get_operations(word)
    }
    named = [name for name in without if name not in tabled]
    check_colour(named, bands, bool(named))
    kept = tuple(one for one in pool if one.name not in without)
    return kept, [left_out([_listed(without)], bands)]


def _members(source: ImageSource, classes: Sequence[str] | None) -> dict[str, np.ndarray]:
    """The positions of the images of each class, by its name."""
    labels = None if source.labels is None else np.asarray(source.labels)
    if labels is None or not (labels >= 0).any():
        reason = "has no labels" if labels is None else "tells no label before an image is decoded"
        raise InputError(
            f"{source.name} {reason}: factors pairs images of the same class, so it must know the "
            "class of each; give a folder with one sub-folder per class, a labelled data set, or "
            "(images, labels)"
        )
    names = source.class_names
    found: dict[str, np.ndarray] = {}
    for label in np.unique(labels[labels >= 0]).tolist():
        name = str(label) if names is None else str(names[label])
        # two classes of ImageNet are called "crane"
        found[f"{name} ({label})" if name in found else name] = np.flatnonzero(labels == label)
    if classes is None:
        return found
    # A name may hold commas itself; a list of names has them in between.
    classes = [
        part.strip() for name in classes for part in ([name] if name in found else name.split(","))
    ]
    for name in classes:
        if name not in found:
            raise unknown_name("class", name, found)
    if not classes:
        raise InputError("no class is named; leave the option out for all")
    return {name: positions for name, positions in found.items() if name in set(classes)}


def _draw(source: ImageSource, positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    ids = [source.ids[int(position)] for position in positions]
    return positions[class_pairs(ids, count, seed)]


def _manifest(
    probe: Probe,
    source: ImageSource,
    pool: tuple[Operation, ...],
    members: dict[str, np.ndarray],
    drawn: dict[str, np.ndarray],
    alone: list[str],
    table: np.ndarray,
    pairs: int,
    seed: int,
    shear_centre: str,
) -> dict[str, Any]:
    """The manifest of a search; `settings` is what must match on resuming."""
    used = np.unique(table[:, 1:])
    wnids = dict(zip(source.class_names or (), source.class_ids or (), strict=False))
    columns = {key: column for column, key in enumerate(unique_operations(pool))}
    settings = {
        "model": probe.spec,
        "weights": probe.weights_hash,
        "preprocessing": probe.preprocessing.as_dict(),
        "data": source.name,
        **value_range_of(source),
        "seed": seed,
        "pairs": pairs,
        "images": fingerprint(source, table[:, 1:].ravel().tolist()),
        "block_size": PAIRS_PER_BLOCK,
        "classes": [
            {
                "name": name,
                "wnid": wnids.get(name),
                "images": len(members[name]),
                "pairs": len(found),
            }
            for name, found in drawn.items()
            if len(found)
        ],
        "operations": [
            {**operation.as_dict(), "column": columns.get(operation.key)} for operation in pool
        ],
        "shear_centre": shear_centre,
    }
    return {
        **head(settings),
        "command": COMMAND,
        "images": {
            "selected": len(used),
            "available": len(source.ids),
            "skipped": [],
            "notes": list(source.notes),
        },
        "transformations": {name: FAMILIES.get(name).as_dict() for name in FAMILIES},
        "environment": environment(str(probe.device)),
        "execution": {},
        "warnings": _warnings(source, members, drawn, alone),
    }


def _warnings(
    source: ImageSource,
    members: dict[str, np.ndarray],
    drawn: dict[str, np.ndarray],
    alone: list[str],
) -> list[str]:
    warnings = []
    if alone:
        warnings.append(
            f"left out {len(alone)} of {len(members)} classes, which have a single image: "
            + _listed(alone)
        )
    again = [name for name, found in drawn.items() if 2 * len(found) > len(members[name])]
    if again:
        warnings.append(
            f"{len(again)} of {len(members)} classes have fewer images than two for each pair, so "
            f"images come back in other pairs and true intervals are wider: {_listed(again)}"
        )
    unknown = 0 if source.labels is None else int((np.asarray(source.labels) < 0).sum())
    if unknown:
        warnings.append(f"left out {unknown} images without a label")
    return warnings


def _listed(names: list[str]) -> str:
    more = f", … {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
