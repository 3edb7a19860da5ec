"""What planning a run over a list of many images costs, before the first of them is read.

    python benchmarks/listing.py                       # 1,281,167 lines of path and label

A CSV file is written whose first images exist; it is opened, a stratified subset and all images
are selected, hashed and split into blocks. Printed as JSON: seconds of the processor for each step
and the largest resident set, beside that of the imports.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from PIL import Image

BAR_SECONDS, BAR_MIB = 30, 500
CLASSES, EXISTING = 1000, 40


def peak() -> int:
    """The largest resident set so far in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def write(folder: Path, lines: int) -> Path:
    """Writes the list and its first images."""
    (folder / "images").mkdir()
    for number in range(EXISTING):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / "images" / f"{number:07}.png")
    with open(folder / "list.csv", "w") as file:
        file.write("path,label\n")
        for number in range(lines):
            file.write(f"images/{number:07}.png,n{number * 7919 % CLASSES:08}\n")
    return folder / "list.csv"


def main() -> None:
    """Plans and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=1_281_167)
    given = parser.parse_args()
    from invariscope.data import fingerprint, open_source, select

    imports, seconds = peak(), {}
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder), given.images)
        started = time.process_time()

        def took(step: str) -> None:
            seconds[step] = round(time.process_time() - started - sum(seconds.values()), 2)

        source = open_source(str(file))
        took("opened")
        some = select(source, 50_000)
        took("50,000 selected")
        every = select(source)
        took("all selected")
        fingerprint(source, every)
        took("hashed")
    print(json.dumps({
        "images": len(source.ids), "classes": len(source.class_names or ()), "selected": len(some),
        "seconds": seconds, "seconds_in_all": round(sum(seconds.values()), 1),
        "bar_seconds": BAR_SECONDS, "peak_mib": peak(), "imports_mib": imports, "bar_mib": BAR_MIB,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
