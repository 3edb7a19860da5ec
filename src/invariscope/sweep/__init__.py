"""The sweep: from images and a model to a result."""

from invariscope.sweep.engine import carry_out, measure
from invariscope.sweep.estimate import Cost, estimate
from invariscope.sweep.plan import Cell, Entry, Plan, blocks, make_plan
from invariscope.sweep.prepare import Run, prepare
from invariscope.sweep.progress import Progress

__all__ = [
    "Cell",
    "Cost",
    "Entry",
    "Plan",
    "Progress",
    "Run",
    "blocks",
    "carry_out",
    "estimate",
    "make_plan",
    "measure",
    "prepare",
]
