"""Reads rules from a file: `invariscope.toml`, or the table `[tool.invariscope]` of pyproject.toml.

    model = "timm:resnet50"            # what is checked where the command names nothing
    data = "photos"
    num_images = 512                   # the most images
    preprocessing = ["mean=0.5", "std=0.25"]  # what follows --preprocessing, where it is needed
    value_range = "0,4095"             # likewise model_classes, task, embedding, output_key, amp

    [rules]                            # a name for each rule
    "small turns" = "rotate@<=15deg relative_invariance >= 0.8"
    "half the light" = "brightness_down@>=0.5 prediction_consistency >= 90%"

    [baseline]
    run = "runs/main"
    margin = 0.02                      # how far any cell may fall
    margins = { accuracy = 0.01 }      # and cells of some metrics

Paths are those of the folder in which the command is given, as on the command line.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import undamaged
from invariscope.gate.baseline import Baseline
from invariscope.gate.rule import EXAMPLE, Rule, parse_rule

OWN, SHARED = "invariscope.toml", "pyproject.toml"
_TABLE = "[tool.invariscope]"
_KINDS: dict[str, tuple[type, ...]] = {
    "model": (str,), "data": (str,), "table": (str,), "num_images": (int, str), "seed": (int,),
    "preprocessing": (str, list), "model_classes": (str,), "task": (str,), "embedding": (str,),
    "output_key": (str,), "value_range": (str,), "amp": (str,), "rules": (dict,),
    "baseline": (dict,),
}  # fmt: skip
_TABLES = ("rules", "baseline")
_BASELINE: dict[str, tuple[type, ...]] = {
    "run": (str,), "margin": (int, float), "margins": (dict,),
}  # fmt: skip
_WORDS = {
    str: "a text", int: "a whole number", float: "a number", dict: "a table",
    list: 'a list of texts, such as ["mean=0.5", "std=0.25"]',
}  # fmt: skip


@dataclass(frozen=True)
class RulesFile:
    """What a file says.

    Attributes:
        path: The file.
        rules: Its rules.
        baseline: What the run may not fall below, or None.
        settings: What else it says, by the name of the option; preprocessing is always a list of
            texts.
    """

    path: Path
    rules: tuple[Rule, ...] = ()
    baseline: Baseline | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def find_rules_file(folder: Path) -> Path | None:
    """Finds the file that a folder has: its own, or a pyproject.toml with the table."""
    own, shared = folder / OWN, folder / SHARED
    if own.is_file():
        return own
    if shared.is_file() and re.search(r"^\[tool\.invariscope\b", _text(shared), re.MULTILINE):
        return shared
    return None


def read_rules_file(path: Path) -> RulesFile:
    """Reads a file of rules.

    Raises:
        InputError: It cannot be read, is no TOML, or says what is unknown; the message names the
            line.
    """
    lines = _Lines(path, _text(path))
    try:
        content = tomllib.loads(lines.text)
    except tomllib.TOMLDecodeError as problem:
        raise lines.not_toml(problem) from None
    if path.name == SHARED:
        content = content.get("tool", {}).get("invariscope")
        if content is None:
            raise InputError(f"{path} has no table {_TABLE}: add it, with rules in it")
    lines.check(content, _KINDS, "")
    rules = tuple(_rule(name, text, lines) for name, text in content.get("rules", {}).items())
    baseline = content.get("baseline")
    made = None if baseline is None else _baseline(baseline, lines)
    if not rules and made is None:
        raise InputError(
            f"{path} has no rules, so there is nothing to check: add [rules], and in it a line "
            f'such as "small turns" = "{EXAMPLE}"'
        )
    settings = {key: content[key] for key in _KINDS if key in content and key not in _TABLES}
    if isinstance(settings.get("preprocessing"), str):
        settings["preprocessing"] = [settings["preprocessing"]]
    return RulesFile(path, rules, made, settings)


def _rule(name: str, text: Any, lines: "_Lines") -> Rule:
    number = lines.of(name)
    if not isinstance(text, str):
        raise lines.wrong(number, f'a rule is a text, such as "{name}" = "{EXAMPLE}"')
    return parse_rule(text, name=name, file=str(lines.path), line=number)


def _baseline(content: Mapping[str, Any], lines: "_Lines") -> Baseline:
    lines.check(content, _BASELINE, "baseline")
    number = lines.of("baseline", table=True)
    for key, such_as in (("run", '"runs/main", a run folder'), ("margin", "0.02")):
        if key not in content:
            raise lines.wrong(number, f"the baseline has no {key}: add {key} = {such_as}")
    margins = content.get("margins", {})
    if not all(isinstance(margin, int | float) for margin in margins.values()):
        raise lines.wrong(lines.of("margins"), "margins are numbers, such as { accuracy = 0.01 }")
    return Baseline(Path(content["run"]), content["margin"], margins, str(lines.path), number)


def _text(path: Path) -> str:
    with undamaged(path, "give a file of rules in UTF-8"):
        return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Lines:
    """The lines of a file, to say where something stands; tomllib does not keep it."""

    path: Path
    text: str

    def of(self, key: str, *, table: bool = False) -> int:
        """The line that a key stands in, from 1; the first one where it is not found."""
        name = rf"(?:\"{re.escape(key)}\"|'{re.escape(key)}'|{re.escape(key)})"
        own = rf"^\s*{name}\s*="
        pattern = rf"^\s*\[[\w.]*\b{name}\]|{own}" if table else rf"{own}|^\s*\[+[\w.]*\b{name}\b"
        inside = rf"|[{{,]\s*{name}\s*="
        found = re.search(pattern, self.text, re.MULTILINE)
        found = found or re.search(pattern + inside, self.text, re.MULTILINE)
        return 1 if found is None else self.text.count("\n", 0, found.end()) + 1

    def wrong(self, line: int, reason: str) -> InputError:
        """Makes the error for a line."""
        return InputError(f"{self.path}, line {line}: {reason}")

    def not_toml(self, problem: tomllib.TOMLDecodeError) -> InputError:
        """Makes the error for a text that is no TOML, with the line that the reader names."""
        reason, _, where = str(problem).rpartition(" (at ")
        found = re.match(r"line (\d+)", where)
        line = int(found[1]) if found else self.text.rstrip().count("\n") + 1
        return self.wrong(
            line,
            f"this is no TOML ({reason[:1].lower() + reason[1:]}): a rule is written "
            f'"small turns" = "{EXAMPLE}"',
        )

    def check(
        self, content: Mapping[str, Any], known: Mapping[str, tuple[type, ...]], table: str
    ) -> None:
        """Refuses keys that mean nothing, which would be rules that nobody checks."""
        for key, value in content.items():
            inside = f" in [{table}]" if table else ""
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f": did you mean {near[0]}?" if near else f": {', '.join(known)} work"
                raise self.wrong(self.of(key), f"{key!r}{inside} is unknown{hint}")
            texts = not isinstance(value, list) or all(isinstance(item, str) for item in value)
            if not isinstance(value, known[key]) or isinstance(value, bool) or not texts:
                words = " or ".join(_WORDS[kind] for kind in known[key])
                raise self.wrong(self.of(key), f"{key}{inside} is {value!r}: give {words}")
