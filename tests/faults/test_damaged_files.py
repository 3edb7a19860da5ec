"""Every file that commands leave, damaged or exchanged for another run's, and all its readers.

Each command then ends with 0 (what was damaged is computed again, or not needed, and every number
is as before) or with 2 or 3 and one line that names the file.
"""

import hashlib
import json
import random
import shutil
from pathlib import Path

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
    "foregrounds": [[*damage.searching("first"), "--foregrounds", "first/foregrounds"]],
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
_COMPARED = ("compare", "claims")  # commands whose words are numbers


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
    """The digests of all tables and weights."""
    kinds = (".parquet", ".csv", ".pt")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((world / "first").rglob("*"))
        if path.suffix in kinds
    }


def restore(world: Path, whole: Path) -> None:
    shutil.rmtree(world / "first")
    shutil.rmtree(world / "out", ignore_errors=True)
    shutil.copytree(whole / "first", world / "first")


def check(world, whole, command, kind, count):
    """Damages files of a kind of folder in as many ways, drawn by seed; None: in all."""
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
    words_before = {word[0]: command(*word)[1] for word in READERS[kind] if word[0] in _COMPARED}
    seen = set()
    for path, how, content in cases:
        for words in READERS[kind]:
            restore(world, whole)
            path.write_bytes(content)
            code, out, err = command(*words)
            told = (path.relative_to(world), how, words[:2], code, err[-500:])
            assert "Traceback" not in err, told
            assert code in (0, 2, 3), told
            seen.add(code)
            if code:
                # A job is known by its folder, a job's model by what its key stands for.
                named = path.name in err or path.relative_to(world).parts[2] in err
                assert named, told
                problems = [line for line in err.splitlines() if not line.startswith("note:")]
                assert len(problems) == 1, told
            elif words[0] in _COMPARED and path.name != "channel_pairs.npz":
                assert out == words_before[words[0]], told
            elif words[0] != "report":
                after = numbers(world)
                changed = {name for name in before if after.get(name) != before[name]}
                assert changed <= {str(path)}, told
                unread = path.name in ("accuracies.csv", "recommendation.csv")
                assert not changed or words[1].startswith("trained:") or unread, told
    return seen


@pytest.mark.parametrize("kind", READERS)
def test_a_few_damages_are_named_or_mended(world, whole, command, kind):
    assert check(world, whole, command, kind, 2)


@pytest.mark.faults
@pytest.mark.parametrize("kind", READERS)
def test_every_damage_is_named_or_mended(world, whole, command, kind):
    check(world, whole, command, kind, None)
