"""Runs the instruments: one engine measures images block by block."""

from invariscope.runs.block_files import RowFormat
from invariscope.runs.engine import carry_out, carry_out_each
from invariscope.runs.estimate import Cost, estimate
from invariscope.runs.job import Job, Run
from invariscope.runs.progress import Progress

__all__ = [
    "Cost",
    "Job",
    "Progress",
    "RowFormat",
    "Run",
    "carry_out",
    "carry_out_each",
    "estimate",
]
