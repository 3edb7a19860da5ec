"""Measure what vision models are invariant and equivariant to.

>>> import invariscope
>>> invariscope.__version__
'0.1.0'

The names below are loaded on first use, so that ``import invariscope`` and the command line's help
do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invariscope.models import load_model
    from invariscope.results import Leaderboard, Result
    from invariscope.search import find_factors
    from invariscope.sweep import measure

__version__ = "0.1.0"
__all__ = ["Leaderboard", "Result", "__version__", "find_factors", "load_model", "measure"]

_HOMES = {
    "measure": "invariscope.sweep",
    "find_factors": "invariscope.search",
    "load_model": "invariscope.models",
    "Result": "invariscope.results",
    "Leaderboard": "invariscope.results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'invariscope' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
