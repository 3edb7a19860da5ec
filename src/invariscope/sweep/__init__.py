"""The sweep: from images and a model to a result."""

from invariscope.sweep.job import Sweep
from invariscope.sweep.measurement import measure
from invariscope.sweep.plan import Cell, Entry, Plan, blocks, make_plan
from invariscope.sweep.prepare import prepare
from invariscope.sweep.request import SweepRequest

__all__ = [
    "Cell",
    "Entry",
    "Plan",
    "Sweep",
    "SweepRequest",
    "blocks",
    "make_plan",
    "measure",
    "prepare",
]
