"""The sweep: from images and a model to a result."""

from invariscope.measure.engine import Run, carry_out, measure, prepare
from invariscope.measure.estimate import Cost, estimate
from invariscope.measure.plan import Cell, Entry, Plan, blocks, make_plan
from invariscope.measure.progress import Progress

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
