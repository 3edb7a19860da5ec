"""Commands of every kind are killed at seeded moments and done again: the same bytes.

`kill_moments` does it in a process of its own that forks a child for each run.
"""

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and timers of CPU time")


def test_a_few_moments(tmp_path, alone):
    """The other kinds: tests/sweep/test_resume.py, tests/search/test_resume.py."""
    alone(tmp_path, "kill_moments.py", "2", "train", "improve", "study")


@pytest.mark.faults
@pytest.mark.parametrize(
    "kind",
    ["measure", "cached", "processes", "factors", "foregrounds", "train", "improve", "study"],
)
def test_twenty_moments_of_each(kind, tmp_path, alone):
    alone(tmp_path, "kill_moments.py", "20", kind)
