"""Opens the one door upwards: from a result to the page, the figure and the text about it.

Imports point one way, from results to the reports that show them. A method such as
`Result.to_html` calls up through this file, which loads the report's module on first use: so a
result does not import matplotlib either. `tests/test_architecture.py` knows no other way up.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

_HOMES = {
    "plot": "invariscope.report.run.figures",
    "render": "invariscope.report.run.page",
    "render_leaderboard": "invariscope.report.leaderboard.page",
    "leaderboard_text": "invariscope.report.leaderboard.text",
    "render_factors": "invariscope.report.search.page",
    "gate_text": "invariscope.report.gate.text",
    "improvement_text": "invariscope.report.improve.text",
    "render_improvement": "invariscope.report.improve.page",
    "effects_text": "invariscope.report.effects.text",
}


def page_maker(name: str) -> Callable[..., Any]:
    """Returns the function of a report, loaded on first use.

    Example:
        >>> page_maker("plot").__module__
        'invariscope.report.run.figures'
    """
    return getattr(import_module(_HOMES[name]), name)
