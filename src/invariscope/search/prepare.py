"""Checks and resolves everything that a search's numbers depend on, before the first block."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariscope.data import ImageSource, open_source
from invariscope.data.labels import distinct_names
from invariscope.errors import InputError, first_of
from invariscope.registry import unknown_name
from invariscope.runs.bands import acting
from invariscope.runs.manifest import new_manifest
from invariscope.runs.subject import Subject, open_subject
from invariscope.search.job import EMBEDDING, ClassPlan, Search
from invariscope.search.operations import POOLS, get_operations, unique_operations
from invariscope.search.pairs import class_pairs, moved_images
from invariscope.search.request import SearchRequest
from invariscope.search.result import COMMAND
from invariscope.search.rows import MOVED_PER_BLOCK
from invariscope.search.stepwise import FEWEST
from invariscope.seeding import uniform
from invariscope.transformations import FAMILIES, Operation

#: How many images of a class meet each other, and how many of other classes they meet.
MEETING = 128
STRANGERS = 64


def prepare_search(request: SearchRequest) -> Search:
    """Checks and resolves everything, and measures nothing yet."""
    if request.pairs < 1:
        raise InputError(f"pairs must be at least 1 per class, not {request.pairs}")
    pool = get_operations(request.operations, request.shear_centre)
    source = open_source(request.images, request.value_range)
    members = _members(source, request.classes)
    shuffled = _shuffled(source, request.seed)
    plans = {
        name: _plan(source, positions, request.pairs, request.seed, shuffled)
        for name, positions in members.items()
    }
    paired = [plan for plan in plans.values() if len(plan.pairs)]
    if not paired:
        raise InputError(
            f"{source.name}: no class has two images, so there are no pairs; give classes of two "
            "images or more"
        )
    looked = np.concatenate([plan.images for plan in paired])
    order = list(dict.fromkeys(looked.tolist()))
    subject = open_subject(request, source, order)
    pool, colourless = acting(pool, subject.colours, _tabled(request.operations))
    subject.probe.watch("last", subject.shown)
    warnings = [*_warnings(source, members, plans), *subject.doubts(), *colourless]
    subject = subject.computed(request.arithmetic, [EMBEDDING])
    manifest = new_manifest(
        _settings(request, subject, pool, members, plans),
        subject.source,
        request,
        command=COMMAND,
        selected=len(order),
        device=str(subject.probe.device),
        decisions=subject.decisions(),
        warnings=warnings,
    )
    manifest["transformations"] = {name: FAMILIES.get(name).as_dict() for name in FAMILIES}
    search = Search(subject, pool, tuple(paired), request.seed, manifest)
    search.prepared = prepare_search, request
    return search


def _tabled(asked: Any) -> set[str]:
    """Lists the names of the operations that were chosen by the name of their pool."""
    words = asked.split(",") if isinstance(asked, str) else asked
    pools = [word for word in words if isinstance(word, str) and word.strip() in POOLS]
    return {operation.name for pool in pools for operation in get_operations(pool)}


def _members(source: ImageSource, classes: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Finds the positions of the images of each class, by its name."""
    labels = None if source.labels is None else np.asarray(source.labels)
    if labels is None or not (labels >= 0).any():
        reason = "has no labels" if labels is None else "tells no label before an image is decoded"
        raise InputError(
            f"{source.name} {reason}: factors pairs images of the same class, so it must know the "
            "class of each; give a folder with one sub-folder per class, a labelled data set, or "
            "(images, labels)"
        )
    names = None if source.class_names is None else distinct_names(source.class_names)
    members: dict[str, np.ndarray] = {}
    for label in np.unique(labels[labels >= 0]).tolist():
        name = str(label) if names is None else names[label]
        members[name] = np.flatnonzero(labels == label)
    if classes is None:
        return members
    # A name may hold commas itself; a list of names has them in between.
    classes = [
        part.strip() for own in classes for part in ([own] if own in members else own.split(","))
    ]
    for name in classes:
        if name not in members:
            raise unknown_name("class", name, members)
    if not classes:
        raise InputError("no class is named; leave the option out for all")
    return {name: positions for name, positions in members.items() if name in set(classes)}


def _shuffled(source: ImageSource, seed: int) -> np.ndarray:
    """Puts the labelled images into a drawn order."""
    labelled = np.flatnonzero(np.asarray(source.labels) >= 0)
    keys = uniform(seed, "factors:strangers", [source.ids[int(k)] for k in labelled])
    return labelled[np.argsort(keys, kind="stable")]


def _plan(
    source: ImageSource, positions: np.ndarray, count: int, seed: int, shuffled: np.ndarray
) -> ClassPlan:
    """Draws the pairs of a class, and the images of other classes that it meets."""
    ids = [source.ids[int(position)] for position in positions]
    pairs = class_pairs(ids, count, seed)
    moved = positions[moved_images(pairs, len(ids), count)]
    # members of the class are at most so many among the first ones
    first = shuffled[: STRANGERS + len(positions)]
    strangers = first[~np.isin(first, positions)][:STRANGERS]
    return ClassPlan(positions[pairs], moved, moved[:MEETING], strangers)


def _settings(
    request: SearchRequest,
    subject: Subject,
    pool: tuple[Operation, ...],
    members: dict[str, np.ndarray],
    plans: dict[str, ClassPlan],
) -> dict[str, Any]:
    """Collects the settings that must match on resuming."""
    source = subject.source
    wnids = dict(
        zip(distinct_names(source.class_names or ()), source.class_ids or (), strict=False)
    )
    columns = {key: column for column, key in enumerate(unique_operations(pool))}
    return {
        **subject.settings(request.seed),
        "pairs": request.pairs,
        "block_size": MOVED_PER_BLOCK,
        "classes": [
            {
                "name": name,
                "wnid": wnids.get(name),
                "images": len(members[name]),
                "pairs": len(plan.pairs),
                "moved": len(plan.moved),
            }
            for name, plan in plans.items()
            if len(plan.pairs)
        ],
        "operations": [
            {**operation.as_dict(), "column": columns.get(operation.key)} for operation in pool
        ],
        "shear_centre": request.shear_centre,
    }


def _warnings(
    source: ImageSource, members: dict[str, np.ndarray], plans: dict[str, ClassPlan]
) -> list[str]:
    warnings = []
    drawn = {name: plan.pairs for name, plan in plans.items()}
    alone = [name for name, pairs in drawn.items() if not len(pairs)]
    if alone:
        warnings.append(
            f"left out {len(alone)} of {len(members)} classes, which have a single image: "
            + first_of(alone)
        )
    again = [name for name, pairs in drawn.items() if 2 * len(pairs) > len(members[name])]
    if again:
        warnings.append(
            f"{len(again)} of {len(members)} classes have fewer images than two for each pair, so "
            f"images come back in other pairs and true intervals are wider: {first_of(again)}"
        )
    few = [name for name, plan in plans.items() if len(plan.pairs) and len(plan.moved) < FEWEST]
    if any(len(plan.strangers) < FEWEST for plan in plans.values()):
        warnings.append(
            f"fewer than {FEWEST} images of other classes: what varies is told against other "
            "classes, so that no family can be found; give data with two classes or more"
        )
    elif few:
        warnings.append(
            f"{len(few)} of {len(members)} classes have fewer than {FEWEST} images that are "
            f"transformed, so that no family can be found in them: {first_of(few)}"
        )
    unknown = 0 if source.labels is None else int((np.asarray(source.labels) < 0).sum())
    if unknown:
        warnings.append(f"left out {unknown} images without a label")
    return warnings
