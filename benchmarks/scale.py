"""What a sweep costs before it is run, how well that is told, and what ImageNet would cost.

    python benchmarks/scale.py                     # three measured points, then ImageNet; JSON
    python benchmarks/scale.py --part points       # some minutes on one core
    python benchmarks/scale.py --part imagenet     # no measurement, at once

The model, for n images (its constants are below):

- passes = n × cells of the plan, the twin's and the worth of derivatives included (`Setup.passes`);
- rows = n × the (cell, layer, metric, control) that are measured (`rows_of_image`), exact where all
  images can be read;
- bytes of rows = rows × `ROW_BYTES` + n × `IMAGE_BYTES`: row files are Parquet, a file a block, and
  carry the id, the label and the digest of each image;
- seconds = passes × seconds of a bare pass + blocks of 32 × `BLOCK_SECONDS` + rows × `ROW_SECONDS`
  + `FIXED_SECONDS`: beside the passes, files and manifests are written, and intervals made from
  rows; decoding is overlapped with passes and left out;
- memory = `IMPORTS_MIB` + weights + two batches of activations + sums over the data set. Rows are
  read a layer at a time; `LAYER_BYTES` of each row of the largest one are held at the end.

The points are runs whose seconds of a pass are measured bare, before and after them. Seconds are
those of the processor, so that other work on the machine does not count: run it with one thread
(``OMP_NUM_THREADS=1``).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

#: Fitted to the points "all layers" and "many images" (with 32 and with 640 images), on one core.
ROW_BYTES, IMAGE_BYTES = 6.9, 560
BLOCK_SECONDS, ROW_SECONDS, FIXED_SECONDS = 0.105, 8.3e-6, 0.31
IMPORTS_MIB = 940
LAYER_BYTES = 24

#: (network, side, images, settings of the sweep)
POINTS: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "13 families": ("resnet18", 64, 32, {"layers": "embedding,logits"}),
    "all layers": ("resnet10t", 64, 96, {"transformations": "rotate,shear_x,posterize"}),
    "many images": ("resnet10t", 32, 640, {"transformations": "rotate=10/20/40"}),
}
#: Assumed images a second of one H200 in bf16, forward only; not measured here.
ASSUMED = {"ResNet-50": 9000.0, "ViT-B/16": 5000.0}
#: Watched layers of `auto`, embedding and logits among them.
AUTO_LAYERS = {"ResNet-50": 18, "ViT-B/16": 14}
CELLS, MODELS = 130, 100
#: Vector metrics at every layer and at the logits alone, as by default.
AT_LAYERS, AT_LOGITS, HEADLINE = 2, 2, 2


def rows_of_image(setup) -> int:
    """Counts the rows that an image has."""
    from invariscope.metrics import DerivativeMetric, MapMetric, OrbitMetric
    from invariscope.sweep.scores import HEADLINE_LAYERS

    cells = setup.cells
    plain = [cell for cell in cells if not cell.there_and_back]
    floors = len(cells) - len(plain)
    twins = sum(cell.twin for cell in cells) if setup.twin is not None else 0
    nulls = sum(cell.null for cell in cells[1:])
    count = 3 * len(plain) if setup.answers else 0  # class, score, score of the first answer
    for metric in setup.metrics:
        for layer in setup.layers:
            if metric.at == "logits" and layer.name != "logits":
                continue
            headline = layer.name in HEADLINE_LAYERS
            if isinstance(metric, DerivativeMetric):
                count += len(setup.derivatives)
            elif isinstance(metric, OrbitMetric):
                count += sum(len(orbit.keys) for orbit in setup.plan.orbits())
            elif isinstance(metric, MapMetric):
                if metric.pooled or layer.grid != (1, 1):
                    count += len(cells) - metric.pooled + nulls * metric.controls
            else:
                count += len(plain) * (1 + headline) + headline * (floors + twins)
    return count


def foretold(
    images: int, cells: int, rows: int, pass_seconds: float, weights_mib: float, batch_mib: float,
    sums_mib: float = 0.0, layers: int = 1,
) -> dict[str, float]:  # fmt: skip
    """The cost of a sweep; ``rows`` of one image."""
    held = images * rows / layers * LAYER_BYTES / 2**20
    return {
        "passes": images * cells,
        "rows": images * rows,
        "row_bytes": images * (rows * ROW_BYTES + IMAGE_BYTES),
        "seconds": images * cells * pass_seconds + beside_passes(images, rows),
        "peak_mib": IMPORTS_MIB + weights_mib + 2 * batch_mib + sums_mib + held,
    }


def beside_passes(images: int, rows: int) -> float:
    """Seconds of a core for what is no pass; ``rows`` of one image."""
    return -(-images // 32) * BLOCK_SECONDS + images * rows * ROW_SECONDS + FIXED_SECONDS


def point(name: str) -> dict:
    """Measures one of the points in this process."""
    import numpy as np
    import torch

    from invariscope.memory import keep_freed_memory
    from invariscope.runs import carry_out
    from invariscope.sweep import SweepRequest, prepare

    model, side, images, settings = POINTS[name]
    keep_freed_memory()
    pixels = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    labels = [number % 10 for number in range(images)]
    run = prepare(
        SweepRequest(
            model=f"timm:{model}+untrained", images=(pixels, labels),
            preprocessing={"size": side}, **settings,
        )
    )  # fmt: skip
    network = run.probe.module
    assert network is not None
    batch = torch.rand(32, 3, side, side).contiguous(memory_format=torch.channels_last)

    def bare() -> float:
        started = time.process_time()
        with torch.inference_mode():
            for _ in range(10):
                network(batch)
        return (time.process_time() - started) / 320

    bare()
    before = bare()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        result = carry_out(run, output=f"{folder}/run", workers=0)
        seconds = time.process_time() - started
        size = sum(path.stat().st_size for path in Path(folder).rglob("rows/*.parquet"))
        rows = len(result.rows)
    pass_seconds = (before + bare()) / 2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    weights = sum(value.numel() * 4 for value in network.state_dict().values()) / 2**20
    told = foretold(
        images, run.setup.passes, rows_of_image(run.setup), pass_seconds, weights,
        batch_mib=32 * side * side * 64 * 4 / 4 / 2**20, layers=len(run.setup.layers),
    )  # fmt: skip
    passes = result.manifest["execution"]["forward_passes"]
    found = {
        "passes": passes, "rows": rows, "row_bytes": size, "seconds": seconds, "peak_mib": peak,
    }  # fmt: skip
    return {
        "model": model,
        "side": side,
        "images": images,
        "layers": len(run.setup.layers),
        "seconds_of_a_pass": pass_seconds,
        "measured": {key: round(value, 2) for key, value in found.items()},
        "foretold": {key: round(value, 2) for key, value in told.items()},
        "error": {key: round(told[key] / found[key] - 1, 3) for key in found},
    }


def imagenet() -> list[dict]:
    """50,000 and 1.28 M images × 130 cells × 100 models, on 1, 8 and 64 GPUs."""
    table = []
    for images in (50_000, 1_281_167):
        for name, rate in ASSUMED.items():
            layers = AUTO_LAYERS[name]
            for kind, watched in (("embedding and logits", HEADLINE), ("all layers", layers)):
                rows = CELLS * (AT_LAYERS * (watched + HEADLINE) + 2 * AT_LOGITS)
                one = foretold(images, CELLS, rows, 1 / rate, 0, 0)
                passes_s = MODELS * images * CELLS / rate
                rows_s = MODELS * beside_passes(images, rows)
                table.append({
                    "images": images, "network": name, "layers": kind,
                    "passes": MODELS * one["passes"], "rows": MODELS * one["rows"],
                    "row_terabytes": round(MODELS * one["row_bytes"] / 1e12, 3),
                    "gpu_hours": round(passes_s / 3600, 1),
                    "cpu_hours_of_rows": round(rows_s / 3600, 1),
                    "days_on": {  # a model is one run, on one GPU
                        gpus: round((passes_s + rows_s) / MODELS * -(-MODELS // gpus) / 86400, 2)
                        for gpus in (1, 8, 64)
                    },
                    "assumed_images_per_second": rate,
                })  # fmt: skip
    return table


def main() -> None:
    """Runs the parts and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--part", choices=("all", "points", "imagenet"), default="all")
    parser.add_argument("--point", choices=POINTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        print(json.dumps(point(options.point)))
        return
    results: dict[str, Any] = {}
    if options.part in ("all", "points"):
        results["points"] = {}
        for name in POINTS:
            command = [sys.executable, __file__, "--point", name]
            results["points"][name] = json.loads(subprocess.check_output(command))
    if options.part in ("all", "imagenet"):
        results["imagenet"] = imagenet()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
