"""Every file that commands leave, damaged or exchanged for another run's, and all its readers.

Each command then ends with 0 (what was damaged is computed again, or not needed, and every number
is as before) or with 2 or 3 and one line that names the file.
"""

import hashlib
import json
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import damage

#: What reads each kind of folder.
READERS = {
    "measure": [
        ["report", "first/measure", "-o", "out.html"],
        ["compare", "first/measure", "second/measure"],
        damage.measuring("first"),
    ],
    "factors": [["report", "first/factors", "-o", "out.html"], damage.searching("first")],
    "foregrounds": [
        [*damage.searching("first"), "--foregrounds", "first/foregrounds"],
        damage.finding("first"),
    ],
    "train": [
        damage.training("first"),
        ["measure", "trained:first/train/seed-0", "-d", "pictures", "-n", "8", "-t", "rotate=90",
         "-j", "0", "-o", "out"],
    ],
    "study": [
        ["report", "first/study", "-o", "out.html"],
        ["claims", "first/study", "--json"],
        damage.studying("first"),
    ],
    "jobs": [damage.studying("first")],
}  # fmt: skip
_SHOWN = (".html", ".svg", ".py")  # for people; no command reads them
_SHOWING = ("report", "compare", "claims")  # commands that show numbers and change none
_UNREAD = (
    "accuracies.csv", "recommendation.csv", "foregrounds-summary.csv", "foregrounds-spread.csv",
)  # fmt: skip


def files_of(world: Path, kind: str) -> list[Path]:
    folder = world / "first" / kind
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if path.suffix not in _SHOWN and path.parent.name != ".locks"]


def foreign_to(world: Path, path: Path) -> bytes | None:
    """The file of the same kind from the second folder."""
    parts = list(path.relative_to(world / "first").parts)
    if parts[0] == "jobs":
        about = json.loads((world / "first" / "jobs" / parts[1] / "job.json").read_text())
        twins = (world / "second" / "jobs").glob("*/job.json")
        parts[1] = next(
            twin.parent.name
            for twin in twins
            if json.loads(twin.read_text())["kind"] == about["kind"]
        )
    elif parts[0] == "train" and parts[1].startswith("seed-"):
        parts[1] = f"seed-{int(parts[1].removeprefix('seed-')) + 5}"
    other = world / "second" / Path(*parts)
    return other.read_bytes() if other.is_file() else None


def numbers(world: Path) -> dict[str, str]:
    """The digests of all tables and weights; of Parquet, which says some things twice, as read."""
    kinds = (".parquet", ".csv", ".pt")
    files = (path for path in sorted((world / "first").rglob("*")) if path.suffix in kinds)
    return {str(path): hashlib.sha256(content_of(path)).hexdigest() for path in files}


def content_of(path: Path) -> bytes:
    if path.suffix == ".parquet":
        with suppress(Exception):  # damaged
            table = pq.read_table(path, page_checksum_verification=True)
            return repr((table.to_pydict(), table.schema.metadata)).encode()
    return path.read_bytes()


def restore(world: Path, whole: Path) -> None:
    shutil.rmtree(world / "first")
    shutil.rmtree(world / "out", ignore_errors=True)
    shutil.copytree(whole / "first", world / "first")


def check(world, whole, command, kind, count):
    """Damages files of a kind of folder in as many ways, drawn by seed (None: in all).

    Returns a line for each command that then ends wrongly.
    """
    cases = [
        (path, *case)
        for path in files_of(world, kind)
        for case in damage.damages(
            path.read_bytes(), foreign_to(world, path), str(path.relative_to(world))
        )
    ]
    if count is not None:
        cases = random.Random(kind).sample(cases, count)
    before = numbers(world)
    readers = READERS[kind]
    shown = {words[0]: shown_by(command, words)[2] for words in readers if words[0] in _SHOWING}
    wrong = []
    for path, how, content in cases:
        for words in readers:
            restore(world, whole)
            path.write_bytes(content)
            code, text, page = shown_by(command, words)
            same = page == shown.get(words[0], page)
            problem = problem_with(path.relative_to(world), code, text, same)
            if not problem and not code and words[0] not in _SHOWING:
                after = numbers(world)
                changed = {name for name in before if after.get(name) != before[name]}
                unread = path.name in _UNREAD or path.parts[-3:-1] == ("foregrounds", "rows")
                if words[1].startswith("trained:") or unread:
                    changed -= {str(path)}
                problem = f"numbers of {changed} changed" if changed else ""
            if problem:
                place = f"{path.relative_to(world)}, {how}, {' '.join(words[:2])}"
                wrong.append(f"{place}: {problem}: {text[-300:]}")
    return "\n".join(wrong)


def shown_by(command, words):
    """Exit code of a command, all that it says, and what it shows of numbers."""
    code, out, err = command(*words)
    page = Path("out.html").read_text() if words[0] == "report" and not code else out
    return code, out + err if words[0] in _SHOWING else err, page


def problem_with(path, code, text, same):
    """What is wrong about how a command ended; "": nothing."""
    if "Traceback" in text or code not in (0, 2, 3):
        return f"exit {code}"
    # A job is known by its folder, a job's model by what its key stands for.
    named = path.name in text or (path.parts[1] == "jobs" and path.parts[2] in text)
    if code:
        lines = [line for line in text.splitlines() if not line.startswith("note:")]
        return ("" if named else "not named") or ("" if len(lines) == 1 else "not one line")
    return "" if same or named else "shows something else, silently"


@pytest.mark.parametrize("kind", READERS)
def test_a_few_damages_are_named_or_mended(world, whole, command, kind):
    assert check(world, whole, command, kind, 2) == ""


@pytest.mark.faults
@pytest.mark.parametrize("kind", READERS)
def test_every_damage_is_named_or_mended(world, whole, command, kind):
    assert check(world, whole, command, kind, None) == ""
