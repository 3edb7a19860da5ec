"""`claims.json`: the verdicts of one study, with when and how they came about.

JSON has no NaN, so an undefined number is null there and NaN here. `newest` looks through folders
for the latest verdict on each claim; a run of the `smoke` preset, which gives no verdict, counts
where there is no other. Where seeds were added, the file has the plan of looks,
what each found and spent, and for each claim the look that decided it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import undamaged
from invariscope.sealed import read_sealed, write_sealed
from invariscope.studies.claims.ledger import CLAIMS
from invariscope.studies.claims.looks import Looks
from invariscope.studies.claims.verdict import VERDICTS, ClaimResult, Part

CLAIMS_FILE, STUDY = "claims.json", "study.json"
FORMAT = 1
_REMEDY = "run the study again"
SMOKE = "smoke"
_NUMBERS = ("value", "low", "high", "p", "error", "statistic", "ci_low", "ci_high")


@dataclass(frozen=True)
class Record:
    """The verdicts of a study's run.

    Attributes:
        study: The study.
        preset: Its preset.
        finished: When it ended, ISO 8601 in UTC.
        claims: The verdicts.
        folder: Where it was read from.
        looks: The looks, where seeds were added; None: their number was fixed.
    """

    study: str
    preset: str
    finished: str
    claims: tuple[ClaimResult, ...]
    folder: Path | None = None
    looks: Looks | None = None


def write_claims(folder: Path, record: Record) -> Path:
    """Writes `claims.json` whole or not at all.

    Raises:
        RunError: The folder cannot be written.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "study": record.study,
        "preset": record.preset,
        "finished": record.finished,
        "claims": [claim_as_json(claim) for claim in record.claims],
    }
    if record.looks is not None:
        content["looks"] = record.looks.as_json()
    path = folder / CLAIMS_FILE
    write_sealed(path, content)
    return path


def read_claims(path: Path) -> Record:
    """Reads a `claims.json`.

    Raises:
        InputError: The file cannot be read, is of a newer format, or is damaged.
    """
    content = read_sealed(path, _REMEDY)
    version = content.get("format") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise InputError(
            f"{path} has format {version}: this version reads up to format {FORMAT}; install a "
            "newer invariscope"
        )
    with undamaged(path, _REMEDY):
        claims = tuple(claim_from_json(entry) for entry in content["claims"])
        looks = Looks.from_json(content["looks"]) if "looks" in content else None
        study, preset, finished = content["study"], content["preset"], content["finished"]
        return Record(study, preset, finished, claims, path.parent, looks)


def newest(folders: Iterable[Path]) -> dict[str, tuple[ClaimResult, Record]]:
    """The latest verdict on each claim that lies in or below some folders.

    Args:
        folders: Where to look; one that does not exist holds none.

    Returns:
        By claim id; claims without a verdict have no entry.
    """
    verdicts: dict[str, tuple[ClaimResult, Record]] = {}
    for record in sorted(_records(folders), key=_order):
        for claim in record.claims:
            verdicts[claim.id] = (claim, record)
    return verdicts


def _records(folders: Iterable[Path]) -> list[Record]:
    paths = {path.resolve() for folder in folders for path in folder.rglob(CLAIMS_FILE)}
    for path in paths:
        if (path.parent / STUDY).is_file():
            read_sealed(path.parent / STUDY, _REMEDY, [CLAIMS_FILE])
    return [read_claims(path) for path in sorted(paths)]


def _order(record: Record) -> tuple[bool, str]:
    return record.preset != SMOKE, record.finished


def claim_as_json(claim: ClaimResult) -> dict[str, Any]:
    """What JSON holds of a verdict; `claim_from_json` reads it."""
    entry = asdict(claim)
    for part in entry["parts"]:
        del part["at"]  # a function
    return _plain(entry)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def claim_from_json(entry: dict[str, Any]) -> ClaimResult:
    """Reads what `claim_as_json` gave.

    Raises:
        KeyError: An entry is missing, or holds what no verdict or claim is.
    """
    if entry["verdict"] not in VERDICTS:
        raise KeyError(f"verdict {entry['verdict']}")
    parts = tuple(Part(**_numbers(part, Part)) for part in entry["parts"])
    own = _numbers({**entry, "parts": ()}, ClaimResult)
    if own["id"] not in CLAIMS:
        raise KeyError(f"claim {own['id']}")
    return ClaimResult(**own | {"parts": parts})


def _numbers(entry: dict[str, Any], kind: type) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {
        name: math.nan if value is None and name in _NUMBERS else value
        for name, value in entry.items()
        if name in names
    }


def counts(claims: Sequence[ClaimResult]) -> dict[str, int]:
    """Counts the claims with each verdict, in the order of `VERDICTS`."""
    return {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in VERDICTS}
