"""Holds the result of a search, `Factors`, in memory or in a folder."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from invariscope.errors import InputError
from invariscope.pages import page_maker
from invariscope.registry import unknown_name
from invariscope.runs.block_files import ROWS, write_block_file
from invariscope.runs.manifest import read_manifest, write_manifest
from invariscope.runs.saving import saving
from invariscope.runs.tables import read_run_table, write_run_table
from invariscope.search.example_files import EXAMPLES, Example, read_examples, write_examples
from invariscope.search.factor_table import FACTOR_SCHEMA
from invariscope.search.ranks import Ranks, rank
from invariscope.search.rows import DRAWN, MOVED_PER_BLOCK, PAIR_ROWS, PairRows
from invariscope.search.table import TABLE_SCHEMA

if TYPE_CHECKING:
    from invariscope.search.hierarchy import Hierarchy

TABLE = "operations.parquet"
FACTORS = "factors.parquet"
COMMAND = "factors"


class Factors:
    """The factors that vary in the classes of a data set.

    Args:
        manifest: Settings, skipped images, environment.
        frame: The table of operations; `invariscope.search.table` says what its columns are.
        factors: The table of what varies; `invariscope.search.factor_table` says what its columns
            are.
        rows: The pairs.
        folder: Where they lie; None for what is in memory.
        examples: Pairs as pictures; None: those of the folder, if it has any.

    Attributes:
        manifest: As given.
        frame: One row for each class and operation; class "" is the mean over classes (eq. 2).
        factors: One row for each class and family; found means q < 0.05.
        folder: As given.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        frame: pd.DataFrame,
        factors: pd.DataFrame,
        rows: PairRows,
        folder: Path | None = None,
        examples: Sequence[Example] | None = None,
    ):
        self.manifest, self.frame, self.folder = manifest, frame, folder
        self.factors = factors
        self._rows = rows
        self._examples = None if examples is None else tuple(examples)

    def __repr__(self) -> str:
        settings = self.manifest["settings"]
        return (
            f"Factors({settings['model']!r} on {settings['data']!r}, {len(self.classes)} classes, "
            f"{len(self.factors['family'].unique())} families)"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the table."""
        return tuple(entry["name"] for entry in self.manifest["settings"]["classes"])

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations, in the order of the table."""
        return tuple(entry["name"] for entry in self.manifest["settings"]["operations"])

    @cached_property
    def ranks(self) -> Ranks:
        """The tops overall and of each class, and the answers to the paper's questions."""
        return rank(self.frame, seed=self.manifest["settings"]["seed"])

    def pairs(self, name: str) -> pd.DataFrame:
        """Tabulates the pairs of a class.

        Args:
            name: The class.

        Returns:
            first, second (image ids), before (s₀), and for each operation, by its name, the change
            s_T − s₀; in the order in which the pairs were drawn.

        Raises:
            InputError: There is no such class, or a file of rows is damaged.
        """
        if name not in self.classes:
            raise unknown_name("class", name, self.classes)
        rows = self._rows.of_class(self.classes.index(name)).of_role(DRAWN)
        change = np.column_stack([np.zeros(len(rows.before)), rows.change])
        change[~np.isfinite(rows.before)] = np.nan
        columns = [
            0 if entry["column"] is None else entry["column"] + 1
            for entry in self.manifest["settings"]["operations"]
        ]
        known = pd.DataFrame({"first": rows.first, "second": rows.second, "before": rows.before})
        changes = pd.DataFrame(change[:, columns], columns=list(self.operations))
        return pd.concat([known, changes], axis=1)

    @property
    def examples(self) -> tuple[Example, ...]:
        """Pairs as pictures (`invariscope.search.examples` says which); () where none were kept.

        Raises:
            InputError: Their file is damaged or of another run.
        """
        if self._examples is None:
            kept = self.folder is not None and (self.folder / EXAMPLES).is_file()
            run = self.manifest["identity"]
            self._examples = read_examples(self.folder, run) if self.folder and kept else ()
        return self._examples

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        alignment: Any = None,
        hierarchy: "Hierarchy | None" = None,
        foregrounds: Any = None,
        recommendation: Any = None,
    ) -> Path:
        """Writes the report: one HTML page that needs nothing else, neither model nor data.

        Args:
            path: The file to write, or a folder, which gets ``report.html``.
            alignment: What `align` found, for a section of its own.
            hierarchy: What `class_hierarchy` found.
            foregrounds: What `measure_foregrounds` found.
            recommendation: What `recommend` says; by default from these factors alone.

        Returns:
            The file that was written. The same arguments give the same bytes.

        Raises:
            InputError: The file cannot be written.
        """
        return page_maker("render_factors")(
            self,
            path,
            alignment=alignment,
            hierarchy=hierarchy,
            foregrounds=foregrounds,
            recommendation=recommendation,
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes manifest, rows and table into a new or empty folder, as a search does.

        Raises:
            InputError: The folder is not empty.
            RunError: It cannot be written; nothing of it is left there.
        """
        folder, run = Path(folder), self.manifest["identity"]
        with saving(folder):
            for number, table in enumerate(self._rows.blocks()):
                write_block_file(folder / ROWS, number, table, run, PAIR_ROWS)
            write_factors(folder, self.frame, self.factors, run)
            if self.examples:
                write_examples(folder, self.examples, run)
            write_manifest(folder, self.manifest)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Factors":
        """Reads what `save` or a finished search has written.

        Raises:
            InputError: There is no finished search in the folder, or a file is damaged or of
                another run.
        """
        folder = Path(folder)
        manifest = read_manifest(folder, COMMAND)
        frame, factors = (
            _read(folder / name, schema, manifest["identity"])
            for name, schema in ((TABLE, TABLE_SCHEMA), (FACTORS, FACTOR_SCHEMA))
        )
        return cls(manifest, frame, factors, rows_of(manifest, folder / ROWS), folder)


def _read(path: Path, schema: pa.Schema, run: str) -> pd.DataFrame:
    """Reads one of the tables of a finished search."""
    if not path.is_file():
        raise InputError(
            f"{path.parent} has no {path.name} yet: run the same command again to finish the search"
        )
    remedy = "delete it and run the same command again to restore it"
    return read_run_table(path, schema, run, "numbers", remedy).to_pandas()


def rows_of(manifest: dict[str, Any], source: Path | Sequence[pa.Table]) -> PairRows:
    """Opens the rows of a search, by its manifest."""
    settings = manifest["settings"]
    columns = {entry["column"] for entry in settings["operations"]} - {None}
    blocks = [-(-entry["moved"] // MOVED_PER_BLOCK) for entry in settings["classes"]]
    return PairRows(source, blocks, len(columns), manifest["identity"])


def write_factors(folder: Path, frame: pd.DataFrame, factors: pd.DataFrame, run: str) -> None:
    """Writes both tables, each whole or not at all; `run` is the identity of the search.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    write_run_table(folder / TABLE, frame, TABLE_SCHEMA, run)
    write_run_table(folder / FACTORS, factors, FACTOR_SCHEMA, run)
