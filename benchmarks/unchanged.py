"""Hashes the tables of a fixed set of runs: shows that a change of structure moved no number.

    python benchmarks/unchanged.py --output before.json     # on the commit before
    python benchmarks/unchanged.py --against before.json    # on the commit after, same machine

Everything goes through the command line and the files that a run leaves: sweeps with groups,
maps, Lie derivatives, twin and floor; a search for factors; foregrounds; two trainings under two
seeds, measured, and what the augmentation did to the classes; three studies. Tables are compared
as values, whatever the order of columns and rows; arrays likewise. Exits with 1 where a table
differs or is missing.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

METRICS = (
    "relative_invariance,mean_relative_invariance,prediction_consistency,accuracy,"
    "channel_invariance,channel_equivariance,latent_eed,softmax_eed,channel_eed,"
    "normalized_variance,response_alignment,lie_derivative"
)
TRAINED = "-d transforms2d:shapes -m small:cnn7?width=0.2 --num-train 128 --num-test 64 --epochs 1"

#: Run folder → command.
COMMANDS = {
    "sweep": f"measure builtin:efficientnet-lite0 -d samples -n 6 -g C4,flip --metrics {METRICS} "
    "-t rotate=10/45,brightness_down --layers blocks.2.0,embedding,logits --twin",
    "maps": "measure timm:resnet18+untrained -d samples -n 4 -t translate_x,zoom_in "
    "--border reflect --layers layer*,logits "
    "--metrics channel_invariance,channel_equivariance,class_distance_ratio",
    "stamps": "measure builtin:efficientnet-lite0 -d stamps -n 40 -t rotate,solarize",
    "compared": "measure builtin:efficientnet-lite0 timm:resnet18+untrained -d samples -n 8 "
    "-t rotate=10/45",
    "factors": "factors -d stamps --classes bear,camel -n 8 -t singles",
    "foregrounds": "foregrounds -d stamps --masks alpha -n 40",
    "plain": f"train {TRAINED} --seeds 2",
    "cropped": f"train {TRAINED} --seeds 2 -a RandomResizedCrop",
    "plain-0": "measure trained:plain/seed-0 -d transforms2d:shapes -n 96 -t rotate=10/45",
    "plain-1": "measure trained:plain/seed-1 -d transforms2d:shapes -n 96 -t rotate=10/45",
    "cropped-0": "measure trained:cropped/seed-0 -d transforms2d:shapes -n 96 -t rotate=10/45",
    "cropped-1": "measure trained:cropped/seed-1 -d transforms2d:shapes -n 96 -t rotate=10/45",
    "effects/classes.csv": "class-effects --without none=plain-0,plain-1 "
    "--with crops=cropped-0,cropped-1",
    "availability": "study run availability --preset smoke --jobs-folder jobs",
    "natural-factors": "study run natural-factors --preset smoke --jobs-folder jobs",
    "rrc-beta": "study run rrc-beta --preset smoke --jobs-folder jobs",
}


def main() -> None:
    """Runs the commands and writes or compares the hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="write the hashes here")
    parser.add_argument("--against", type=Path, help="compare with the hashes written here")
    parser.add_argument("--folder", type=Path, help="keep the runs here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        seen = hashes(options.folder or Path(temporary))
    text = json.dumps(seen, indent=1, sort_keys=True)
    if options.output:
        options.output.write_text(text)
    if options.against:
        before = json.loads(options.against.read_text())
        differ = sorted(k for k in before.keys() | seen.keys() if before.get(k) != seen.get(k))
        print(f"{len(seen)} tables, {len(differ)} differ", *differ, sep="\n")
        sys.exit(bool(differ))
    if not options.output:
        print(text)


def hashes(folder: Path) -> dict[str, str]:
    """Runs the commands in `folder`; the SHA-256 of every table left, by its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "effects").mkdir(exist_ok=True)
    for output, command in COMMANDS.items():
        line = ["invariscope", *command.split(), "-o", output]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(line)}: exit {done.returncode}\n{done.stderr[-2000:]}")
        print(output, file=sys.stderr)
    files = [path for path in folder.rglob("*") if path.suffix in {".parquet", ".csv", ".npz"}]
    # Jobs of studies are named by hashes of the version; their studies' tables are what counts.
    kept = [path for path in sorted(files) if "jobs" not in path.relative_to(folder).parts]
    return {path.relative_to(folder).as_posix(): _digest(path) for path in kept}


def _digest(path: Path) -> str:
    import numpy as np
    import pandas as pd

    if path.suffix == ".npz":
        arrays = np.load(path)
        parts = [name.encode() + arrays[name].tobytes() for name in sorted(arrays.files)]
        return hashlib.sha256(b"".join(parts)).hexdigest()
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    table = table[[c for c in sorted(table.columns) if "seconds" not in c and c != "time"]]
    lines = sorted(repr(tuple(row)) for row in table.itertuples(index=False))
    return hashlib.sha256("\n".join([repr(list(table.columns)), *lines]).encode()).hexdigest()


if __name__ == "__main__":
    main()
