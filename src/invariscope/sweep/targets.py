"""Matches the classes of the data with outputs of the model; without a match, no accuracy.

The rules, in this order; positions never decide against names:

1. The source itself names ImageNet's outputs (several may be right for a class).
2. The labels have no names, or are meant as a model's outputs: the number is the output.
3. The model has the same names or WordNet ids: the output of that name, whatever the order.
   Classes of the data that the model does not have get no output, and a warning names them.
4. The names are numbers ("0", "0281"): the output of that number, where all of them fit.
5. The model names no outputs and has as many as there are classes: in their order.

``model_classes`` says what the outputs are where the model does not, and "order" skips the names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from invariscope.data import ImageSource
from invariscope.data.labels import are_wordnet_ids, class_order, numbers_of
from invariscope.errors import first_of
from invariscope.models import Probe
from invariscope.models.classes import class_aliases, imagenet_class_ids

IN_ORDER = "order"
"""As ``model_classes``: class k of the data is output k, whatever the names."""

# TF-slim's networks, and what was converted from them, put a background before the 1000 classes.
_WITH_BACKGROUND = 1001


@dataclass(frozen=True)
class ClassMatch:
    """The outputs that stand for the classes of the data.

    Args:
        outputs: [class], or [class, most] filled up with -1; None: there is no accuracy.
        decision: The rule that found them, or why there are none; "" for data without labels.
        warnings: Lines about what may surprise.
    """

    outputs: np.ndarray | None
    decision: str = ""
    warnings: tuple[str, ...] = ()


def match_classes(source: ImageSource, probe: Probe, *, in_order: bool = False) -> ClassMatch:
    """Finds the model's output index for each class of the data.

    Args:
        source: The images.
        probe: The model.
        in_order: Class k is output k, whatever the names.
    """
    labels = source.labels
    if labels is None or len(labels) == 0:
        return ClassMatch(None)
    if probe.num_outputs is None:
        return _none("the model gives no class scores")
    names, outputs = source.class_names, probe.num_outputs
    known = np.unique(np.asarray(labels))
    present = [int(label) for label in known if label >= 0]
    if in_order:
        count = max(len(names or ()), 1 + max(present, default=-1))
        if count > outputs:
            return _none(f"the data have {count} classes and the model {outputs} outputs")
        return ClassMatch(np.arange(outputs), "classes are matched in their order, as asked for")
    if source.imagenet_outputs is not None and probe.class_ids == imagenet_class_ids():
        several = sum(len(right) > 1 for right in source.imagenet_outputs)
        return ClassMatch(
            _filled(source.imagenet_outputs),
            f"an answer counts as right if it is an ImageNet class at or below the class of the "
            f"data in WordNet; {several} of the {len(source.imagenet_outputs)} classes have "
            "several of them",
        )
    if names is None or source.label_meaning == "outputs":
        return _by_label(source, probe, present)
    if len(present) == 0 or min(known) < 0:  # labels that are known once the image is loaded
        present = list(range(len(names)))
    return _by_name(source, probe, present) or _by_number(source, probe, present)


def _by_label(source: ImageSource, probe: Probe, present: Sequence[int]) -> ClassMatch:
    """Takes labels as the numbers of outputs."""
    outputs, highest = probe.num_outputs or 0, max(present, default=-1)
    from_one = 1 < len(present) == highest and min(present) == 1
    if highest >= outputs:
        shifted = highest == outputs and min(present) > 0
        hint = "; they seem to count from 1: subtract 1" if shifted else ""
        return _none(
            f"a label is {highest}, the model has {outputs} outputs, 0 to {outputs - 1}{hint}"
        )
    names, aliases = source.class_names, class_aliases(probe.class_names, probe.class_ids)
    if names is not None and aliases is not None:
        named = _looked_up([(names[label],) for label in present], aliases)
        wrong = [k for k, output in zip(present, named, strict=True) if output not in (-1, k)]
        if wrong:
            return _none(
                f"the labels say that {names[wrong[0]]} is output {wrong[0]}, the model's names "
                "say another"
            )
    warnings = []
    if from_one:
        warnings.append(
            f"the labels run from 1 to {highest} and are taken as the model's outputs 1 to "
            f"{highest}; if they count from 1, subtract 1"
        )
    elif outputs == _WITH_BACKGROUND and highest < outputs - 1 and probe.class_names is None:
        warnings.append(
            f"the model has {outputs} outputs, as ImageNet networks that begin with a background: "
            "class k is then output k + 1, but labels are taken as outputs as they are; add 1 to "
            "the labels if it is so"
        )
    return ClassMatch(
        np.arange(outputs), "a label is the number of the model's output", (*warnings,)
    )


def _by_name(source: ImageSource, probe: Probe, present: Sequence[int]) -> ClassMatch | None:
    """Matches classes that have the same name on both sides; None where names decide nothing."""
    aliases, names = class_aliases(probe.class_names, probe.class_ids), source.class_names
    assert names is not None
    if aliases is None:
        return None
    ids = source.class_ids if probe.class_ids is not None else None
    asked = [(names[k],) if ids is None else (ids[k], names[k]) for k in present]
    matched = _looked_up(asked, aliases, present)
    lost = [names[k] for k, output in zip(present, matched, strict=True) if output < 0]
    # a word may mean another thing in a public vocabulary: "mouse" of ImageNet is the computer's
    foreign = probe.class_ids is not None and ids is None and not are_wordnet_ids(names)
    if len(lost) == len(present) or (lost and foreign):
        if numbers_of(names) is not None:
            return None
        return _none(_contradiction(names, lost, present, probe, aliases))
    targets = np.full(len(names), -1)
    targets[list(present)] = matched
    model = f"the model's {probe.num_outputs}"
    if not lost:
        same = all(output == k for k, output in zip(present, matched, strict=True))
        order = "in the same places" if same else "whatever their order"
        return ClassMatch(targets, f"classes are matched by name with {model}, {order}")
    kept = len(present) - len(lost)
    said = f"{kept} of {len(present)} classes are matched by name with {model}"
    return ClassMatch(
        targets, said, (f"{said}; no class of the model, so without accuracy: {first_of(lost)}",)
    )


def _contradiction(
    names: Sequence[str],
    lost: Sequence[str],
    present: Sequence[int],
    probe: Probe,
    aliases: Sequence[tuple[str, ...]],
) -> str:
    counts = f"the data have {len(names)} classes and the model {probe.num_outputs} outputs"
    some = "none" if len(lost) == len(present) else "not all"
    shown = first_of([own[-1] for own in aliases])
    said = f"{counts}, and {some} of the data's names ({first_of(lost)})"
    said += f" is among the model's ({shown})"
    if probe.class_ids is not None:
        return f"{said}; name classes by their WordNet id (n02123045)"
    return f"{said}; `model_classes` says what the outputs are"


def _by_number(source: ImageSource, probe: Probe, present: Sequence[int]) -> ClassMatch:
    """Takes names as numbers of outputs; else matches as many classes as outputs, in order."""
    names, outputs = source.class_names, probe.num_outputs or 0
    assert names is not None
    numbers = numbers_of(names)
    if numbers is None:
        return _in_order(source, probe)
    highest = max(numbers[k] for k in present)
    if highest >= outputs:
        hint = "; they seem to count from 1" if min(numbers) > 0 and highest == outputs else ""
        return _none(
            f"a class is named {highest}, the model has outputs 0 to {outputs - 1}{hint}; "
            "`model_classes` says what the outputs are"
        )
    if source.label_meaning == "numbers" and any(numbers[k] != k for k in present):
        label = next(k for k in present if numbers[k] != k)
        return _none(
            f"label {label} is named {names[label]!r}: names that are numbers and labels "
            "contradict each other; `model_classes='order'` takes the labels"
        )
    taken = sorted(numbers[k] for k in present)
    warnings = []
    if len(taken) > 1 and taken == list(range(1, len(taken) + 1)):
        warnings.append(
            f"the classes are named 1 to {len(taken)} and taken as the outputs of these numbers; "
            "if they count from 1, rename them or say what the outputs are with model_classes"
        )
    if sorted(names) != class_order(names):
        warnings.append(
            "classes named by numbers are taken as the outputs of these numbers; torchvision's "
            "ImageFolder sorts such names as text ('10' before '2'), so a network trained with it "
            "needs model_classes, its class names in order"
        )
    return ClassMatch(
        np.array(numbers), "the name of a class is the number of the model's output", (*warnings,)
    )


def _in_order(source: ImageSource, probe: Probe) -> ClassMatch:
    names, outputs = source.class_names or (), probe.num_outputs or 0
    if len(names) == outputs:
        return ClassMatch(
            np.arange(outputs),
            "classes are matched with the model's outputs in their order: as many of each, and the "
            "model does not name its classes",
        )
    counts = f"the data have {len(names)} classes and the model {outputs} outputs"
    if are_wordnet_ids(names):
        return _none(
            f"{counts}, of which it is not known that they are ImageNet's in their usual order; "
            "`model_classes='imagenet'` says so"
        )
    return _none(
        f"{counts}; `model_classes` says what the outputs are: a file with a name "
        "a line, or imagenet for class folders named by their WordNet id (n02123045)"
    )


def _looked_up(
    wanted: Sequence[tuple[str, ...]],
    aliases: Sequence[tuple[str, ...]],
    positions: Sequence[int] | None = None,
) -> list[int]:
    """Finds the output of each class by one of its names; -1 for none, or several.

    Spelling counts first; where it finds nothing, case, ``_`` and ``-`` do not. Of several outputs
    of the same name the one in the class's own place is taken.
    """
    exact, loose = _index(aliases, str), _index(aliases, _loosely)
    indices = []
    for position, own in enumerate(wanted):
        outputs = {output for name in own for output in exact.get(name, ())}
        if len(outputs) > 1 and positions is not None:
            outputs &= {positions[position]}
        elif not outputs:
            outputs = {output for name in own for output in loose.get(_loosely(name), ())}
        indices.append(outputs.pop() if len(outputs) == 1 else -1)
    return indices


def _index(
    aliases: Sequence[tuple[str, ...]], spelled: Callable[[str], str]
) -> dict[str, set[int]]:
    index: dict[str, set[int]] = {}
    for output, own in enumerate(aliases):
        for name in own:
            index.setdefault(spelled(name), set()).add(output)
    return index


def _loosely(name: str) -> str:
    text = " ".join(name.casefold().replace("_", " ").replace("-", " ").strip("/ ").split())
    return str(int(text)) if text.isascii() and text.isdecimal() else text


def _none(reason: str) -> ClassMatch:
    line = f"accuracy is not measured: {reason}"
    return ClassMatch(None, line, (line,))


def _filled(outputs: Sequence[Sequence[int]]) -> np.ndarray:
    """Puts lists of different lengths into one array, filled up with -1."""
    table = np.full((len(outputs), max(map(len, outputs))), -1)
    for row, right in zip(table, outputs, strict=True):
        row[: len(right)] = right
    return table
