"""Kills a process that measures, once some of its blocks are on the disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def killed_after(blocks: int, folder: Path, script: str, *arguments: str) -> list[Path]:
    """Runs a script, kills it without warning, and lists the row files that it left in a folder."""

    def written() -> list[Path]:
        return sorted(folder.glob("rows/block-*.parquet"))

    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    deadline = time.time() + 120
    while time.time() < deadline and len(written()) < blocks:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return written()
