"""Assertions for tests: a model keeps to a rule, or the test fails and shows by how much not.

    from invariscope.testing import assert_invariant

    def test_small_turns(model, images):
        assert_invariant(model, images, "rotate", up_to=15, at_least=0.8)

With pytest there is also a fixture `assert_invariant`, which does the same and shows in the summary
of the session what was measured, also of tests that passed (`invariscope.pytest_plugin`). Nothing
here imports torch before an assertion is made.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from invariscope.errors import InputError

if TYPE_CHECKING:
    from invariscope.gate import Verdict
    from invariscope.transformations import Transformation


class NotInvariant(AssertionError):
    """A model does not keep to a rule; the message is the table of what failed, and by how much.

    Attributes:
        verdict: What was found.
    """

    def __init__(self, verdict: "Verdict"):
        super().__init__(verdict.to_text())  # the first line goes into the summary of pytest
        self.verdict = verdict


class Undecided(NotInvariant):
    """The images do not show whether a model keeps to a rule; the message says what would."""


def assert_invariant(
    model: Any,
    images: Any,
    transformation: "str | Transformation",
    *,
    up_to: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    metric: str = "relative_invariance",
    layer: str | None = None,
    class_name: str | None = None,
    **settings: Any,
) -> "Verdict":
    """Asserts that a metric keeps to a value at all levels of a transformation.

    The model is measured until that is decided with confidence (`invariscope.check`).

    Args:
        model: As for `invariscope.measure`.
        images: As for `invariscope.measure`.
        transformation: A name ("rotate", "C4"), or one of your own.
        up_to: The magnitude at which the levels end, in the unit of the transformation: 15 degrees,
            0.1 of the side, a factor of 0.5; None: all levels.
        at_least: The least value, of metrics of which more is better.
        at_most: The greatest value, of the others.
        metric: Its name.
        layer: A layer's name or a glob; None: the embedding, or the logits.
        class_name: Of whose images; None: of all.
        settings: Other arguments of `invariscope.check`: ``num_images``, ``seed``, ….

    Returns:
        What was found, where it held.

    Raises:
        NotInvariant: A level failed (an `AssertionError`).
        Undecided: The images do not tell (an `AssertionError` as well).
        InputError: What is asked cannot be measured.

    Example:
        >>> import torch
        >>> pictures = torch.rand(64, 3, 8, 8)
        >>> assert_invariant(lambda x: x.flatten(1), pictures, "brightness_down", up_to=0.5,
        ...                  at_least=0.9)
        <Verdict: held: 1 held on 64 images>
        >>> assert_invariant(lambda x: x.flatten(1), pictures, "rotate", up_to=90, at_least=0.9)
        Traceback (most recent call last):
        invariscope.testing.NotInvariant: ...
    """
    __tracebackhide__ = True
    if (at_least is None) == (at_most is None):
        raise InputError("give one of at_least=… and at_most=…, such as at_least=0.8")
    verdict = _checked(
        model, images, transformation, up_to, at_least, at_most, metric, layer, class_name, settings
    )
    if verdict.outcome == "failed":
        raise NotInvariant(verdict)
    if verdict.outcome == "undecided":
        raise Undecided(verdict)
    return verdict


def _checked(
    model: Any,
    images: Any,
    transformation: "str | Transformation",
    up_to: float | None,
    at_least: float | None,
    at_most: float | None,
    metric: str,
    layer: str | None,
    class_name: str | None,
    settings: dict[str, Any],
) -> "Verdict":
    """Makes the rule and checks it."""
    from invariscope.gate import Rule, check
    from invariscope.gate.rule import Magnitude

    own: Sequence[Any] = () if isinstance(transformation, str) else (transformation,)
    name = transformation if isinstance(transformation, str) else transformation.name
    threshold = at_most if at_least is None else at_least
    assert threshold is not None
    end = "" if up_to is None else f" up to {up_to:g}"
    place = "" if layer is None else f" at {layer}"
    whose = "" if class_name is None else f" for {class_name}"
    way = ">=" if at_least is not None else "<="
    rule = Rule(
        f"{name}{end} {metric}{place}{whose} {way} {threshold:g}",
        name,
        metric,
        at_least is not None,
        float(threshold),
        "" if up_to is None else "up to",
        None if up_to is None else Magnitude(float(up_to)),
        layer or "",
        class_name,
    )
    return check(model, rule, images, transformations=own, **settings)
