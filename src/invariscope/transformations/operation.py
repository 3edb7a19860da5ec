"""Defines an operation: what is done to images at once, in one step or in several.

A sweep's cell is one step, a sub-policy of AutoAugment two; operations of equal keys are the same,
whatever they are called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from invariscope.transformations.transformation import IDENTITY, Transformation

OperationKind = Literal["geometric", "appearance", "mixed", "identity"]
Step = tuple[Transformation, int]


@dataclass(frozen=True)
class Operation:
    """Steps, each a transformation at a level; none at all is the identity.

    Args:
        name: Its name in tables: "rotate 9", "shear_x 4 + invert 3", "rotate=5".
        steps: What is done, in this order.
        there_and_back: Whether each motion is undone again (the interpolation floor).

    Example:
        >>> from invariscope.transformations import get_transformation
        >>> turn, same = get_transformation("rotate", "search"), get_transformation("saturation")
        >>> operation = Operation("rotate 9 + saturation 0", ((turn, 9), (same, 0)))
        >>> operation.kind, operation.key, operation.families
        ('geometric', 'rotate=30 (nearest, zeros, 0.502, centre)', 'rotate+saturation')
    """

    name: str
    steps: tuple[Step, ...] = ()
    there_and_back: bool = False

    @property
    def acting(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple((t, level) for t, level in self.steps if not t.is_identity(level))

    @property
    def key(self) -> str:
        """The steps as a key: operations of equal keys are the same."""
        keys = [transformation.operation(level) for transformation, level in self.acting]
        return " then ".join(keys) or IDENTITY

    @property
    def kind(self) -> OperationKind:
        """The kind of change, by the steps that change something."""
        kinds: set[OperationKind] = {transformation.kind for transformation, _ in self.acting}
        if len(kinds) > 1:
            return "mixed"
        return next(iter(kinds)) if kinds else "identity"

    @property
    def families(self) -> str:
        """The families of all steps: "rotate", "shear_x+invert"."""
        return "+".join(transformation.name for transformation, _ in self.steps) or IDENTITY

    @property
    def magnitude(self) -> str:
        """The magnitude of each step, for readers."""
        return ", ".join(t.describe(level) for t, level in self.steps) or "off"

    @property
    def needs_colour(self) -> bool:
        """Says whether a step of it has a meaning for red, green and blue alone."""
        return any(transformation.needs_colour for transformation, _ in self.acting)

    @property
    def policy(self) -> bool:
        """Says whether it has several steps."""
        return len(self.steps) > 1

    def __call__(
        self, images: Float[Tensor, "image band height width"], seed: int, image_ids: Sequence[str]
    ) -> Float[Tensor, "image band height width"]:
        """The images, float in [0, 1], after all steps."""
        for transformation, level in self.steps:
            act = transformation.there_and_back if self.there_and_back else transformation
            images = act(images, level, seed=seed, image_ids=image_ids)
        return images

    def as_dict(self) -> dict[str, object]:
        """Describes it for the manifest."""
        return {
            "name": self.name,
            "kind": self.kind,
            "families": self.families,
            "magnitude": self.magnitude,
            "policy": self.policy,
            "steps": [
                {
                    "family": t.name,
                    "magnitude": t.magnitudes[level],
                    "unit": t.unit,
                    "signed": t.signed,
                    "operation": t.family.operation,
                    "identity": t.family.identity,
                    "ordered": t.unit != "" and not t.family.members,
                    "resampling": repr(t.resampling),
                }
                for t, level in self.steps
            ],
            "key": self.key,
        }
