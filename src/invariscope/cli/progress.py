"""The live progress bar of a run: images × cells, images per second, time left."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    """Images through a network per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("  -- images/s" if not speed else f"{speed:4.0f} images/s")


class Bar:
    """Shows a run's progress in the terminal (a `Progress` of `invariscope.sweep`)."""

    def __init__(self, console: Console, title: str, unit: str = "cells"):
        console.print(title, style="bold", soft_wrap=True)
        self._bar = Progress(
            TextColumn(f"{{task.fields[cells]}} {unit}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            _Speed(),
            TimeRemainingColumn(),
            console=console,
            expand=True,
        )
        self._console = console

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """A run begins."""
        if done:
            self._console.print(f"resuming: {done} of {passes} forward passes are done")
        self._task = self._bar.add_task("", total=passes, completed=done, cells=cells)

    def advance(self, passes: int) -> None:
        """So many images went through a network."""
        self._bar.advance(self._task, passes)

    def note(self, text: str) -> None:
        """One line above the bar."""
        self._console.print(text, style="yellow", soft_wrap=True)
