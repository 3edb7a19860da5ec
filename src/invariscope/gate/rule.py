"""A rule: what a model must keep to, as one line of text.

    TRANSFORMATION[@MAGNITUDES] METRIC [at LAYER] [for CLASS] >= VALUE

| part | means |
|---|---|
| `rotate@<=15deg` | all levels up to 15°; `brightness_down@>=0.5`: from 1, as it is, down to 0.5 |
| `rotate@=15deg` | that level alone; of a group an element, `C4@=90deg` |
| `rotate`, `rotate@all`, `C4` | all levels of the table, all elements of the group |
| `relative_invariance` | a metric; it says itself whether it takes `>=` or `<=` |
| `at layer3.*` | the layers of that name or glob; else the embedding, or the logits |
| `for tench`, `for "two words"` | images of that class alone; `for every class`: of each of them |
| `>= 0.8`, `<= 20%` | what each cell's value must be |

A rule over several cells holds only if every cell holds.
"""

import math
import re
from dataclasses import dataclass

from invariscope.errors import InputError

#: How a rule is written, for messages.
FORM = "TRANSFORMATION@<=MAGNITUDE METRIC >= VALUE"
EXAMPLE = "rotate@<=15deg relative_invariance >= 0.8"
EVERY_CLASS = "every class"

_NAME = r"\"[^\"]+\"|[^\s\"<>=≤≥]+"
_RULE = re.compile(
    rf"""\s*(?P<transformation>[^\s@]+)
    (?:\s*@\s*(?:all|(?P<side><=|>=|=|≤|≥)\s*(?P<magnitude>[^\s]+)))?
    \s+(?P<metric>[^\s<>=≤≥]+)
    (?:\s+at\s+(?P<layer>{_NAME}))?
    (?:\s+for\s+(?P<class>every\s+class|{_NAME}))?
    \s*(?P<way><=|>=|≤|≥)\s*(?P<value>\S+)\s*""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?P<unit>\D*)", re.I)
_SIDES = {"≤": "<=", "≥": ">="}


@dataclass(frozen=True)
class Magnitude:
    """A magnitude as it was written.

    Attributes:
        number: The number.
        unit: What stands behind it: "deg", "%", …, or "".
    """

    number: float
    unit: str = ""


@dataclass(frozen=True)
class Rule:
    """What a model must keep to.

    Attributes:
        text: The rule as it was written.
        transformation: Name of the family or the group.
        metric: Name of the metric.
        at_least: Whether values must be at least the threshold, not at most.
        threshold: The value.
        side: Which levels: "<=" or ">=" (from the identity to the magnitude), "up to" (either), "="
            (that level), or "" for all.
        magnitude: Where the levels end; an element's name is kept as text.
        layer: A name or glob; "" is the headline layer.
        class_name: Of whose images; None: of all; `EVERY_CLASS`: of each class.
        name: What it is called in tables; its text by default.
        file: Where it stands, or "".
        line: In which line, from 1, or 0.
    """

    text: str
    transformation: str
    metric: str
    at_least: bool
    threshold: float
    side: str = ""
    magnitude: Magnitude | str | None = None
    layer: str = ""
    class_name: str | None = None
    name: str = ""
    file: str = ""
    line: int = 0

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.text

    @property
    def place(self) -> str:
        """Where it stands, for the beginning of a message, or ""."""
        return f"{self.file}, line {self.line}: " if self.file else ""

    def wrong(self, reason: str) -> InputError:
        """Makes the error that says what is wrong with it, and where it stands."""
        return InputError(f"{self.place}the rule {self.text!r}: {reason}")


def parse_rule(text: str, *, name: str = "", file: str = "", line: int = 0) -> Rule:
    """Reads a rule.

    Args:
        text: As the module says.
        name: What it is called.
        file: The file that it comes from, for messages.
        line: Its line there.

    Raises:
        InputError: It cannot be read; the message says how rules are written.

    Example:
        >>> rule = parse_rule("rotate@<=15deg relative_invariance >= 0.8")
        >>> rule.transformation, rule.side, rule.magnitude, rule.metric, rule.threshold
        ('rotate', '<=', Magnitude(number=15.0, unit='deg'), 'relative_invariance', 0.8)
        >>> parse_rule('C4 accuracy at logits for "two words" >= 90%').class_name
        'two words'
    """
    known = {"name": name, "file": file, "line": line}
    stub = Rule(" ".join(text.split()), "", "", True, 0.0, **known)
    found = _RULE.fullmatch(text)
    if found is None:
        raise stub.wrong(_why_not(text))
    side = _SIDES.get(found["side"], found["side"]) or ""
    return Rule(
        stub.text,
        found["transformation"],
        found["metric"],
        found["way"] in (">=", "≥"),
        _threshold(found["value"], stub),
        side,
        _magnitude(found["magnitude"], side, stub),
        (found["layer"] or "").strip('"'),
        _class_name(found["class"]),
        **known,
    )


def _why_not(text: str) -> str:
    """Says what keeps a text from being a rule."""
    such_as = f"write {FORM}, such as {EXAMPLE!r}"
    if not re.search(r"<=|>=|≤|≥", text.rpartition("@")[2].lstrip("<>=≤≥")):
        strict = re.search(r"\s[<>=]+\s*[\d.]+%?\s*$", text)
        return f"it compares by >= or <=; {such_as}" if strict else f"it has no value; {such_as}"
    return f"it cannot be read; {such_as}"


def _threshold(text: str, stub: Rule) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None or found["unit"] not in ("", "%") or not math.isfinite(float(found["number"])):
        raise stub.wrong(f"{text!r} is no value: give a number, such as 0.8 or 80%")
    return float(found["number"]) / (100 if found["unit"] else 1)


def _magnitude(text: str | None, side: str, stub: Rule) -> Magnitude | str | None:
    if text is None:
        return None
    found = _NUMBER.fullmatch(text)
    if found is not None:
        return Magnitude(float(found["number"]), found["unit"].strip())
    if side == "=":  # an element of a group
        return text
    raise stub.wrong(f"{text!r} is no magnitude: give a number with its unit, such as 15deg or 10%")


def _class_name(text: str | None) -> str | None:
    if text is None:
        return None
    return EVERY_CLASS if text.split() == EVERY_CLASS.split() else text.strip('"')
