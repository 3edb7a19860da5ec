"""Finds the runs in a folder, by their manifests alone, and opens those that are asked for.

A run is asked for by its key, a digest of where it lies, and never by a path. What leads out of the
folder, by a symbolic link of the run or of one of its files, is not opened. Nothing is written.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import undamaged
from invariscope.improving.record import RECORD
from invariscope.report.kit.words import listed
from invariscope.report.view.shown import MOST, ShownRun
from invariscope.results import Result
from invariscope.runs.manifest import MANIFEST, MEASURE, read_manifest, written_by
from invariscope.studies.claims.record import STUDY
from invariscope.training.run import RECIPE

REPORT = "report.html"
#: How far below the folder runs are looked for: that of a study's jobs, one below it.
_DEPTH = 4
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OPEN = 2 * MOST
_OTHERS = {STUDY: "a study", RECORD: "an improvement", RECIPE: "a training"}


@dataclass(frozen=True)
class Entry:
    """A folder in the list.

    Attributes:
        key: By what it is asked for.
        name: Where it lies, beginning with the name of the folder of all runs.
        folder: Where it lies.
        kind: "measure", or what else it is, in words.
        problem: What is wrong with it; "" where it can be shown.
        model: The model's spec.
        data: The data's spec.
        images: How many images, in words.
        when: When it began.
        metrics: Its metrics, in words.
        unfinished: Whether it is.
    """

    key: str
    name: str
    folder: Path
    kind: str = MEASURE
    problem: str = ""
    model: str = ""
    data: str = ""
    images: str = ""
    when: str = ""
    metrics: str = ""
    unfinished: bool = False


class Runs:
    """The runs in a folder.

    Args:
        root: The folder.

    Raises:
        InputError: There is no such folder.
    """

    def __init__(self, root: str | os.PathLike[str]):
        self.given = Path(root)
        self.root = self.given.resolve()
        if not self.root.is_dir():
            raise InputError(f"no folder at {root}: give the folder in which runs lie")
        self._opened: OrderedDict[tuple[str, tuple[Any, ...]], ShownRun] = OrderedDict()
        self._listed: dict[str, tuple[tuple[int, int], Entry]] = {}

    @property
    def name(self) -> str:
        """What the folder is called."""
        return str(self.given)

    def entries(self) -> list[Entry]:
        """Lists everything in the folder that invariscope wrote, the newest run first."""
        found = [self._entry(folder, marker) for folder, marker in _marked(self.root, _DEPTH)]
        found.sort(key=lambda entry: entry.name)
        return sorted(found, key=lambda entry: entry.when, reverse=True)

    def entry(self, key: str) -> Entry:
        """Finds a folder by its key.

        Raises:
            InputError: There is none.
        """
        return self._chosen([key])[0]

    def shown(self, keys: Sequence[str]) -> list[ShownRun]:
        """Opens runs, and gives each a letter.

        Raises:
            InputError: No key, too many, one of no run, or a run that cannot be read.
        """
        keys = list(dict.fromkeys(keys))
        if not 0 < len(keys) <= MOST:
            raise InputError(f"{len(keys)} runs: choose one, or up to {MOST} to compare")
        return [
            self._open(entry).called(letter)
            for letter, entry in zip(_LETTERS, self._chosen(keys), strict=False)
        ]

    def page(self, key: str, name: str) -> Path:
        """Finds the written report of a folder, or the page of a layer beside it.

        Args:
            key: The folder's.
            name: "report.html" or "layers/NAME.html".

        Raises:
            InputError: There is none of that name, or it leads out of the folder.
        """
        folder = self.entry(key).folder
        known = {REPORT: folder / REPORT}
        known |= {f"layers/{path.name}": path for path in (folder / "layers").glob("*.html")}
        if name not in known or not known[name].is_file() or not self._inside(known[name]):
            raise InputError("there is no such page in this folder")
        return known[name]

    def has_report(self, entry: Entry) -> bool:
        """Says whether a report lies in a folder."""
        return (entry.folder / REPORT).is_file() and self._inside(entry.folder / REPORT)

    def _chosen(self, keys: Sequence[str]) -> list[Entry]:
        """Finds folders by their keys; the folder of all runs is walked once."""
        places = {self._key(place[0]): place for place in _marked(self.root, _DEPTH)}
        if not places.keys() >= set(keys):
            raise InputError("there is no such run in this folder: load the page again")
        return [self._entry(*places[key]) for key in keys]

    def _open(self, entry: Entry) -> ShownRun:
        if entry.problem or entry.kind != MEASURE:
            raise InputError(f"{entry.name}: {entry.problem or f'it is {entry.kind}'}")
        self._keep_inside(entry)
        state = tuple(_state(path) for path in (entry.folder / MANIFEST, entry.folder / "rows"))
        known = (entry.key, state)
        if known not in self._opened:
            with undamaged(entry.folder, "measure again into a new folder"):
                result = Result.load(entry.folder)
            self._opened[known] = ShownRun(entry.key, entry.name, "", result)
        self._opened.move_to_end(known)
        while len(self._opened) > _OPEN:
            self._opened.popitem(last=False)
        return self._opened[known]

    def _keep_inside(self, entry: Entry) -> None:
        for place, folders, files in os.walk(entry.folder):
            for name in (*folders, *files):
                if not self._inside(Path(place, name)):
                    raise InputError(
                        f"{entry.name}: {name} leads out of {self.name}, so it is not opened"
                    )

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root)

    def _key(self, folder: Path) -> str:
        return hashlib.sha256(os.fsencode(folder.relative_to(self.root))).hexdigest()[:16]

    def _entry(self, folder: Path, marker: str) -> Entry:
        key, state = self._key(folder), _state(folder / marker)
        if self._listed.get(key, (None,))[0] != state:
            self._listed[key] = (state, self._read(key, folder, marker))
        return self._listed[key][1]

    def _read(self, key: str, folder: Path, marker: str) -> Entry:
        name = str(self.given / folder.relative_to(self.root))
        if marker != MANIFEST:
            return Entry(key, name, folder, _OTHERS[marker])
        if not self._inside(folder / MANIFEST):
            return Entry(key, name, folder, problem=f"its {MANIFEST} leads out of {self.name}")
        command = written_by(folder)
        if command != MEASURE:
            return Entry(key, name, folder, f"a run of `invariscope {command}`")
        try:
            with undamaged(folder / MANIFEST, "measure again into a new folder"):
                return _measured(key, name, folder, read_manifest(folder))
        except InputError as problem:
            return Entry(key, name, folder, problem=str(problem))


def _measured(key: str, name: str, folder: Path, manifest: dict[str, Any]) -> Entry:
    settings, images = manifest["settings"], manifest["images"]
    execution, known = manifest["execution"], manifest["metrics"]
    labels = [str(known[metric].get("label", metric)) for metric in settings["metrics"]]
    return Entry(
        key, name, folder, MEASURE, "",
        model=str(settings["model"]),
        data=str(settings["data"]),
        images=f"{int(images['used']):,}",
        when=str(execution["started"])[:16].replace("T", " "),
        metrics=listed(labels),
        unfinished=execution["status"] != "finished",
    )  # fmt: skip


def _marked(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """(folder, the file that says what it is) of a folder and those below it."""
    marker = next((name for name in (MANIFEST, *_OTHERS) if os.path.lexists(folder / name)), None)
    if marker is not None:
        yield folder, marker
    if marker in (None, STUDY) and depth > 0:
        try:
            inner = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:  # one that cannot be read holds no runs for us
            return
        for path in inner:
            yield from _marked(path, depth - 1)


def _state(path: Path) -> tuple[int, int]:
    """What tells whether a file or folder is another one by now."""
    try:
        about = path.stat()
    except OSError:
        return (0, 0)
    return about.st_mtime_ns, about.st_size
