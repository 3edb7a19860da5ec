"""Measures what vision models are invariant and equivariant to.

>>> import invariscope
>>> invariscope.__version__
'0.2.0'

The functions and packages below are loaded on first use, so that ``import invariscope`` and the
command line's help do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from invariscope.version import VERSION

if TYPE_CHECKING:
    from invariscope import (
        data,
        effects,
        export,
        foregrounds,
        metrics,
        models,
        testing,
        training,
        transformations,
    )
    from invariscope.gate import check
    from invariscope.improving import improve
    from invariscope.models import load_model
    from invariscope.results import Leaderboard, Result
    from invariscope.search import Factors, find_factors
    from invariscope.sweep import measure

__version__ = VERSION
__all__ = [
    "Factors",
    "Leaderboard",
    "Result",
    "__version__",
    "check",
    "data",
    "effects",
    "export",
    "find_factors",
    "foregrounds",
    "improve",
    "load_model",
    "measure",
    "metrics",
    "models",
    "testing",
    "training",
    "transformations",
]

#: The package that each name comes from; one that is not here is a package itself.
_HOMES = {
    "measure": "sweep",
    "check": "gate",
    "improve": "improving",
    "find_factors": "search",
    "Factors": "search",
    "load_model": "models",
    "Result": "results",
    "Leaderboard": "results",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'invariscope' has no attribute {name!r}")
    module = import_module(f"invariscope.{_HOMES.get(name, name)}")
    value = getattr(module, name) if name in _HOMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
