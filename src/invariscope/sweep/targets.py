"""Which outputs of the model stand for which class of the data; without them, no accuracy."""

from collections.abc import Sequence

import numpy as np

from invariscope.data import ImageSource
from invariscope.models import Probe


def class_targets(source: ImageSource, probe: Probe) -> tuple[np.ndarray | None, str]:
    """The model's output index for each class of the data, and a note for the report.

    What the source says itself about ImageNet's outputs comes first (several may be right). Then
    class names that are WordNet ids ("n02123045") are looked up among the model's; else as many
    classes as outputs are taken in their order; else labels without names are taken as outputs.
    Anything else is no basis for an accuracy.

    Returns:
        (outputs [class], or [class, most] filled up with -1, or None; one line or "").
    """
    labels = source.labels
    if labels is None or len(labels) == 0:
        return None, ""
    if probe.num_outputs is None:
        return None, "accuracy is not measured: the model gives no class scores"
    names, outputs = source.class_names, probe.num_outputs
    if names is None:
        highest = int(max(labels))
        if highest < outputs:
            return np.arange(outputs), ""
        return (
            None,
            f"accuracy is not measured: a label is {highest}, the model has {outputs} outputs",
        )
    if probe.class_ids is not None and source.imagenet_outputs is not None:
        several = sum(len(right) > 1 for right in source.imagenet_outputs)
        return _filled(source.imagenet_outputs), (
            f"an answer counts as right if it is an ImageNet class at or below the class of the "
            f"data in WordNet; {several} of the {len(names)} classes have several of them"
        )
    if probe.class_ids is not None and set(names) <= set(probe.class_ids):
        place = {name: index for index, name in enumerate(probe.class_ids)}
        return np.array([place[name] for name in names]), ""
    if len(names) == outputs:
        return np.arange(outputs), "classes are matched with the model's outputs in their order"
    return None, (
        f"accuracy is not measured: the data have {len(names)} classes and the model {outputs} "
        "outputs; name class folders by their WordNet id (n02123045) to match an ImageNet model"
    )


def _filled(outputs: Sequence[Sequence[int]]) -> np.ndarray:
    """Lists of different lengths as one array, filled up with -1."""
    table = np.full((len(outputs), max(map(len, outputs))), -1)
    for row, right in zip(table, outputs, strict=True):
        row[: len(right)] = right
    return table
