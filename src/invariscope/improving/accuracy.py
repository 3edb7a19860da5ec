"""Asks which images a model is right about, before and after, image by image."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from invariscope.data import UnreadableImage
from invariscope.devices import as_float
from invariscope.errors import InputError
from invariscope.improving.parts import Part
from invariscope.metrics.accuracy import first_answers
from invariscope.models import LOGITS, Probe
from invariscope.sweep.targets import IN_ORDER, match_classes
from invariscope.training.decoding import decoded
from invariscope.training.splits import Split

_BATCH = 128


def right_outputs(
    probe: Probe, part: Part, model_classes: str | Sequence[str] | None
) -> tuple[np.ndarray, str]:
    """Says which outputs are right answers for each class: bool [class, output]; and by which rule.

    Raises:
        InputError: The classes of the data are none of the model's.
    """
    in_order = model_classes == IN_ORDER
    named = probe if model_classes is None or in_order else probe.with_class_names(model_classes)
    match = match_classes(part, named, in_order=in_order)
    present = sorted(set(part.labels or ()))
    if match.outputs is None:
        raise InputError(
            f"the classes of {part.name} are none of the model's, so it cannot be tuned on them: "
            f"{match.decision}; `model_classes='order'` takes them in their order"
        )
    outputs = match.outputs.reshape(len(match.outputs), -1)
    right = np.zeros((len(outputs), probe.num_outputs or 0), dtype=bool)
    for number, own in enumerate(outputs):
        right[number, own[own >= 0]] = True
    lost = [number for number in present if not right[number].any()]
    if lost:
        names = part.class_names or [str(number) for number in range(len(outputs))]
        raise InputError(
            f"the model has no output for {len(lost)} classes of {part.name}, such as "
            f"{names[lost[0]]}: leave their images out"
        )
    return right, match.decision


def answers(
    probe: Probe, part: Part, right: np.ndarray, workers: int | None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Tests a model on a part.

    Returns:
        Of the images that can be read: ids, labels [image], and whether each answer is right.
    """
    split = Split(part, list(range(len(part))))
    images = enumerate(decoded(split, probe.preprocessing.geometry, workers))
    places: list[int] = []
    correct: list[np.ndarray] = []
    while chunk := list(islice(images, _BATCH)):
        pairs = [(k, image) for k, image in chunk if not isinstance(image, UnreadableImage)]
        for batch in _of_one_size(pairs):
            pixels = as_float(torch.stack([image for _, image in batch]))
            logits = probe.forward(pixels.to(probe.device), [LOGITS]).vectors[LOGITS]
            own = [place for place, _ in batch]
            answer = first_answers(logits).cpu().numpy()
            correct.append(right[split.labels[own], answer] & (answer >= 0))
            places += own
    if not places:
        raise InputError(f"{part.name}: no image can be read")
    order = np.argsort(places)
    chosen = np.array(places)[order]
    ids = [str(part.ids[place]) for place in chosen.tolist()]
    return ids, split.labels[chosen], np.concatenate(correct)[order]


def _of_one_size(pairs: list[tuple[int, Tensor]]) -> list[list[tuple[int, Tensor]]]:
    sizes: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
    for place, image in pairs:
        sizes.setdefault((*image.shape, image.dtype.itemsize), []).append((place, image))
    return list(sizes.values())
