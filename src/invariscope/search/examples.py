"""Chooses the pairs that a search shows as pictures, and takes the pictures.

Of the operations that are on top of a class, each is shown in the class that it helps most, the
largest relative change first; where there are fewer operations than places, further classes follow
in the same order. In each class three pairs: the one that the operation helps most, the median one,
and the one that it hurts most. The first alone would mislead: the largest of many is large by luck.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from invariscope.devices import as_float
from invariscope.runs.bands import as_colour
from invariscope.runs.subject import Subject
from invariscope.search.example_files import ROLES, Example
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
    """Chooses the classes that are shown, each with its top operation."""
    tops = factors.ranks.tops
    tops = tops[
        (tops["by"] == "relative_change") & (tops["among"] == "all")
        & (tops["class"] != OVERALL) & (tops["kind"] != IDENTITY)
    ].sort_values("value", ascending=False, kind="stable")  # fmt: skip
    again = tops.duplicated("operation")
    chosen = [*tops.index[~again], *tops.index[again]][:CLASSES]
    shown = tops.loc[tops.index.isin(chosen)]
    return [(str(k), str(v)) for k, v in zip(shown["class"], shown["operation"], strict=True)]


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
