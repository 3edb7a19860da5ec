"""Damages the files that commands leave, and says which of their readers then end wrongly.

    python damage_table.py COUNT KIND…     COUNT damages of each kind of folder, drawn by the kind;
                                           "every": all of them

A file that is damaged as a whole is given to all readers of its kind, one of which a place in its
JSON is another to two of them, drawn by the damage; of few damages each is given to one.

It makes the world of `damage` in the current folder, if it is not there, and prints {kind: [what
went wrong]} as JSON. A reader ends rightly with what it shows without damage (what was damaged is
computed again, or not needed), or names the file: with 2 or 3 and one line, or in a note.
"""

import hashlib
import json
import random
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

import damage
from commands_here import ended, make_world, prepare
from view_pages import asked

Ended = tuple[int, str, str]


@dataclass(frozen=True)
class Reader:
    """What reads a folder.

    Args:
        words: The command.
        code: With what it ends.
        written: The file that holds what it shows; "": it shows it on the terminal. None: it shows
            nothing, and the numbers of its folder must be as they were.
    """

    words: Sequence[str]
    code: int = 0
    written: str | None = None

    def run(self) -> Ended:
        """Exit code, what is said, and what is shown."""
        if self.words[0] == "view":
            return viewed(Path(self.words[1]))
        code, out, err = ended(list(self.words))
        if self.written is None or code not in (0, self.code):
            return code, err, ""
        return code, out + err, content_of(Path(self.written)) if self.written else out


def showing(text: str, code: int = 0) -> Reader:
    """A reader that shows numbers on the terminal."""
    return Reader(text.split(), code, "")


def writing(text: str, written: str) -> Reader:
    """A reader that shows numbers in a file."""
    return Reader(text.split(), 0, written)


MEASURED = "-d pictures -n 8 -t rotate=90 -j 0 -o out/run"
#: The folders that readers of a kind may change, its own first, and the readers.
READERS: dict[str, tuple[list[str], list[Reader]]] = {
    "measure": (["measure"], [
        writing("report first/measure -o out/report.html", "out/report.html"),
        showing("compare first/measure second/measure"),
        writing("export first/measure --to csv -o out/table.csv", "out/table.csv"),
        Reader(["check", "first/measure", "-r", "rotate@<=20deg accuracy >= 1%"], 0, ""),
        showing("check second/measure --baseline first/measure --margin 100000"),
        showing("class-effects --without none=first/measure,second/measure "
                "--with other=first/cached,second/cached"),
        showing("view first/measure"),
        Reader(damage.measuring("first")),
    ]),
    "cached": (["cached"], [Reader(damage.caching("first"))]),
    "cache": (["cache", "cached"], [
        Reader(damage.caching("first", "out/run"), 0, "out/run/summary.parquet"),
    ]),
    "factors": (["factors"], [
        writing("report first/factors -o out/report.html", "out/report.html"),
        writing("export first/factors --to csv -o out/table.csv", "out/table.csv"),
        showing("view first/factors"),
        Reader(damage.searching("first")),
    ]),
    "foregrounds": (["foregrounds", "factors"], [
        Reader([*damage.searching("first"), "--foregrounds", "first/foregrounds"]),
        showing("view first/foregrounds"),
        Reader(damage.finding("first")),
    ]),
    "train": (["train"], [
        Reader(damage.training("first")),
        Reader(f"measure trained:first/train/seed-0 {MEASURED}".split(), 0,
               "out/run/summary.parquet"),
        writing("export first/train --to csv -o out/table.csv", "out/table.csv"),
        showing("view first/train"),
    ]),
    "improve": (["improve"], [
        Reader(damage.improving("first"), 1),
        Reader(f"measure improved:first/improve/improved {MEASURED}".split(), 0,
               "out/run/summary.parquet"),
        showing("view first/improve"),
    ]),
    "study": (["study", "jobs"], [
        writing("report first/study -o out/report.html", "out/report.html"),
        showing("claims first/study --json"),
        showing("view first/study"),
        Reader(damage.studying("first")),
    ]),
    "half-measure": (["half-measure"], [
        writing(" ".join(damage.half("half-measure", "first")[0]),
                "first/half-measure/summary.parquet"),
    ]),
    "half-train": (["half-train"], [
        writing(" ".join(damage.half("half-train", "first")[0]),
                "first/half-train/seed-0/weights.pt"),
    ]),
    "jobs": (["jobs", "study"], [showing("view first/jobs"), Reader(damage.studying("first"))]),
}  # fmt: skip
_SHOWN = (".html", ".svg", ".py")  # for people; no command reads them
_UNREAD = (
    "accuracies.csv", "recommendation.csv", "foregrounds-summary.csv", "foregrounds-spread.csv",
)  # fmt: skip


def files_of(kind: str) -> list[Path]:
    """The files of a kind of folder that commands read."""
    files = (path for path in sorted(Path("first", kind).rglob("*")) if path.is_file())
    return [
        path for path in files
        if path.suffix not in _SHOWN and path.parent.name != ".locks" and path.name != ".lock"
    ]  # fmt: skip


def foreign_to(path: Path) -> bytes | None:
    """The file of the same kind from the second folder."""
    parts = list(path.parts[1:])
    if parts[0] == "jobs":
        about = json.loads(Path("first", "jobs", parts[1], "job.json").read_text())
        twins = Path("second", "jobs").glob("*/job.json")
        parts[1] = next(
            twin.parent.name
            for twin in twins
            if json.loads(twin.read_text())["kind"] == about["kind"]
        )
    elif parts[0] in ("train", "half-train") and parts[1].startswith("seed-"):
        parts[1] = f"seed-{int(parts[1].removeprefix('seed-')) + 5}"
    other = Path("second", *parts)
    if path.suffix == ".arrow":  # known by what lies in it
        other = sorted(Path("second", "cache").rglob("*.arrow"))[0]
    return other.read_bytes() if other.is_file() else None


def numbers(folders: list[str]) -> dict[str, str]:
    """The digests of all tables and weights; of Parquet, which says some things twice, as read."""
    kinds = (".parquet", ".csv", ".pt")
    files = (p for f in folders for p in Path("first", f).rglob("*") if p.suffix in kinds)
    return {str(p): hashlib.sha256(content_of(p).encode()).hexdigest() for p in files}


def content_of(path: Path) -> str:
    """What is in a file that numbers can be read from."""
    if path.suffix == ".parquet":
        with suppress(Exception):  # damaged
            table = pq.read_table(path, page_checksum_verification=True)
            return repr((table.to_pydict(), table.schema.metadata))
    return path.read_bytes().decode("latin-1")


def viewed(folder: Path) -> Ended:
    """All pages of the view of a folder: what goes wrong, and what they show."""
    from invariscope.report.view.shown import MOST
    from invariscope.runs.manifest import MEASURE
    from invariscope.view.app import application
    from invariscope.view.runs import Runs

    runs = Runs(folder)
    app, pages = application(runs, "token"), []
    try:
        pages.append(asked(app, "/")[1])
        entries = runs.entries()
        keys = [entry.key for entry in entries if entry.kind == MEASURE]
        for key in [*keys, ",".join(keys[:MOST])] if keys else []:
            pages.append(asked(app, "/choice", runs=key)[1])
            pages.append(asked(app, "/layers", runs=key)[1])
            pages.append(asked(app, "/card", runs=key, transformation="rotate")[1])
            pages.append(asked(app, "/layer", run=key, layer="logits")[1])
        pages += [asked(app, f"/report/{one.key}/report.html")[1] for one in entries]
    except Exception:
        return 99, traceback.format_exc(), ""
    return 0, "\n".join(pages), "\n".join(pages)


def restore(folders: list[str]) -> None:
    """Puts folders back as they were."""
    for name in folders:
        shutil.rmtree(Path("first", name), ignore_errors=True)
        shutil.copytree(Path("whole", name), Path("first", name))
    shutil.rmtree("out", ignore_errors=True)
    Path("out").mkdir()


def cases_of(kind: str, count: int | None) -> list[tuple[Path, str, bytes]]:
    """The damages of a kind of folder: the file, the word for it, the content."""
    cases = [
        (path, *case)
        for path in files_of(kind)
        for case in damage.damages(path.read_bytes(), foreign_to(path), str(path))
    ]
    return cases if count is None else random.Random(kind).sample(cases, count)


def check(kind: str, count: int | None, told: Callable[[str], None]) -> list[str]:
    """Damages files of a kind of folder; a line for each reader that then ends wrongly."""
    folders, readers = READERS[kind]
    restore(folders)
    before, wrong = numbers(folders), []
    whole: dict[int, Ended] = {}
    cases = cases_of(kind, count)
    for number, (path, how, content) in enumerate(cases):
        place = " " in how and how != "deep object"
        most = 1 if count is not None else 2 if place else len(readers)
        draw = random.Random(f"{path} {how}")
        for own in sorted(draw.sample(range(len(readers)), min(most, len(readers)))):
            reader = readers[own]
            if own not in whole:
                restore(folders)
                whole[own] = reader.run()
                assert whole[own][0] == reader.code, (reader.words, whole[own])
            restore(folders)
            path.write_bytes(content)
            end = reader.run()
            problem = problem_with(path, reader, end, whole[own])
            if not problem and end[0] == reader.code and reader.written is None:
                problem = changed(path, before, numbers(folders))
            if problem:
                said = said_anew(end[1], whole[own][1])[-400:]
                wrong.append(f"{path}, {how}, {' '.join(reader.words[:2])}: {problem}: {said}")
                told(wrong[-1])
        told(f"{kind}: {number + 1} of {len(cases)}")
    restore(folders)
    return wrong


def problem_with(path: Path, reader: Reader, end: Ended, expected: Ended) -> str:
    """What is wrong about how a reader ended; "": nothing."""
    code, text, shown = end
    new = said_anew(text, expected[1])
    if "Traceback" in text or "defect" in text or code not in (reader.code, 2, 3):
        return f"exit {code}"
    # A job is known by its folder, a job's model by what its key stands for.
    named = path.name in new or (path.parts[1] == "jobs" and path.parts[2] in new)
    if code != reader.code:
        lines = [line for line in text.splitlines() if not line.startswith("note:")]
        lines = [line for line in lines if "━" not in line]  # bars of the stages before
        return ("" if named else "not named") or ("" if len(lines) == 1 else "not one line")
    return "" if shown == expected[2] or named else "shows something else, silently"


def said_anew(text: str, before: str) -> str:
    """The lines that are not said without damage."""
    known = set(before.splitlines())
    return "\n".join(line for line in text.splitlines() if line not in known)


def changed(path: Path, before: dict[str, str], after: dict[str, str]) -> str:
    """Says which numbers are others now."""
    names = {name for name in before if after.get(name) != before[name]}
    if path.name in _UNREAD or re.match("first/foregrounds/rows/", str(path)):
        names -= {str(path)}
    return f"numbers of {names} changed" if names else ""


def main() -> None:
    """Makes the world, if need be, and damages it."""
    many, *kinds = sys.argv[1:]  # commands that are carried out here change it
    prepare()
    if not Path("whole").exists():
        make_world()
        shutil.copytree("first", "whole")
    count = None if many == "every" else int(many)
    progress = sys.stderr if count is None else None
    found = {
        kind: check(kind, count, lambda text: print(text, file=progress, flush=True)
                    if progress else None)
        for kind in kinds
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
