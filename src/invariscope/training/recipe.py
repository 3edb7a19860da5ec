"""Describes one training: data, network, augmentation, optimiser, schedule, seed.

A recipe decides every bit of the trained weights on the CPU with a given number of threads. Its
`key` is a hash of all that it says, so two recipes of one key are the same training.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from invariscope.data.depth import given_range
from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.training.augerino import AugerinoSettings
from invariscope.training.schedules import schedule

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Recipe:
    """One training, as values that JSON knows.

    Args:
        data: Spec of the labelled images to train on.
        model: Spec of the architecture, such as ``small:resnet18?width=0.25`` or ``timm:resnet18``.
        augment: Names of augmentations, joined with " + " (`training.augmentations`).
        test: Spec of the images to test on; None takes the other split of `data`, or a fifth of
            its images where it has no splits (`training.splits`).
        num_train: How many images to train on, by class in proportion; None takes all.
        num_test: How many to test on.
        size: Side of the network's input in pixels; None takes the architecture's own.
        epochs: Passes over the images; a fraction ends within a pass.
        batch_size: Images per step, over all processes.
        optimizer: ``sgd`` (with momentum) or ``adam``.
        learning_rate: At the start.
        weight_decay: L2 penalty, of all parameters, as the optimisers of torch add it.
        momentum: Of SGD; 0.9 in all papers.
        schedule: How the learning rate falls: ``constant``, ``cosine``, ``step(30, 0.1)``,
            ``milestones(100, 150; 0.1)``, in epochs.
        augerino: Settings of Augerino, such as ``tx,ty; regulariser=0.2`` (`augerino.settings`);
            None trains without.
        value_range: The stored numbers that are black and white, as for `invariscope.measure`.
        seed: Of the first weights, the order of the images, what is drawn for them, dropout.

    Raises:
        InputError: A value that cannot be.

    Example:
        >>> recipe = Recipe("fashion-mnist", "small:resnet18?width=0.25", epochs=2)
        >>> recipe.with_(seed=1).key == recipe.key
        False
    """

    data: str
    model: str
    augment: str = "none"
    test: str | None = None
    num_train: int | None = None
    num_test: int | None = None
    size: int | None = None
    epochs: float = 10.0
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    weight_decay: float = 1e-4
    momentum: float = 0.9
    schedule: str = "constant"
    augerino: str | None = None
    seed: int = 0
    value_range: Sequence[float] | None = None

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise unknown_name("optimizer", self.optimizer, OPTIMIZERS)
        schedule(self.schedule)
        limits = given_range(self.value_range)
        if limits is not None:
            object.__setattr__(self, "value_range", (limits.low, limits.high))
        if self.augerino is not None:
            AugerinoSettings.parse(self.augerino)
        for name in ("num_train", "num_test", "size", "batch_size"):
            value = getattr(self, name)
            if value is not None and (value < 1 or value != int(value)):
                raise InputError(f"recipe: {name} is {value}; a whole number from 1 on works")
        if self.batch_size < 2:
            raise InputError("recipe: batch_size is 1; batch normalisation needs 2 or more")
        for name in ("epochs", "learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"recipe: {name} is {getattr(self, name)}; it must be above 0")
        for name in ("weight_decay", "momentum"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"recipe: {name} is {getattr(self, name)}; 0 or more works")

    @property
    def key(self) -> str:
        """16 hexadecimal digits of the SHA-256 of everything the recipe says."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def architecture(self) -> str:
        """Spec of the network; a small one is built for its input's side."""
        if self.size is None or not self.model.startswith("small:") or "size=" in self.model:
            return self.model
        return f"{self.model}{'&' if '?' in self.model else '?'}size={self.size}"

    def with_(self, **changes: Any) -> "Recipe":
        """Returns the same recipe with other values."""
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON knows them; `from_dict` is the way back."""
        values: dict[str, Any] = {**asdict(self), "epochs": float(self.epochs)}
        limits = values.pop("value_range")  # unsaid as in the recipes of earlier versions
        return values if limits is None else {**values, "value_range": list(limits)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Reads the values that `as_dict` wrote.

        Raises:
            InputError: A name that no recipe has.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name("value of a recipe", name, known)
        return cls(**values)
