"""What runs have found: rows on disk, intervals, summary, averages, comparisons, `Result`."""

from invariscope.results.accuracies import read_accuracies
from invariscope.results.comparison import Comparison
from invariscope.results.leaderboard import Leaderboard
from invariscope.results.manifest import FORMAT, MANIFEST, read_manifest, write_manifest
from invariscope.results.result import Result
from invariscope.results.row_table import ROW_SCHEMA, RowBuilder
from invariscope.results.rows import RowStore, Series, completed_blocks, write_block
from invariscope.results.summary import (
    SUMMARY,
    SUMMARY_SCHEMA,
    read_summary,
    summarise,
    write_summary,
)

__all__ = [
    "FORMAT",
    "MANIFEST",
    "ROW_SCHEMA",
    "SUMMARY",
    "SUMMARY_SCHEMA",
    "Comparison",
    "Leaderboard",
    "Result",
    "RowBuilder",
    "RowStore",
    "Series",
    "completed_blocks",
    "read_accuracies",
    "read_manifest",
    "read_summary",
    "summarise",
    "write_block",
    "write_manifest",
    "write_summary",
]
