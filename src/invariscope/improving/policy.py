"""Says what images are augmented with while a network is tuned to keep rules.

The rules say which families and how far: an image is moved to a level drawn evenly from those
between itself and the rule's farthest magnitude, in a direction of its own where the rule's levels
have two. The evidence says how often, class by class: of a class whose own images do not keep to
the rule yet, 4 in 5 are moved; of the others 2 in 5, so that they do not forget. So a part of the
images of every class always comes as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from invariscope.gate.measuring import Need
from invariscope.gate.rule import EVERY_CLASS
from invariscope.training.augmentations import Choice, PerClassPolicy
from invariscope.transformations import Operation, Transformation

#: How often the images of a class are moved that does not keep to the rule yet, and of others.
OFTEN, SOMETIMES = 0.8, 0.4
_STEPS = 8
#: Units of magnitudes that are whole numbers or switches: no step lies between two of them.
_WHOLE = ("bits", "", "element")


@dataclass(frozen=True)
class Ingredient:
    """One family of the augmentation.

    Attributes:
        transformation: The family, with the levels that are drawn.
        chances: How often an image of each class is moved.
        rules: The rules that ask for it.
    """

    transformation: Transformation
    chances: tuple[float, ...]
    rules: tuple[str, ...]

    @property
    def farthest(self) -> str:
        """The last level, as people read it."""
        return self.transformation.describe(len(self.transformation.magnitudes) - 1)

    def as_dict(self) -> dict[str, Any]:
        """Describes it for the manifest."""
        own = self.transformation
        return {
            "family": own.name,
            "magnitudes": list(own.magnitudes),
            "signed": own.signed,
            "unit": own.unit,
            "chances": list(self.chances),
            "rules": list(self.rules),
        }


def check_can_augment(needs: Sequence[Need]) -> None:
    """Refuses rules of what a training cannot be given.

    Raises:
        InputError: A rule of a transformation that is no function of image and magnitude, or of a
            metric that is taken at the identity; the message says which can.
    """
    can = (
        "those of `invariscope list transformations` can (rotate, translate_x, zoom_out, "
        "brightness_down, blur …), and groups (C4, D4, flip)"
    )
    for need in needs:
        if need.base.family.matrices is None and need.base.family.change is None:
            raise need.rule.wrong(
                f"{need.base.name} draws for itself or lies in files, so that images cannot be "
                f"augmented with it: {can}"
            )
        if need.metric.kind == "derivative":
            raise need.rule.wrong(
                f"{need.metric.name} is taken at the images as they are, so that no range says "
                "how far to augment: write a rule of relative_invariance or prediction_consistency"
            )


def ingredients(
    needs: Sequence[Need], weak: Mapping[str, Sequence[bool]], classes: Sequence[str]
) -> list[Ingredient]:
    """Makes the augmentation that rules and evidence ask for, a family at a time.

    Args:
        needs: What the rules need.
        weak: For the text of each rule, whether each class does not keep to it yet.
        classes: The names of the classes.
    """
    made: list[Ingredient] = []
    for name in dict.fromkeys(_side(need) for need in needs):
        own = [need for need in needs if _side(need) == name]
        chances = np.full(len(classes), SOMETIMES)
        for need in own:
            meant = [need.rule.class_name in (None, EVERY_CLASS, known) for known in classes]
            chances[np.array(weak[need.rule.text]) & np.array(meant)] = OFTEN
        rules = tuple(need.rule.title for need in own)
        made.append(Ingredient(_ladder(own), tuple(chances.tolist()), rules))
    return made


def _side(need: Need) -> tuple[str, bool]:
    """The family, and which way from the identity: a family may be asked for in two ranges."""
    identity = need.base.family.identity
    return need.base.name, max(need.magnitudes, key=lambda m: abs(m - identity)) > identity


def _ladder(needs: Sequence[Need]) -> Transformation:
    """The family at the levels that are drawn, from the identity to the farthest of its rules."""
    base = needs[0].base
    identity = base.family.identity
    asked = {magnitude for need in needs for magnitude in need.magnitudes} - {identity}
    steps = sorted(asked, key=lambda magnitude: (abs(magnitude - identity), magnitude))
    if base.unit not in _WHOLE and not base.family.members:
        steps = [float(m) for m in np.linspace(identity, steps[-1], _STEPS + 1)[1:]]
    ladder = (identity, *(round(step, 9) for step in steps))
    return Transformation(
        base.family, ladder, base.signed, tuple(range(len(ladder))), base.resampling
    )


def policy_of(made: Sequence[Ingredient]) -> PerClassPolicy:
    """Makes the augmentation of a training, whose labels are the numbers of the classes.

    Example:
        >>> import torch
        >>> from invariscope.transformations import get_transformation
        >>> turn = Ingredient(get_transformation("rotate=90"), (0.0, 1.0), ())
        >>> images = torch.rand(2, 1, 4, 4)
        >>> moved = policy_of([turn]).augment(images, torch.full((2, 3), 0.6), torch.tensor([0, 1]))
        >>> [bool((a == b).all()) for a, b in zip(images, moved)]
        [True, False]
    """
    classes = range(len(made[0].chances)) if made else range(0)
    return PerClassPolicy(
        {
            str(number): [Choice(_last(one.transformation), one.chances[number]) for one in made]
            for number in classes
        }
    )


def _last(transformation: Transformation) -> Operation:
    level = len(transformation.magnitudes) - 1
    return Operation(f"{transformation.name} {level}", ((transformation, level),))
