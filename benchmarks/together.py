"""What measuring models together brings: five small models at once against one after the other.

    OMP_NUM_THREADS=2 python benchmarks/together.py      # some ten minutes on two quiet cores

Five small networks (random weights, since only the time counts) on the bundled photographs as JPEG
files: decoding, moving and passes count, and so does loading the models. The same is done by
`carry_out` model by model, and by `carry_out_each`, in turns. Printed as JSON: seconds with and
without loading, and those of the processor, their ratios (of minima), and whether rows are equal.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image

from invariscope.data import open_source
from invariscope.runs import carry_out, carry_out_each
from invariscope.sweep import SweepRequest, prepare

BAR = 1.3
MODELS = (
    "small:resnet18?width=0.25",
    "small:vgg11?width=0.25",
    "small:wide_resnet40?width=0.25",
    "small:densenet121?width=0.25",
    "small:resnet44?width=0.5",
)


def photographs(folder: Path, count: int) -> None:
    """Writes photographs of the package as JPEG files of 256 pixels."""
    source = open_source("samples")
    for number in range(count):
        image = (
            cast(Image.Image, source.load(number % len(source.ids)))
            .convert("RGB")
            .resize((256, 256))
        )
        image.rotate(number // len(source.ids)).save(folder / f"{number:04}.jpg", quality=90)


class Clock:
    """Seconds since it was made: of the wall and of the processor."""

    def __init__(self):
        self._started = time.perf_counter(), time.process_time()

    @property
    def read(self) -> np.ndarray:
        """Both."""
        return np.array([time.perf_counter(), time.process_time()]) - self._started


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--transformations", help="default: the 13 families")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    took: dict[str, list[np.ndarray]] = {"one by one": [], "together": []}
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        photographs(Path(folder), given.images)
        asked = {"images": folder, "transformations": given.transformations}
        for _ in range(given.rounds):
            rows = []
            for name, times in took.items():
                loading = Clock()
                sweeps = [prepare(SweepRequest(model=f"{m}+untrained", **asked)) for m in MODELS]
                measuring = Clock()
                if name == "together":
                    results = carry_out_each(sweeps, [None] * len(sweeps))
                else:
                    results = [carry_out(sweep) for sweep in sweeps]
                times.append(np.stack([measuring.read, loading.read]))
                rows.append([result.rows for result in results])
            equal &= all(one.equals(other) for one, other in zip(*rows, strict=True))
    least = {name: np.min(times, axis=0) for name, times in took.items()}
    ratio = least["one by one"] / least["together"]
    print(json.dumps({
        "models": MODELS, "images": given.images, "rounds": given.rounds,
        "threads": torch.get_num_threads(),
        "seconds": {name: np.round([t[0, 0] for t in times], 2).tolist()
                    for name, times in took.items()},
        "ratio": round(ratio[0, 0], 3),
        "ratio_with_loading": round(ratio[1, 0], 3),
        "ratio_of_processor_seconds": round(ratio[0, 1], 3),
        "bar": BAR, "rows_equal": equal,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
