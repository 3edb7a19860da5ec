"""Defines a study: one experiment of a paper as one function, its settings and its presets.

    @study("rrc-decomposition", paper="000 §2.1", question="…", expected="…",
           cost={"smoke": "5 s", …}, presets={"smoke": Settings(…), "laptop": …, "paper": …})
    def rrc_decomposition(lab: Lab, settings: Settings) -> Findings: ...

Settings are a frozen dataclass, or a mapping whose values show the types. ``--set key=value``
replaces one of them, checked against the settings' names and types. Studies of other packages come
through the entry-point group `invariscope.studies`.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Union, get_args, get_origin, get_type_hints

from invariscope.errors import InputError
from invariscope.registry import Registry, unknown_name
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab

PRESETS = ("smoke", "laptop", "paper")
#: The package's own studies, in the order of the papers: the module of each.
BUILT_IN = {
    name: f"invariscope.studies.{paper}.{name.replace('-', '_')}"
    for paper, names in {
        "paper000": (
            "rrc-decomposition",
            "rrc-beta",
            "sources-of-invariance",
            "natural-factors",
            "class-effects",
            "validation-scale",
            "augerino",
        ),
        "paper002": (
            "designed-symmetry",
            "architectures",
            "rotation-in-the-task",
            "augmentation-equivariance",
            "capacity",
        ),
        "paper003": (
            "learned-vs-built-in",
            "out-of-distribution",
            "pretraining",
            "self-supervision",
        ),
        "paper004": (
            "invariance-vs-equivariance",
            "supersets",
            "irrelevant-features",
            "relevance",
            "availability",
            "between-classes",
            "single-transformations",
            "distance-ratios",
        ),
    }.items()
    for name in names
}


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        name: Its name on the command line.
        paper: Paper and section, "000 §2.1".
        question: What it asks, one sentence.
        expected: The paper's finding.
        cost: What each preset takes, in words, on two cores unless it says otherwise.
        presets: The settings of each preset.
        function: Takes the laboratory and the settings, returns the findings.
        seeds: The settings that hold training seeds, of those that it may have.
    """

    name: str
    paper: str
    question: str
    expected: str
    cost: Mapping[str, str]
    presets: Mapping[str, Any]
    function: Callable[[Lab, Any], Findings]
    seeds: tuple[str, ...] = ("seeds",)

    def seeds_of(self, settings: Any) -> dict[str, tuple[int, ...]]:
        """The training seeds in settings, by the settings' names; none where nothing is trained."""
        known = as_mapping(settings)
        return {name: tuple(known[name]) for name in self.seeds if known.get(name)}


STUDIES: Registry[Study] = Registry("study", "invariscope.studies")


def study(
    name: str,
    *,
    paper: str,
    question: str,
    expected: str,
    cost: Mapping[str, str],
    presets: Mapping[str, Any],
    seeds: tuple[str, ...] = ("seeds",),
) -> Callable[[Callable[[Lab, Any], Findings]], Callable[[Lab, Any], Findings]]:
    """Registers a function (lab, settings) as a study; see `Study` for the arguments.

    Raises:
        ValueError: Presets without a cost, or that are neither dataclasses nor mappings.
    """
    for preset, settings in presets.items():
        if preset not in cost:
            raise ValueError(f"study {name!r}: preset {preset!r} has no cost")
        if not isinstance(settings, Mapping) and not dataclasses.is_dataclass(settings):
            raise ValueError(f"study {name!r}: preset {preset!r} is neither dataclass nor mapping")

    def add(function: Callable[[Lab, Any], Findings]) -> Callable[[Lab, Any], Findings]:
        known = Study(name, paper, question, expected, cost, presets, function, seeds)
        STUDIES.add(name, known)
        return function

    return add


def studies() -> dict[str, Study]:
    """All studies by name: the package's own in the order of the papers, then the others."""
    for name, module in BUILT_IN.items():
        if name not in STUDIES and find_spec(module) is not None:
            import_module(module)
    own = [name for name in BUILT_IN if name in STUDIES]
    return {name: STUDIES.get(name) for name in [*own, *sorted(set(STUDIES) - set(own))]}


def study_names() -> set[str]:
    """The names of all studies, without loading any."""
    own = {name for name, module in BUILT_IN.items() if find_spec(module)}
    return own | STUDIES.names()


def get_study(name: str) -> Study:
    """The study of that name.

    Raises:
        InputError: There is none.
    """
    known = studies()
    if name not in known:
        raise unknown_name("study", name, known)
    return known[name]


def settings_of(study: Study, preset: str, changes: Mapping[str, str] | None = None) -> Any:
    """Makes the settings of a preset, with some of them replaced.

    Args:
        study: The study.
        preset: The preset.
        changes: New values as text, by the settings' names.

    Raises:
        InputError: No such preset, no such setting, or a text that is no value of its type.

    Example:
        >>> tiny = {"smoke": {"epochs": 1.0, "seeds": (0, 1)}}
        >>> example = Study("x", "", "", "", {"smoke": ""}, tiny, lambda lab, settings: None)
        >>> settings_of(example, "smoke", {"seeds": "0,1,2"})
        {'epochs': 1.0, 'seeds': (0, 1, 2)}
    """
    if preset not in study.presets:
        raise unknown_name(f"preset of {study.name}", preset, study.presets)
    settings = study.presets[preset]
    kinds = _types(settings)
    new: dict[str, Any] = {}
    for name, text in (changes or {}).items():
        if name not in kinds:
            raise unknown_name(f"setting of {study.name}", name, kinds)
        new[name] = _parse(name, text, kinds[name])
    return with_values(settings, new)


def with_values(settings: Any, values: Mapping[str, Any]) -> Any:
    """Settings with some values replaced."""
    if isinstance(settings, Mapping):
        return {**settings, **values}
    return dataclasses.replace(settings, **values)


def as_mapping(settings: Any) -> dict[str, Any]:
    """Settings as JSON holds them."""
    plain = dict(settings) if isinstance(settings, Mapping) else dataclasses.asdict(settings)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in plain.items()}


def needed(value: str | None, name: str, what: str) -> str:
    """A setting that a preset cannot know by itself, such as where ImageNet lies.

    Args:
        value: What the user gave.
        name: The setting's name.
        what: What to give, in words.

    Raises:
        InputError: Nothing was given.

    Example:
        >>> needed("imagenet/val", "data", "ImageNet's validation images, a folder per class")
        'imagenet/val'
    """
    if not value:
        raise InputError(f"this preset needs {what}: give it by `changes={{'{name}': 'PATH'}}`")
    return value


def _types(settings: Any) -> dict[str, Any]:
    if isinstance(settings, Mapping):
        return {name: _type_of(value) for name, value in settings.items()}
    hints = get_type_hints(type(settings))
    return {field.name: hints[field.name] for field in dataclasses.fields(settings)}


def _type_of(value: Any) -> Any:
    if isinstance(value, tuple | list) and value:
        return types.GenericAlias(tuple, (type(value[0]), ...))
    return str | None if value is None else type(value)


_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _parse(name: str, text: str, kind: Any) -> Any:
    """A text as a value of a type: bool, int, float, str, None, or tuples of one of them."""
    if get_origin(kind) in (Union, types.UnionType):
        inner = [part for part in get_args(kind) if part is not type(None)]
        if type(None) in get_args(kind) and text.lower() in ("none", ""):
            return None
        for part in inner[:-1]:
            try:
                return _parse(name, text, part)
            except InputError:
                continue
        return _parse(name, text, inner[-1])
    if get_origin(kind) in (tuple, list):
        inner = get_args(kind)[0]
        return tuple(_parse(name, part.strip(), inner) for part in text.split(",") if part.strip())
    if get_origin(kind) is not None and get_origin(kind).__name__ == "Literal":
        if text not in get_args(kind):
            raise unknown_name(f"value of {name}", text, get_args(kind))
        return text
    try:
        return _WORDS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        what = _KINDS.get(kind, kind.__name__)
        raise InputError(f"`changes={{'{name}': '{text}'}}`: {name} takes {what}") from None
