"""What a run tells while it goes on; the library itself prints nothing."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Receives a run's progress, for a progress bar or a log."""

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """A run begins: images, cells, forward passes (image × cell) in all and done already."""

    def advance(self, passes: int) -> None:
        """So many more images went through a network."""

    def note(self, text: str) -> None:
        """Something worth knowing, one line."""


class Silent:
    """Tells nothing."""

    def start(self, *, images: int, cells: int, passes: int, done: int) -> None:
        """Ignored."""

    def advance(self, passes: int) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
