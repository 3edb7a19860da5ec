"""Sends the numbers of a training somewhere while it runs.

A tracker is three methods. `CsvTracker` and `TensorBoardTracker` are ours; one for another service
is a class of ten lines.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO, runtime_checkable

from invariscope.errors import InputError
from invariscope.files import writable, write_file
from invariscope.outside import to_cell


@runtime_checkable
class Tracker(Protocol):
    """Takes the numbers of one training."""

    def start(self, settings: Mapping[str, Any]) -> None:
        """Begins a training, or takes it up after an interruption, with these settings."""

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Logs numbers at an iteration, by name; iterations never fall."""

    def finish(self) -> None:
        """Ends the training, also where it failed."""


class CsvTracker:
    """One line per number: ``iteration,name,value``.

    An interrupted training that goes on writes on from its checkpoint: lines of later iterations
    are dropped, since they come again.

    Args:
        path: The file; folders are made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tracker = CsvTracker(Path(folder) / "log.csv")
        ...     tracker.start({})
        ...     tracker.log(10, {"loss": 0.5})
        ...     tracker.finish()
        ...     (Path(folder) / "log.csv").read_text().split()
        ['iteration,name,value', '10,loss,0.5']
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)
        self._file: TextIO | None = None

    def start(self, settings: Mapping[str, Any]) -> None:
        """Makes the folder; the file is written with the first numbers."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = None

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Writes a line per value."""
        if self._file is None:
            kept = self._lines_before(iteration)
            write_file(self._path, "".join(kept).encode())
        rows = ([iteration, to_cell(name), value] for name, value in values.items())
        with writable(self._path):
            self._file = self._file or open(self._path, "a", newline="")
            csv.writer(self._file).writerows(rows)
            self._file.flush()

    def finish(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    def _lines_before(self, iteration: int) -> list[str]:
        """The header, and what earlier parts of the training have logged."""
        header = "iteration,name,value\r\n"
        if not self._path.exists():
            return [header]
        with open(self._path, newline="") as file:
            lines = file.readlines()[1:]
        starts = (line.partition(",")[0] for line in lines)
        return [
            header,
            *(
                line
                for line, start in zip(lines, starts, strict=True)
                if line.endswith("\n") and start.isdigit() and int(start) < iteration
            ),
        ]


def summary_writer() -> Any:
    """Returns torch's class that writes event files.

    Raises:
        InputError: The package is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise missing_tracker("tensorboard") from error
    return SummaryWriter


def missing_tracker(name: str) -> InputError:
    """Says what to install for a tracker."""
    return InputError(f"the tracker {name} needs its package: pip install 'invariscope[{name}]'")


class TensorBoardTracker:
    """Event files that ``tensorboard --logdir FOLDER`` shows; needs the extra ``tensorboard``.

    Args:
        folder: Where they go.

    Raises:
        InputError: The package is not installed.
    """

    def __init__(self, folder: str | Path):
        self._writer_class = summary_writer()
        self._folder = str(folder)

    def start(self, settings: Mapping[str, Any]) -> None:
        """Opens the event file and writes the settings as text."""
        self._writer = self._writer_class(self._folder)
        table = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        self._writer.add_text("recipe", f"| setting | value |\n|---|---|\n{table}", 0)

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Adds a scalar per value."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, iteration)

    def finish(self) -> None:
        """Writes what is left and closes the file."""
        self._writer.close()


class Trackers:
    """Several trackers as one."""

    def __init__(self, trackers: Sequence[Tracker]):
        self._trackers = list(trackers)

    def start(self, settings: Mapping[str, Any]) -> None:
        """Starts each."""
        for tracker in self._trackers:
            tracker.start(settings)

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Hands the values to each."""
        for tracker in self._trackers:
            tracker.log(iteration, values)

    def finish(self) -> None:
        """Finishes each."""
        for tracker in self._trackers:
            tracker.finish()
