"""Holds what runs have measured: rows, summary, averages, comparisons, `Result`."""

from invariscope.results.accuracies import read_accuracies
from invariscope.results.comparison import Comparison
from invariscope.results.leaderboard import Leaderboard
from invariscope.results.result import Result
from invariscope.results.row_table import ROW_SCHEMA, RowBuilder
from invariscope.results.rows import RowStore, Series, write_block
from invariscope.results.summary import (
    SUMMARY,
    SUMMARY_SCHEMA,
    read_summary,
    summarise,
    write_summary,
)

__all__ = [
    "ROW_SCHEMA",
    "SUMMARY",
    "SUMMARY_SCHEMA",
    "Comparison",
    "Leaderboard",
    "Result",
    "RowBuilder",
    "RowStore",
    "Series",
    "read_accuracies",
    "read_summary",
    "summarise",
    "write_block",
    "write_summary",
]
