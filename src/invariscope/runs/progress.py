"""Reports the progress of a run; the library itself prints nothing."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Receives a run's progress, for a progress bar or a log."""

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """Begins a run: images, cells, forward passes (image × cell) in all and done already."""

    def advance(self, passes: int) -> None:
        """Adds images that went through a network."""

    def note(self, text: str) -> None:
        """Takes a line worth knowing."""


class Silent:
    """Tells nothing."""

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """Ignored."""

    def advance(self, passes: int) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
