"""Chooses the pairs that a search shows as pictures, and takes the pictures.

In each class the family that closes the largest share of what is found (`search.factor_table`), at
the level that brings pairs closest: the largest mean of the changes above 0, since what a symmetric
variation gains for one pair it loses for another. The largest share comes first; families that were
not shown yet go before those that were. Where places are left, classes follow in which nothing is
found, with the operation on top of the paper's ranking (`search.ranks`), in the same order. In each
class three pairs: the one that the operation helps most, the median one, and the one that it hurts
most. The first alone would mislead: the largest of many is large by luck.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from invariscope.devices import as_float
from invariscope.runs.bands import as_colour
from invariscope.runs.subject import Subject
from invariscope.search.example_files import ROLES, Example
from invariscope.search.factor_table import SURE
from invariscope.search.ranks import BY
from invariscope.search.result import Factors
from invariscope.search.table import OVERALL
from invariscope.transformations import IDENTITY, Operation

CLASSES = 6
SIDE = 112


def take_examples(
    subject: Subject, operations: Sequence[Operation], factors: Factors
) -> tuple[Example, ...]:
    """Takes the example pairs of a finished search; their images are decoded once more.

    Args:
        subject: The images.
        operations: The pool.
        factors: The result of the search.
    """
    by_name = {operation.name: operation for operation in operations}
    position = {subject.source.ids[index]: index for index in subject.selected}
    seed = factors.manifest["settings"]["seed"]
    taken = []
    for class_name, name in shown_classes(factors):
        pairs = factors.pairs(class_name)
        for role, row in _roles(pairs[name].to_numpy(dtype=float)):
            anchor, partner = str(pairs["first"].iloc[row]), str(pairs["second"].iloc[row])
            indices = (position[image] for image in (anchor, partner))
            frames = [subject.load(subject.source, index).pixels for index in indices]
            first, second = (None if frame is None else as_float(frame)[None] for frame in frames)
            if first is None or second is None:  # it was readable when the pair was measured
                continue
            moved = by_name[name](second, seed, [partner])
            first, second, moved = as_colour(first), as_colour(second), as_colour(moved)
            taken.append(
                Example(
                    class_name, name, role, anchor, partner,
                    float(pairs["before"].iloc[row]), float(pairs[name].iloc[row]),
                    _reduced(torch.cat([first, second, moved])),
                )
            )  # fmt: skip
    return tuple(taken)


def shown_classes(factors: Factors) -> list[tuple[str, str]]:
    """Chooses the classes that are shown, each with its operation."""
    found = [(name, family, _best_level(factors, name, family)) for name, family in _found(factors)]
    with_find = {name for name, _, _ in found}
    tops = factors.ranks.tops
    tops = tops[
        (tops["by"] == BY[0]) & (tops["among"] == "all")
        & (tops["class"] != OVERALL) & (tops["kind"] != IDENTITY)
    ].sort_values("value", ascending=False, kind="stable")  # fmt: skip
    rest = [
        (str(name), str(operation), str(operation))
        for name, operation in zip(tops["class"], tops["operation"], strict=True)
        if name not in with_find
    ]
    chosen = [*_new_first(found), *_new_first(rest)][:CLASSES]
    return [(name, operation) for name, _, operation in chosen]


def _found(factors: Factors) -> list[tuple[str, str]]:
    """Lists (class, family) of the largest share found in each class, the largest first."""
    table = factors.factors
    # Of opposite families (zoom in, zoom out) the one whose levels did it.
    table = table.assign(acted=table["low"].notna())[table["q"] < SURE]
    table = table.sort_values(["statistic", "acted"], ascending=False, kind="stable")
    best = table.drop_duplicates("class")
    return [(str(k), str(v)) for k, v in zip(best["class"], best["family"], strict=True)]


def _best_level(factors: Factors, name: str, family: str) -> str:
    """Finds the operation of a family that brings pairs of the class closest."""
    entries = factors.manifest["settings"]["operations"]
    levels = [
        entry["name"]
        for entry in entries
        if len(entry["steps"]) == 1 and entry["steps"][0]["family"] == family
    ]
    pairs = factors.pairs(name)
    gains = {level: float(pairs[level].clip(lower=0).mean()) for level in levels}
    return max(levels, key=lambda level: np.nan_to_num(gains[level], nan=-1.0))


def _new_first(shown: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Puts each family or operation once before any comes again."""
    seen, first, again = set[str](), list[tuple[str, str, str]](), list[tuple[str, str, str]]()
    for entry in shown:
        (again if entry[1] in seen else first).append(entry)
        seen.add(entry[1])
    return first + again


def _roles(changes: np.ndarray) -> Iterator[tuple[str, int]]:
    """Lists (role, row) of the pairs that are shown, each once; only a negative change hurts."""
    order = np.argsort(-changes, kind="stable")
    order = order[np.isfinite(changes[order])].tolist()
    if not order:
        return
    rows = dict(zip(ROLES, (order[0], order[len(order) // 2], order[-1]), strict=True))
    seen = set()
    for role, row in rows.items():
        if row not in seen and (role != "hurt" or changes[row] < 0):
            seen.add(row)
            yield role, row


def _reduced(images: Tensor) -> np.ndarray:
    """uint8 [image, height, width, 3], at most `SIDE` pixels on a side."""
    height, width = images.shape[-2:]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    if size != (height, width):
        images = nn.functional.interpolate(images, size, mode="bilinear", antialias=True)
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu().numpy()
