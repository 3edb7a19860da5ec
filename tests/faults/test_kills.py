"""SIGKILL at seeded moments of runs of every kind: the same bytes.

`kill_moments` does it in a process of its own that forks a child for each run.
"""

import os

import pytest

import damage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def test_a_few_moments(tmp_path, moments):
    """The other two kinds: tests/sweep/test_resume.py and tests/search/test_resume.py."""
    damage.make_inputs(tmp_path)
    moments(tmp_path, "2", "foregrounds", "train", "study")


@pytest.mark.faults
def test_twenty_moments_of_each(tmp_path, moments):
    damage.make_inputs(tmp_path)
    moments(tmp_path, "20", "measure", "factors", "foregrounds", "train", "study")
