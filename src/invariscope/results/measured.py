"""Says what averages, comparisons and leaderboards need of a result."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from invariscope.data.image_groups import ImageGroups
from invariscope.results.rows import RowStore


@runtime_checkable
class Measured(Protocol):
    """A run that was measured; a `Result` is one.

    Attributes:
        manifest: Everything that would repeat the run.
        store: Its rows.
        folder: Its folder; None: it is in memory.
        warnings: What a reader must know before the numbers.
        image_groups: What its images belong to by a file; None: there was none.
    """

    manifest: dict[str, Any]
    store: RowStore
    folder: Path | None
    warnings: list[str]
    image_groups: ImageGroups | None
