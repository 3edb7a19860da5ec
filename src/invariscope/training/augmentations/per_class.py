"""Augments each class by a policy of the operations that vary in it (paper 000 §4.2, end).

From the table of `find_factors`: per class the operations that raise the similarity of the most
pairs (``proportion_boosted``), at most 25, of those that raise it for more than 40 % and do not
lower it on average (``relative_change`` ≥ 0). For each image each operation of its class is done,
one after the other, with its probability; every step goes to a level drawn uniformly from 0 up to
the level of the search, in a direction of its own where there are two.

Probabilities, for n operations: "uniform" 1/n, "fixed" 0.1, or "softmax" of the weighted boosts. Of
"uniform" and "softmax" one operation is done on average. That each operation is drawn on its own is
our reading: a fixed 0.1 leaves no other.

Paper 000 found that such policies do not raise the accuracy on ImageNet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.search.operations import get_operations
from invariscope.search.table import OVERALL
from invariscope.training.augmentations.augmentation import (
    Augmentation,
    Changed,
    Draws,
    Images,
    Labels,
)
from invariscope.transformations import IDENTITY, Operation, Transformation

Weighing = Literal["uniform", "fixed", "softmax"]
WEIGHINGS = ("uniform", "fixed", "softmax")
MOST = 25
ENOUGH = 0.4
FIXED = 0.1


@dataclass(frozen=True)
class Choice:
    """One operation of a class's policy.

    Args:
        operation: What is done, up to its levels.
        probability: How often.
    """

    operation: Operation
    probability: float


def class_policies(
    table: pd.DataFrame,
    weighing: str = "uniform",
    *,
    most: int = MOST,
    enough: float = ENOUGH,
    operations: Mapping[str, Operation] | None = None,
) -> dict[str, tuple[Choice, ...]]:
    """Makes the policy of each class of a search.

    Args:
        table: `Factors.frame`, or the same columns from a file.
        weighing: "uniform", "fixed" or "softmax".
        most: How many operations a class has at most.
        enough: The share of its pairs that an operation must raise; more than that.
        operations: Operations by name, for a search with some of your own; by default every name is
            looked up as `get_operations` does.

    Returns:
        For each class its operations, the best first; () where none raises enough.

    Raises:
        InputError: An unknown weighing or operation, or a column is missing.

    Example:
        >>> row = {"class": "cat", "operation": "rotate 9", "kind": "geometric", "key": "a",
        ...        "proportion_boosted": 0.6, "relative_change": 0.1, "weighted_boost": 0.2}
        >>> class_policies(pd.DataFrame([row]))["cat"][0].probability
        1.0
    """
    if weighing not in WEIGHINGS:
        raise unknown_name("weighing", weighing, WEIGHINGS)
    needed = ("class", "operation", "kind", "key", "proportion_boosted", "relative_change",
              "weighted_boost")  # fmt: skip
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"the table of factors has no column {missing[0]!r}: {needed} are needed")
    rows = table[(table["class"] != OVERALL) & (table["kind"] != IDENTITY)]
    rows = rows.drop_duplicates(["class", "key"])
    policies: dict[str, tuple[Choice, ...]] = {}
    for name, frame in rows.groupby("class", sort=False):
        good = frame[(frame["proportion_boosted"] > enough) & (frame["relative_change"] >= 0)]
        good = good.sort_values("proportion_boosted", ascending=False, kind="stable").head(most)
        chances = _probabilities(good["weighted_boost"].to_numpy(dtype=np.float64), weighing)
        policies[str(name)] = tuple(
            Choice(_operation(str(which), operations), float(chance))
            for which, chance in zip(good["operation"], chances, strict=True)
        )
    return policies


def _probabilities(weights: np.ndarray, weighing: str) -> np.ndarray:
    if weighing == "fixed":
        return np.full(len(weights), FIXED)
    if weighing == "softmax":
        powers = np.exp(weights - weights.max(initial=0.0))
        return powers / powers.sum() if len(weights) else powers
    return np.full(len(weights), 1 / max(1, len(weights)))


def _operation(name: str, operations: Mapping[str, Operation] | None) -> Operation:
    if operations is not None and name in operations:
        return operations[name]
    return next(operation for operation in get_operations(name) if operation.name == name)


class PerClassPolicy(Augmentation):
    """Augments each image by the policy of its class.

    Args:
        policies: Operations by class name, as `class_policies` gives them.
        class_names: The name of each label; by default the policies' own order.

    Raises:
        InputError: A class of the training data has no policy.
    """

    def __init__(
        self,
        policies: Mapping[str, Sequence[Choice]],
        class_names: Sequence[str] | None = None,
    ):
        super().__init__()
        self.class_names = tuple(policies if class_names is None else class_names)
        for name in self.class_names:
            if name not in policies:
                raise unknown_name("class of the table of factors", name, policies)
        self.policies = tuple(tuple(policies[name]) for name in self.class_names)
        self._slots = max(map(len, self.policies), default=0)
        lengths = [len(choice.operation.steps) for policy in self.policies for choice in policy]
        self._steps = max(lengths, default=1)
        self.num_draws = self._slots * (1 + 2 * self._steps)

    def augment(self, images: Images, draws: Draws, labels: Labels | None = None) -> Changed:
        """Returns the images, each by its class.

        Raises:
            InputError: The labels are missing.
        """
        if labels is None:
            raise InputError(
                "a policy per class needs the labels: call augment(images, draws, labels), or "
                "train with it"
            )
        members, numbers = labels.cpu().numpy(), draws.double().cpu().numpy()
        out = images.clone()
        width = 1 + 2 * self._steps
        for slot in range(self._slots):
            own = numbers[:, slot * width : (slot + 1) * width]
            for member in np.unique(members):
                policy = self.policies[member]
                if slot >= len(policy):
                    continue
                choice = policy[slot]
                chosen = np.flatnonzero((members == member) & (own[:, 0] < choice.probability))
                if len(chosen):
                    where = torch.from_numpy(chosen).to(images.device)
                    out[where] = _done(choice.operation, out[where], own[chosen, 1:])
        return out


def _done(operation: Operation, images: Images, numbers: np.ndarray) -> Images:
    """The images after all steps, each image at levels and in directions of its own."""
    for step, (transformation, level) in enumerate(operation.steps):
        drawn = np.floor(numbers[:, 2 * step] * (level + 1)).astype(int)
        magnitudes = _magnitudes(transformation, drawn, numbers[:, 2 * step + 1] < 0.5)
        images = transformation.family.apply(images, magnitudes, transformation.resampling)
    return images


def _magnitudes(
    transformation: Transformation, levels: np.ndarray, turned: np.ndarray
) -> np.ndarray:
    """The magnitude of each image; those that are turned go in the opposite direction."""
    magnitudes = np.array(transformation.magnitudes)[levels]
    opposite = transformation.family.opposite
    if not transformation.signed or opposite is None:
        return magnitudes
    return np.where(turned, [opposite(float(value)) for value in magnitudes], magnitudes)
