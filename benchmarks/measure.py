"""What the sweep costs beside the bare forward passes, and whether memory grows with the images.

    python benchmarks/measure.py            # all parts, JSON on standard output
    python benchmarks/measure.py --part time
    python benchmarks/measure.py --part channels

Time: seconds of the sweep ÷ seconds of as many bare channels-last forward passes, in one process,
alternating, so that a slow minute of the machine hits both. resnet18 at 224, the 13 families of
the default table at 10 levels, embeddings and logits, random weights (they cost the same). The bare
network is eager and as it is; the sweep folds its batch norms, which its manifest says. Channels:
channel invariance, channel equivariance and the embedding metrics at every convolution, embedding
and logits of resnet18 (22 layers), 10 rotations of 64 images, and the peak memory of one such sweep
in a process of its own. Memory: peak resident set of a sweep over 500 and over 5,000 images, each
in a process of its own, with a small network at 32 px, so that images and rows are what counts.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

BAR_TIME, BAR_MEMORY = 1.0, 1.1
BAR_CHANNELS, BAR_CHANNELS_MIB = 1.5, 1500

#: What the part "time" measures: None stands for all 13 families.
SWEEP = {"transformations": None, "layers": "embedding,logits"}
#: What the part "channels" measures.
CHANNELS: dict[str, Any] = {
    "transformations": "rotate=18/36/54/72/90/108/126/144/162/180",
    "layers": "conv1,layer*.conv?,layer*.downsample.0",
    "metrics": "relative_invariance,mean_relative_invariance,channel_invariance,"
    "channel_equivariance",
}


def time_ratio(rounds: int, images: int, bar: float, **settings: Any) -> dict:
    """Alternates sweeps with bare forward passes of the same count."""
    import numpy as np
    import torch

    from invariscope.memory import keep_freed_memory
    from invariscope.runs import carry_out
    from invariscope.sweep import SweepRequest, prepare

    keep_freed_memory()  # as the command line does, for both
    pixels = np.random.default_rng(0).integers(0, 256, (images, 224, 224, 3), dtype=np.uint8)
    request = SweepRequest(model="timm:resnet18+untrained", images=pixels, **settings)
    run = prepare(request)
    network = run.probe.module
    assert network is not None
    batch = torch.rand(32, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    passes = run.setup.passes * images

    def bare() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            for start in range(0, passes, 32):
                network(batch[: passes - start])
        return time.perf_counter() - started

    def sweep() -> float:
        started = time.perf_counter()
        carry_out(run, workers=0)
        return time.perf_counter() - started

    bare()
    pairs = [(sweep(), bare()) for _ in range(rounds)]
    ratios = [one / other for one, other in pairs]
    return {
        "what": f"resnet18 at 224, {images} images, {len(run.plan.cells)} cells, "
        f"{len(run.setup.layers)} layers, {settings['transformations'] or '13 families'}",
        "arithmetic": run.manifest["settings"]["arithmetic"],
        "threads": torch.get_num_threads(),
        "sweep_s": [round(one, 2) for one, _ in pairs],
        "bare_s": [round(other, 2) for _, other in pairs],
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
        "ratio_of_minima": round(min(p[0] for p in pairs) / min(p[1] for p in pairs), 3),
        "bar": bar,
    }


def channel_peak() -> dict:
    """Peak memory of one sweep with channel measures."""
    import numpy as np

    import invariscope

    pixels = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), dtype=np.uint8)
    invariscope.measure("timm:resnet18+untrained", pixels, workers=0, **CHANNELS)
    return {"peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def memory_ratio() -> dict:
    """Peak memory at 500 and at 5,000 images, each in a process of its own."""
    peaks = {}
    for images in (500, 5000):
        command = [sys.executable, __file__, "--part", "peak", "--images", str(images)]
        peaks[images] = json.loads(subprocess.check_output(command))["peak_mib"]
    return {
        "what": "resnet10t at 32 px, 38 cells, run folder on disk, all layers",
        "peak_mib": peaks,
        "ratio": round(peaks[5000] / peaks[500], 3),
        "bar": BAR_MEMORY,
    }


def peak(images: int) -> dict:
    """One sweep over generated images that are never all in memory."""
    import tempfile

    import torch

    import invariscope

    class Noise(torch.utils.data.Dataset):
        def __init__(self):
            self.targets = [index % 10 for index in range(images)]

        def __len__(self):
            return images

        def __getitem__(self, index):
            generator = torch.Generator().manual_seed(index)
            pixels = torch.randint(0, 256, (3, 32, 32), generator=generator, dtype=torch.uint8)
            return pixels, index % 10

    with tempfile.TemporaryDirectory() as folder:
        invariscope.measure(
            "timm:resnet10t+untrained",
            Noise(),
            transformations="rotate,translate_x,zoom_in,solarize",
            preprocessing={"size": 32},
            batch_size=256,
            workers=0,
            output=f"{folder}/run",
        )
    return {"peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


PARTS = ("all", "time", "channels", "memory", "peak", "channel-peak")


def main() -> None:
    """Runs the parts and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="default: 8, channels: 64")
    options = parser.parse_args()
    if options.part == "peak":
        print(json.dumps(peak(options.images)))
        return
    if options.part == "channel-peak":
        print(json.dumps(channel_peak()))
        return
    # Peaks first, from a process that holds nothing: Linux counts what the process that starts
    # another holds as the other's peak.
    results, peaks = {}, {}
    if options.part in ("all", "memory"):
        results["memory"] = memory_ratio()
    if options.part in ("all", "channels"):
        alone = [sys.executable, __file__, "--part", "channel-peak"]
        peaks = json.loads(subprocess.check_output(alone)) | {"bar_mib": BAR_CHANNELS_MIB}
    if options.part in ("all", "time"):
        results["time"] = time_ratio(options.rounds, options.images or 8, BAR_TIME, **SWEEP)
    if options.part in ("all", "channels"):
        found = time_ratio(options.rounds, options.images or 64, BAR_CHANNELS, **CHANNELS)
        results["channels"] = found | peaks
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
