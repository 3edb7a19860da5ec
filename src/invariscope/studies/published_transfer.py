"""Numbers that the notebooks of paper 004's published code have kept, to stand beside ours.

They are of the later version of the paper: ResNet-18 and others at 32 pixels, 10 seeds, another set
of transformations for sensitivities (18 instead of eight). Transcribed from the output cells, two
digits as printed; nothing of it is computed here, and no claim rests on it.
"""

import pandas as pd

from invariscope.studies.claims import over_seeds
from invariscope.studies.pasted_tasks import TASKS, Pasted
from invariscope.studies.synthetic_tasks import per_seed

#: Accuracy of a new last layer, ResNet-18: what it was trained on, then C/C, C+O/C, C+O/O, O/O.
IRRELEVANT_FEATURES = {
    "C/C": (0.98, 0.95, 0.80, 1.00),
    "C+O/C": (0.98, 0.98, 0.53, 1.00),
    "C+O/O": (0.31, 0.24, 1.00, 1.00),
    "O/O": (0.36, 0.35, 0.85, 1.00),
}
SAME, OTHER, NONE = "same", "other", "none"
OWN_OBJECTS, NEW_OBJECTS = "own objects", "new objects"
#: Sensitivity to a transformation, mean ± standard deviation over transformations and seeds: of
#: networks trained with it, with another one, with none; on their own objects and on new ones.
#: Standard deviations are known where two numbers stand.
SENSITIVITY = {
    "small:resnet18": {
        SAME: ((0.12, 0.07), (0.21, 0.10)),
        OTHER: ((0.40,), (0.41,)),
        NONE: ((0.39,), (0.42,)),
    },
    "small:densenet121": {
        SAME: ((0.16,), (0.24,)),
        OTHER: ((0.39,), (0.40,)),
        NONE: ((0.39,), (0.41,)),
    },
    "small:vgg11": {
        SAME: ((0.12,), (0.19,)),
        OTHER: ((0.39,), (0.39,)),
        NONE: ((0.38,), (0.39,)),
    },
    "small:vit": {
        SAME: ((0.22,), (0.26,)),
        OTHER: ((0.41,), (0.41,)),
        NONE: ((0.43,), (0.42,)),
    },
}


def is_papers(settings: Pasted) -> bool:
    """Whether pictures and network are those that the published numbers are of."""
    return "CIFAR10" in str(settings.data) and settings.model == "small:resnet18"


def beside_irrelevant_features(table: pd.DataFrame) -> pd.DataFrame:
    """Our accuracies beside the published ones.

    Args:
        table: Transfers between the four tasks: ``trained_on``, ``target``, ``seed``, ``accuracy``.

    Returns:
        One row per pair of tasks: ``trained_on``, ``target``, ``published``, ``ours``, ``low``,
        ``high``.
    """
    rows = []
    for trained_on, published in IRRELEVANT_FEATURES.items():
        for target, number in zip(TASKS, published, strict=True):
            found = over_seeds(per_seed(table, trained_on=trained_on, target=target))
            rows.append((trained_on, target, number, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["trained_on", "target", "published", "ours", "low", "high"])


def beside_sensitivity(table: pd.DataFrame) -> pd.DataFrame:
    """Our sensitivities beside the published ones, where the architecture has some.

    Args:
        table: ``model``, ``relation`` (same, other, none), ``objects`` (own, new), ``seed``,
            ``sensitivity``.

    Returns:
        One row per architecture, relation and objects: ``published``, ``published_sd``, ``ours``,
        ``low``, ``high``.
    """
    rows = []
    for model in dict.fromkeys(table["model"]):
        for relation, numbers in SENSITIVITY.get(model, {}).items():
            for objects, number in zip((OWN_OBJECTS, NEW_OBJECTS), numbers, strict=True):
                which = {"model": model, "relation": relation, "objects": objects}
                found = over_seeds(per_seed(table, "sensitivity", **which))
                spread = number[1] if len(number) > 1 else float("nan")
                rows.append(
                    {**which, "published": number[0], "published_sd": spread,
                     "ours": found.value, "low": found.low, "high": found.high}
                )  # fmt: skip
    return pd.DataFrame(rows)
