"""How fast Transforms-2D is made: beside one image after the other, and in all.

    python benchmarks/transforms2d.py                  # two threads, JSON on standard output
    python benchmarks/transforms2d.py --device cuda
    python benchmarks/transforms2d.py --transformations published

Absolute: images a second at 32 px with the paper's eight categories; the bar is 5,000 on two cores
and 300,000 on an accelerator. Ratio: against the same eight categories done by torchvision on
Pillow images one at a time, as a data set with a `transform` does it, in one process with one
thread, alternating, so that a slow minute of the machine hits both; minima are compared.
"""

import argparse
import json
import time
from typing import Any

BARS = {"cpu": 5_000, "cuda": 300_000}
BAR_RATIO = 3.0


def one_by_one(objects, scenes, count: int) -> float:
    """Seconds per image of torchvision's random transformations on Pillow images."""
    import numpy as np
    import torch
    from PIL import Image
    from torchvision.transforms import v2

    change = v2.Compose(
        [
            v2.RandomAffine((-180, 180), translate=(0.15, 0.15), scale=(0.4, 1)),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
        ]
    )
    colour = v2.Compose(
        [
            v2.GaussianBlur(7, (0.1, 1.5)),
            v2.RandomAdjustSharpness(7.0),
            v2.ColorJitter(0.5, 0.5, 0.5, 0.5),
        ]
    )
    pictures = [
        Image.fromarray(np.rint(255 * each.transpose(1, 2, 0)).astype(np.uint8), "RGBA")
        for each in objects.pictures
    ]
    behind = [Image.fromarray(each.transpose(1, 2, 0)) for each in scenes.pixels]
    torch.manual_seed(0)
    started = time.perf_counter()
    for number in range(count):
        moved = change(pictures[number % len(pictures)])
        scene = behind[number % len(behind)].copy()
        scene.paste(colour(moved.convert("RGB")), mask=moved.getchannel("A"))
        v2.functional.pil_to_tensor(scene)
    return (time.perf_counter() - started) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--transformations", default="paper")
    parser.add_argument("--objects", default="shapes")
    parser.add_argument("--images", type=int, default=0, help="per round; 0: as the device needs")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    import torch

    from invariscope.data import open_source
    from invariscope.memory import keep_freed_memory

    keep_freed_memory()
    source: Any = open_source(
        f"transforms2d:{given.objects}?transformations={given.transformations}&split=train"
        "&backgrounds=drawn"
    )
    data = source.data
    count = given.images or (4096 if given.device == "cpu" else 262_144)

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        started = time.perf_counter()
        data.pixels(range(count), given.device)
        if given.device.startswith("cuda"):
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / count

    seconds(given.threads)
    one_by_one(data.prototypes, data.scenes, 50)
    whole, single, alone = [], [], []
    for _ in range(given.rounds):
        whole.append(seconds(given.threads))
        single.append(seconds(1))
        alone.append(one_by_one(data.prototypes, data.scenes, 300))
    found = {
        "transformations": given.transformations,
        "device": given.device,
        "threads": given.threads,
        "images_per_second": round(1 / min(whole)),
        "images_per_second_one_thread": round(1 / min(single)),
        "one_by_one_images_per_second": round(1 / min(alone)),
        "ratio_one_thread": round(min(alone) / min(single), 2),
        "bar": BARS.get(given.device.partition(":")[0]),
        "bar_ratio": BAR_RATIO,
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
