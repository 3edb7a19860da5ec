"""Does commands on disks that are too small for them, and again when there is room.

    python full_disks.py KIND…

It works in the current folder and mounts a small file system there for each attempt, which only
root may: it prints "cannot mount" and does nothing where that is refused. A command must end with
3 and one line that says that no space is left, leave no half of a file, and give the bytes of a run
without trouble once it is done again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import damage
from commands_here import ended, prepare
from kill_moments import MORE, again, contents

#: How much of the room that is needed there is.
PARTS = (0.02, 0.15, 0.35, 0.55, 0.75, 0.9, 0.97)
PLACE = Path("first")


def fill(kind: str) -> None:
    """Does a command on a disk of each size."""
    words = damage.COMMANDS[kind]("first") + MORE.get(kind, [])
    again(words, kind, "the run without trouble")
    whole = contents()
    needed = sum(path.stat().st_blocks * 512 for path in PLACE.rglob("*") if path.is_file())
    shutil.rmtree(PLACE)
    for part in PARTS:
        pages = max(2, int(part * needed / 4096))
        PLACE.mkdir()
        mount("-t", "tmpfs", "-o", f"size={4 * pages}k", "tmpfs", str(PLACE))
        try:
            code, out, err = ended(words)
            said = [line for line in err.splitlines() if line.startswith("invariscope:")]
            told = f"{kind}, {part} of the room: exit {code}: {err[-1000:]}"
            assert (code, len(said)) == (3, 1), told
            assert "No space left on device" in said[0], told
            assert "Traceback" not in out + err, told
            assert not list(PLACE.rglob(".*.part")), told
            mount("-o", "remount,size=64m", str(PLACE))
            again(words, kind, told)
            assert contents() == whole, told
        finally:
            subprocess.run(["umount", PLACE], check=True)
            PLACE.rmdir()


def mount(*arguments: str) -> None:
    """Mounts, or ends where that is refused."""
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    if done.returncode:
        print("cannot mount")
        sys.exit()


if __name__ == "__main__":
    damage.make_inputs(Path())
    prepare()
    for each in sys.argv[1:]:
        fill(each)
    print("done")
