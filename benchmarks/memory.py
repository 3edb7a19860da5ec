"""Whether memory grows with images or levels, and what large networks with channel metrics take.

    python benchmarks/memory.py                     # all parts, JSON on standard output
    python benchmarks/memory.py --part images       # about ten minutes on one core
    python benchmarks/memory.py --part levels
    python benchmarks/memory.py --part networks     # ten minutes, 224 px

Each number is the largest resident set of a process of its own, imports included, that measures
generated pictures which are never all in memory, with a run folder on the disk.

- images: 500 and 5,000 pictures of 32 px, resnet10t, default metrics at all layers (``vectors``),
  and channel invariance and equivariance with their forms over the data set (``channels``);
- levels: the same with one family at 3 and at 30 levels. With any metric of channels the sums over
  the data set are kept, one matrix [channel, channel] for each level and layer, so that those are
  bounded (1 GiB in all; the widest layers go without) and not flat;
- networks: every metric of channels at the layers of `auto`, ResNet-50 and ViT-B/16 at 224 px, with
  32 images and ten levels of rotation.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile

BAR_FLAT, BAR_NETWORK_MIB = 1.05, 2500
KINDS = {
    "vectors": None,
    "channels": "channel_invariance,channel_equivariance,relative_invariance",
    "channels by image": "channel_invariance:literal,channel_eed,relative_invariance",
    "all channels": "channel_invariance,channel_invariance:literal,channel_invariance:cosine,"
    "channel_equivariance,channel_equivariance:cosine,channel_eed,relative_invariance",
}


def peak(model: str, side: int, images: int, levels: int, kind: str) -> dict:
    """One sweep in this process."""
    import torch

    import invariscope
    from invariscope.memory import keep_freed_memory

    class Noise(torch.utils.data.Dataset):
        targets = [index % 10 for index in range(images)]  # noqa: RUF012

        def __len__(self):
            return images

        def __getitem__(self, index):
            generator = torch.Generator().manual_seed(index)
            shape = (3, side, side)
            return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8), index % 10

    keep_freed_memory()  # as the command line does
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    angles = "/".join(f"{180 * (k + 1) / levels:.3g}" for k in range(levels))
    with tempfile.TemporaryDirectory() as folder:
        result = invariscope.measure(
            f"timm:{model}+untrained",
            Noise(),
            transformations=f"rotate={angles}",
            metrics=KINDS[kind],
            preprocessing={"size": side},
            workers=0,
            output=f"{folder}/run",
        )
    return {
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "imports_mib": round(imported / 1024),
        "passes": result.manifest["execution"]["forward_passes"],
        "layers": len(result.manifest["settings"]["layers"]),
        "seconds": round(result.manifest["execution"]["seconds"], 1),
    }


def alone(*arguments: object) -> dict:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--part", "peak", *map(str, arguments)]
    return json.loads(subprocess.check_output(command))


def flat(kind: str, of: str, few: int, many: int, bar: float | None) -> dict:
    """Peaks with few and with many images or levels."""
    fixed = {"--images": 64, "--levels": 2}
    peaks = {}
    for number in (few, many):
        settings = {**fixed, f"--{of}": number}
        flags = [part for pair in settings.items() for part in pair]
        peaks[number] = alone("--model", "resnet10t", "--side", 32, "--kind", kind, *flags)
    ratio = peaks[many]["peak_mib"] / peaks[few]["peak_mib"]
    return {"kind": kind, of: peaks, "ratio": round(ratio, 3), "bar": bar}


def networks() -> list[dict]:
    """Large networks."""
    found = []
    for model in ("resnet50", "vit_base_patch16_224"):
        flags = ("--images", 32, "--levels", 10, "--kind", "all channels")
        made = alone("--model", model, "--side", 224, *flags)
        found.append({"model": model, **made, "bar_mib": BAR_NETWORK_MIB})
    return found


def main() -> None:
    """Runs the parts and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parts = ("all", "images", "levels", "networks", "peak")
    parser.add_argument("--part", choices=parts, default="all")
    parser.add_argument("--model", default="resnet10t")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--kind", choices=KINDS, default="vectors")
    options = parser.parse_args()
    if options.part == "peak":
        arguments = options.model, options.side, options.images, options.levels, options.kind
        print(json.dumps(peak(*arguments)))
        return
    results = {}
    if options.part in ("all", "images"):
        kinds = ("vectors", "channels")
        results["images"] = [flat(kind, "images", 500, 5000, BAR_FLAT) for kind in kinds]
    if options.part in ("all", "levels"):
        kinds = ("vectors", "channels by image")
        results["levels"] = [flat(kind, "levels", 3, 30, BAR_FLAT) for kind in kinds]
    if options.part in ("all", "networks"):
        results["networks"] = networks()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
