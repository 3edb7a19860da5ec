"""Carries out `invariscope improve`: its bars, Ctrl-C at any moment, what is shown at the end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.progress import TextColumn, TimeRemainingColumn

from invariscope.cli.folders import folder_for
from invariscope.cli.progress import Bar
from invariscope.cli.running import after_the_step, interruptible
from invariscope.cli.screen import Screen
from invariscope.improving import Improvement, Watching, improve
from invariscope.memory import keep_freed_memory
from invariscope.terminal import Terminal


class _Bars(Bar, Watching):
    """A bar for each stage: measurements, the search, the tuning."""

    def __init__(self, screen: Terminal):
        super().__init__(screen, TextColumn("{task.fields[seen]}"), TimeRemainingColumn())
        self._stage, self._seen, self.tuning = "", "", False

    def stage(self, words: str) -> None:
        """Begins a stage; its bar is shown once it says how much there is to do."""
        self._stage, self.tuning = words, False

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """Begins a measurement."""
        self.begin(self._stage, passes, done)

    def advance(self, passes: int) -> None:
        """Adds images that went through the network."""
        self._bar.advance(self._task, passes)

    def note(self, text: str) -> None:
        """Leaves the notes of the runs to what is shown at the end."""

    def step(self, iteration: int, total: int, values: Mapping[str, float]) -> None:
        """Shows a step of the tuning."""
        if not self.tuning:
            self.begin(self._stage, total)
            self.tuning = True
        self._seen = f"loss {values['loss']:.3f}" if "loss" in values else self._seen
        self._bar.update(self._task, completed=iteration, seen=self._seen)


def improve_one(
    spec: str, data: str, rules: list[str], *, folder: Path | None, **settings: Any
) -> Improvement:
    """Improves a model, writes the folder with its page, and shows what was found."""
    from invariscope.report.improve.text import blocks

    screen = Screen()
    keep_freed_memory()
    own = {**settings, "device": "", "workers": 0, "batch_size": 0}
    folder = folder or _named(spec, data, [rules, own])
    with (
        _Bars(Screen(stderr=True)) as bars,
        interruptible(),
        after_the_step(lambda: bars.tuning) as stop,
    ):
        found = improve(spec, data, rules, output=folder, watching=bars, stop=stop, **settings)
        path = found.to_html(folder / "report.html")
    for block in blocks(found):
        screen.print(block)
    screen.unbroken("")
    if found.after is not None:
        screen.unbroken(f"weights: {folder / 'improved' / 'weights.pt'}")
        screen.unbroken(f"to measure them: invariscope measure improved:{folder / 'improved'}")
    screen.unbroken(f"report: {path}")
    return found


def _named(spec: str, data: str, settings: Any) -> Path:
    folder = folder_for([spec.split("/")[-1], Path(data).name], [spec, data, settings])
    return folder.with_name(f"improve_{folder.name}")
