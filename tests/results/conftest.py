"""A result that was never measured, with known rows."""

import numpy as np
import pytest

from invariscope.results import Result, RowStore
from oracles.runs import manifest_of, tables_of


@pytest.fixture
def run():
    """(result, truth)."""
    tables, truth = tables_of()
    example = np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
    return Result(manifest_of(), RowStore(tables), example=example), truth
