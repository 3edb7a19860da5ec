"""Disks that fill at seven moments of commands of every kind: one line, no leftovers, gone on with.

`full_disks` does it, where a file system can be mounted.
"""

import sys

import pytest


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small tmpfs")
@pytest.mark.parametrize(
    "kind", ["measure", "cached", "factors", "foregrounds", "train", "improve", "study"]
)
def test_a_disk_that_fills(kind, tmp_path, alone):
    if alone(tmp_path, "full_disks.py", kind) == "cannot mount":
        pytest.skip("cannot mount here")
