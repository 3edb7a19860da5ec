"""Numbers that the notebooks of paper 004's published code have kept, to stand beside ours.

They are of the later version of the paper: ResNet-18 and others at 32 pixels, 10 seeds, another set
of transformations for sensitivities (18 instead of eight). Transcribed from the output cells, two
digits as printed; nothing of it is computed here, and no claim rests on it.
"""

import pandas as pd

from invariscope.studies.claims import accuracy_over_seeds, over_seeds
from invariscope.studies.paper004.pasted_tasks import TASKS, Pasted
from invariscope.studies.paper004.synthetic_tasks import per_seed

#: Accuracy of a new last layer, ResNet-18: where objects lie, what it was trained on, then C/C,
#: C+O/C, C+O/O, O/O.
IRRELEVANT_FEATURES = {
    "corner": {
        "C/C": (0.98, 0.95, 0.80, 1.00),
        "C+O/C": (0.98, 0.98, 0.53, 1.00),
        "C+O/O": (0.31, 0.24, 1.00, 1.00),
        "O/O": (0.36, 0.35, 0.85, 1.00),
    },
    "anywhere": {
        "C/C": (0.98, 0.89, 0.56, 1.00),
        "C+O/C": (0.98, 0.97, 0.15, 1.00),
        "C+O/O": (0.26, 0.13, 1.00, 0.98),
        "O/O": (0.29, 0.28, 0.25, 1.00),
    },
}
#: Sensitivity of the same networks to another picture, and to another object in the corner.
CHANGES = {
    "C/C": (0.99, 0.21),
    "C+O/C": (1.00, 0.08),
    "C+O/O": (0.11, 0.99),
    "O/O": (0.98, 0.19),
}
#: Its correlation with accuracy: to another picture with that on C+O/C, to another object with that
#: on C+O/O.
CORRELATIONS = {"corner": (0.68, 0.79), "anywhere": (0.68, 0.94)}
PICTURE, OBJECT = "picture", "object"
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
    """Says whether pictures and network are those that the published numbers are of."""
    return "CIFAR10" in str(settings.data) and settings.model == "small:resnet18"


def beside_irrelevant_features(table: pd.DataFrame, place: str = "corner") -> pd.DataFrame:
    """Our accuracies beside the published ones.

    Args:
        table: Transfers between the four tasks: ``trained_on``, ``target``, ``seed``, ``accuracy``.
        place: Where the objects lie: ``corner`` or ``anywhere``.

    Returns:
        One row per pair of tasks: ``trained_on``, ``target``, ``published``, ``ours``, ``low``,
        ``high``.
    """
    rows = []
    for trained_on, published in IRRELEVANT_FEATURES[place].items():
        for target, number in zip(TASKS, published, strict=True):
            evidence = accuracy_over_seeds(per_seed(table, trained_on=trained_on, target=target))
            rows.append((trained_on, target, number, evidence.value, evidence.low, evidence.high))
    return pd.DataFrame(rows, columns=["trained_on", "target", "published", "ours", "low", "high"])


def beside_changes(
    changes: pd.DataFrame, correlations: pd.DataFrame, place: str = "corner"
) -> pd.DataFrame:
    """Our sensitivities to another picture and another object beside the published ones.

    Args:
        changes: ``trained_on``, ``change`` (picture, object), ``seed``, ``sensitivity``.
        correlations: With accuracy: ``change``, ``correlation``.
        place: Where the objects lie: ``corner`` or ``anywhere``.

    Returns:
        One row per task and change, and one per correlation: ``trained_on``, ``change``,
        ``number``, ``published`` (NaN: not known), ``ours``, ``low``, ``high``.
    """
    rows = []
    for trained_on, numbers in CHANGES.items():
        for change, number in zip((PICTURE, OBJECT), numbers, strict=True):
            which = {"trained_on": trained_on, "change": change}
            evidence = over_seeds(per_seed(changes, "sensitivity", **which))
            known = number if place == "corner" else float("nan")
            rows.append((trained_on, change, "sensitivity", known,
                         evidence.value, evidence.low, evidence.high))  # fmt: skip
    for change, number in zip((PICTURE, OBJECT), CORRELATIONS[place], strict=True):
        ours = float(correlations.set_index("change")["correlation"][change])
        name = "correlation with accuracy"
        rows.append(("all", change, name, number, ours, float("nan"), float("nan")))
    columns = ["trained_on", "change", "number", "published", "ours", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


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
                evidence = over_seeds(per_seed(table, "sensitivity", **which))
                spread = number[1] if len(number) > 1 else float("nan")
                rows.append(
                    {**which, "published": number[0], "published_sd": spread,
                     "ours": evidence.value, "low": evidence.low, "high": evidence.high}
                )  # fmt: skip
    return pd.DataFrame(rows)
