"""Shows live bars: the progress of a run, a search, a training or a study."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from invariscope.outside import visible
from invariscope.report.kit.words import counted
from invariscope.terminal import Terminal


class Bar:
    """A bar for each piece of work: its name, how much of it is done, and more columns."""

    def __init__(self, screen: Terminal, *columns: ProgressColumn, transient: bool = False):
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            *columns,
            console=screen,
            expand=True,
            transient=transient,
        )
        self._screen, self._transient = screen, transient

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar.live.is_started:  # else a terminal that is none gets an empty line
            self._bar.stop()

    def begin(self, what: str, total: int = 1, done: int = 0) -> None:
        """Begins a piece of work; the first shows the bar."""
        self._bar.start()
        self._task = self._bar.add_task(visible(what), total=total, seen="")
        self._bar.update(self._task, completed=done)  # so that a full bar's clock stands still

    def note(self, text: str) -> None:
        """Prints a line above the bars; a bar that leaves nothing behind prints none."""
        if not self._transient:
            self._screen.unbroken(text, style="yellow")


class _Speed(ProgressColumn):
    """Images through a network per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("  -- images/s" if not speed else f"{speed:4.0f} images/s")


class RunBar(Bar):
    """The bar of a run or a search (a `Progress` of `invariscope.runs`)."""

    def __init__(
        self, screen: Terminal, title: str = "", unit: str = "cell", transient: bool = False
    ):
        if title:
            screen.unbroken(title, style="bold")
        super().__init__(screen, _Speed(), TimeRemainingColumn(), transient=transient)
        self._unit = unit

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """Begins a run."""
        if done:
            self._screen.say(f"resuming: {done} of {passes} forward passes are done")
        self.begin(counted(cells, self._unit), passes, done)

    def advance(self, passes: int) -> None:
        """Adds images that went through a network."""
        self._bar.advance(self._task, passes)


class JobBar(Bar):
    """The bars of a study (a `LabProgress`), one for each set of jobs."""

    def __init__(self, screen: Terminal):
        super().__init__(screen, TextColumn("jobs"), TimeElapsedColumn())

    def start(self, what: str, *, jobs: int, done: int) -> None:
        """Begins a set of jobs."""
        self.begin(what, jobs, done)

    def advance(self, result: object) -> None:
        """Counts a finished job."""
        self._bar.advance(self._task)


class TrainingBar(Bar):
    """The bar of the training under way, with its latest numbers."""

    def __init__(self, screen: Terminal):
        super().__init__(screen, TextColumn("{task.fields[seen]}"), TimeRemainingColumn())

    @contextmanager
    def of(self, title: str) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
        """Shows one training; yields the receiver of its progress."""
        self.begin(title)
        seen: dict[str, float] = {}

        def show(iteration: int, total: int, values: Mapping[str, float]) -> None:
            seen.update(values)
            text = f"loss {seen['loss']:.3f}" if "loss" in seen else ""
            if "test accuracy" in seen:
                text += f", {seen['test accuracy']:.1%}"
            self._bar.update(self._task, completed=iteration, total=total, seen=text)

        yield show
        self._bar.remove_task(self._task)
