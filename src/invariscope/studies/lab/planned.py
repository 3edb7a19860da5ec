"""`looks.json`: the plan of looks of a study to which seeds are added, and what is decided so far.

The file is written before the first look and after each. A command that was killed goes on with it,
whatever the levels would be if they were planned anew; other settings are another plan, and
refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import undamaged
from invariscope.sealed import read_sealed, write_sealed
from invariscope.statistics.group_sequential import SPENDING, plan_looks
from invariscope.studies.claims.looks import Looks
from invariscope.studies.claims.record import claim_as_json, claim_from_json
from invariscope.studies.claims.verdict import ClaimResult
from invariscope.studies.lab.study import Study, as_mapping, with_values
from invariscope.version import VERSION

LOOKS_FILE = "looks.json"
FORMAT = 1
_REMEDY = "delete it, and looks are planned anew, or give another folder as `output`"


@dataclass(frozen=True)
class Planned:
    """A study's looks and the claims that they have decided.

    Attributes:
        looks: The looks.
        decided: Claims as decided at their looks.
    """

    looks: Looks
    decided: tuple[ClaimResult, ...] = ()


def begin_or_go_on(
    folder: Path, study: Study, preset: str, settings: Any, looks: Sequence[int] | None
) -> Planned:
    """Reads the plan in a folder, or makes one and writes it.

    Args:
        folder: The study's folder.
        study: The study.
        preset: Its preset.
        settings: Its settings, with the seeds to begin with.
        looks: Numbers of seeds to look at; None: those of the folder's plan, or 3, 5, 8, 12.

    Raises:
        InputError: The study has no training seeds; the plan in the folder is of another study, or
            other settings or looks; the file is damaged.
    """
    named = study.seeds_of(settings)
    if not named:
        raise InputError(
            f"{study.name}, {preset}: nothing is trained, so that there are no seeds to add: leave "
            "out `until`; its intervals are over images"
        )
    subject = _subject(study, preset, settings)
    path = folder / LOOKS_FILE
    if path.exists():
        return _read(path, subject, looks)
    plan = plan_looks(looks) if looks else plan_looks()
    planned = Planned(Looks(plan, extended(next(iter(named.values())), plan.looks[-1])))
    write_planned(folder, study, preset, settings, planned)
    return planned


def write_planned(folder: Path, study: Study, preset: str, settings: Any, planned: Planned) -> None:
    """Writes the plan and what is decided, whole or not at all.

    Raises:
        RunError: The folder cannot be written.
    """
    content = {
        "format": FORMAT,
        "subject": _subject(study, preset, settings),
        "spending": SPENDING,
        "version": VERSION,
        "looks": planned.looks.as_json(),
        "decided": [claim_as_json(claim) for claim in planned.decided],
    }
    write_sealed(folder / LOOKS_FILE, content)


def with_seeds(study: Study, settings: Any, number: int) -> Any:
    """Settings with a number of training seeds: their own, then the next whole numbers."""
    named = study.seeds_of(settings)
    return with_values(settings, {name: extended(seeds, number) for name, seeds in named.items()})


def extended(seeds: Sequence[int], number: int) -> tuple[int, ...]:
    """The first of some seeds, continued by whole numbers that follow the largest.

    Example:
        >>> extended([3, 7], 4), extended([0, 1, 2], 2)
        ((3, 7, 8, 9), (0, 1))
    """
    own = list(dict.fromkeys(seeds))
    more = range(max(own) + 1, max(own) + 1 + max(0, number - len(own)))
    return tuple([*own, *more][:number])


def _subject(study: Study, preset: str, settings: Any) -> dict[str, Any]:
    return {"study": study.name, "preset": preset, "settings": as_mapping(settings)}


def _read(path: Path, subject: dict[str, Any], wanted: Sequence[int] | None) -> Planned:
    content = read_sealed(path, _REMEDY)
    with undamaged(path, _REMEDY):
        if content["format"] > FORMAT:
            raise InputError(f"{path} has format {content['format']}: install a newer invariscope")
        before, planned = (
            content["subject"],
            Planned(
                Looks.from_json(content["looks"]),
                tuple(claim_from_json(entry) for entry in content["decided"]),
            ),
        )
        flat = ({"study": s["study"], "preset": s["preset"], **s["settings"]}
                for s in (before, subject))  # fmt: skip
        old, new = flat
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if differing:
        name = differing[0]
        raise InputError(
            f"{path} plans looks for {name}={old.get(name)}, not {new.get(name)}: {_REMEDY}"
        )
    if wanted and tuple(wanted) != planned.looks.plan.looks:
        numbers = ",".join(map(str, planned.looks.plan.looks))
        raise InputError(
            f"{path} plans looks at {numbers} seeds, which are kept once looking has begun: leave "
            "out `looks`, or give another folder as `output`"
        )
    return planned
