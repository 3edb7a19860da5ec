"""The same work by others: every convolution of resnet18, 10 rotations of 64 images at 224.

    pip install tmeasures==1.2.11 statsmodels pandas matplotlib
    python benchmarks/peers.py                       # time and memory, then numbers
    python benchmarks/peers.py --part numbers        # the same inputs: see peer_numbers.py

Each contender runs in a process of its own, beside as many bare channels-last forward passes as
there are images × rotations; the ratio is between the two in that process, so contenders can be
compared on a noisy machine. ``peak_mib`` is the largest resident set of the process.

- ours: channel invariance and equivariance image by image and over the data set, the shuffled null
  at three rotations, normalised variance, relative invariance;
- naive: channel invariance and equivariance image by image alone, as one writes them down: hooks
  that keep every map, `grid_sample`, standardised copies, one matrix product a layer and rotation;
- tmeasures: normalised variance ("invariance") and the same after the inverse rotation
  ("same-equivariance"), per unit. It has no measure across channels. Its rotations take the angle
  times 180 and then its cosine in radians: the work is the same, the angles are not;
- published: the structure of the published search for factors, on the search's own terms
  (`benchmarks/factors.py --part published`).

What is not installed is said and left out.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any, cast

ROTATIONS = 10
LAYERS = "conv1,layer*.conv?,layer*.downsample.0"
CONTENDERS = ("ours", "naive", "tmeasures", "published")


def pixels(images: int):
    """The same noise for everyone, uint8 [image, height, width, 3]."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (images, 224, 224, 3), dtype=np.uint8)


def bare(images: int) -> float:
    """Seconds of as many bare forward passes."""
    import timm
    import torch

    network = timm.create_model("resnet18").eval().to(memory_format=torch.channels_last)
    batch = torch.rand(32, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(batch)
        started = time.perf_counter()
        for _ in range(images * ROTATIONS // 32):
            network(batch)
    return time.perf_counter() - started


def ours(images: int) -> float:
    """Seconds of our sweep."""
    import invariscope

    angles = "/".join(str(18 * (k + 1)) for k in range(ROTATIONS - 1))
    started = time.perf_counter()
    invariscope.measure(
        "timm:resnet18+untrained",
        pixels(images),
        transformations=f"rotate={angles}",
        layers=LAYERS,
        metrics="channel_invariance,channel_equivariance,normalized_variance,relative_invariance",
        workers=0,
    )
    return time.perf_counter() - started


def watched(network) -> list[str]:
    """The names of the layers that are measured."""
    import fnmatch

    patterns = LAYERS.split(",")
    return [
        name
        for name, _ in network.named_modules()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]


def naive(images: int) -> float:
    """Seconds of the two channel measures as they stand in paper 002."""
    import timm
    import torch
    from torch.nn import functional

    network = timm.create_model("resnet18").eval().to(memory_format=torch.channels_last)
    kept: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, args: object, output: torch.Tensor) -> None:
        kept.append(output)

    for name in watched(network):
        network.get_submodule(name).register_forward_hook(keep)

    def rotated(maps: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        c, s = angle.cos(), angle.sin()
        matrix = torch.stack([torch.stack([c, -s, 0 * c]), torch.stack([s, c, 0 * c])])
        grid = functional.affine_grid(
            matrix.expand(len(maps), -1, -1), list(maps.shape), align_corners=False
        )
        return functional.grid_sample(maps, grid, align_corners=False)

    def standardised(maps: torch.Tensor) -> torch.Tensor:
        flat = maps.flatten(2)
        return (flat - flat.mean(2, keepdim=True)) / (flat.std(2, keepdim=True) + 1e-12)

    values = torch.from_numpy(pixels(images)).permute(0, 3, 1, 2).float() / 255
    found = []
    started = time.perf_counter()
    with torch.inference_mode():
        for batch in values.split(16):
            network(batch.contiguous(memory_format=torch.channels_last))
            still = kept[:]
            kept.clear()
            for angle in torch.arange(1, ROTATIONS) * torch.pi / 10:
                moved = rotated(batch, angle)
                network(moved.contiguous(memory_format=torch.channels_last))
                for own, seen in zip(still, kept, strict=True):
                    acted, seen = standardised(rotated(own, angle)), standardised(seen)
                    products = seen @ acted.mT / (acted.shape[2] - 1)
                    found += [products.diagonal(dim1=1, dim2=2).mean(1), products.amax(2).mean(1)]
                kept.clear()
    return time.perf_counter() - started


def tmeasures(images: int) -> float:
    """Seconds of tmeasures' two normalised variances."""
    import timm
    import tmeasures as tm
    import torch
    from tmeasures.pytorch import (
        ActivationsModule,
        NormalizedVarianceInvariance,
        NormalizedVarianceSameEquivariance,
        PyTorchMeasureOptions,
    )
    from tmeasures.pytorch.transformations.affine import RotationGenerator

    class Watched(ActivationsModule):
        def __init__(self):
            super().__init__()
            self.network = timm.create_model("resnet18").eval()
            self.names = watched(self.network)
            self.kept: list[torch.Tensor] = []
            for name in self.names:
                module = self.network.get_submodule(name)
                module.register_forward_hook(
                    lambda _, __, output: self.kept.append(cast(torch.Tensor, output))
                )

        def activation_names(self):
            return self.names

        def forward_activations(self, args):
            self.kept = []
            self.network(args)
            return self.kept

    class Images(torch.utils.data.Dataset):
        def __init__(self):
            self.values = torch.from_numpy(pixels(images)).permute(0, 3, 1, 2).float() / 255

        def __len__(self):
            return images

        def __getitem__(self, index):
            return self.values[index]

    angles = torch.linspace(0, 0.9, ROTATIONS)
    how = PyTorchMeasureOptions(batch_size=32, num_workers=0, verbose=False)
    model, data = Watched(), Images()
    started = time.perf_counter()
    with torch.inference_mode():
        for measure in (NormalizedVarianceInvariance(), NormalizedVarianceSameEquivariance()):
            result = measure.eval(data, RotationGenerator(cast(Any, angles)), model, how)
            assert isinstance(result, tm.MeasureResult)
    return time.perf_counter() - started


def apart(*arguments: object) -> dict:
    """Runs this script in a process of its own; what fails there is said."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.strip().splitlines()[-1])
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    missing = last.startswith(("ModuleNotFoundError", "ImportError"))
    return {"missing" if missing else "failed": last}


def one(contender: str, images: int) -> dict:
    """Seconds and memory of a contender, in this process."""
    if contender == "published":
        from factors import published_ratio

        return published_ratio(max(4, images // 2))
    run = {"ours": ours, "naive": naive, "tmeasures": tmeasures}[contender]
    seconds = run(images)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    beside = bare(images)
    found = {"s": round(seconds, 1), "bare_s": round(beside, 1)}
    return found | {"ratio": round(seconds / beside, 2), "peak_mib": peak}


def main() -> None:
    """Runs the contenders and prints JSON."""
    from peer_numbers import PARTS, numbers_of

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--part", choices=("all", "time", "numbers"), default="all")
    parser.add_argument("--only", choices=CONTENDERS)
    parser.add_argument("--numbers-of", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, default=64)
    options = parser.parse_args()
    if options.only or options.numbers_of:
        found = (
            one(options.only, options.images) if options.only else numbers_of(options.numbers_of)
        )
        print(json.dumps(found))
        return
    results: dict[str, dict] = {}
    if options.part in ("all", "time"):
        results["time"] = {
            name: apart("--only", name, "--images", options.images) for name in CONTENDERS
        }
    if options.part in ("all", "numbers"):
        results["numbers"] = {name: apart("--numbers-of", name) for name in PARTS}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
