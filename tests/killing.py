"""Kills a process that measures, once some of its blocks are on the disk."""

import signal
import time
from pathlib import Path

from children import Child


def killed_after(blocks: int, folder: Path, script: str, *arguments: str) -> list[Path]:
    """Runs a script, kills it without warning, and lists the row files that it left in a folder."""

    def written() -> list[Path]:
        return sorted(folder.glob("rows/block-*.parquet"))

    with Child(script, *arguments, said=folder.with_name("said")) as child:
        deadline = time.time() + 120
        while time.time() < deadline and len(written()) < blocks:
            assert child.lives, ("the run ended before it could be killed", child.err)
            time.sleep(0.005)
        child.send(signal.SIGKILL)
        assert child.ended()[0] == -signal.SIGKILL
    return written()
