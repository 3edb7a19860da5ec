"""What a search for factors of variation costs beside the bare forward passes, and in memory.

    python benchmarks/factors.py                  # all parts, JSON on standard output
    python benchmarks/factors.py --part time
    python benchmarks/factors.py --part published
    python benchmarks/factors.py --part table

Time: seconds of the search ÷ seconds of as many bare channels-last forward passes, in one process,
alternating, so that a slow minute of the machine hits both. resnet18 at 224, the paper's 112
operations, random weights (they cost the same), pictures in memory; the bare network is eager and
as it is, the search folds its batch norms. Published: the same pairs by
the structure of the published code, of which nothing is copied: one operation after the other,
equal ones included; each picture from tensor to Pillow, moved there and back; x₁, x₂ and T(x₂)
embedded for every operation, in batches of 32 with half of each batch for either side. It is timed
on every eighth operation and scaled up; decoding is left out.
Table: tabulating 1,000 classes × 112 operations × 640 pairs from rows on the disk, and the peak
memory of that; and deciding what varies in a class of 64 images, for the pool of families. Memory:
peak resident set of a search over 500 and over 5,000 pairs.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

BAR_TIME, BAR_PUBLISHED, BAR_TABLE_S, BAR_MEMORY = 1.0, 3.0, 90, 1.1
BATCH = 32


def search_of(pairs: int):
    """A search over random pictures that is ready to start."""
    import numpy as np

    from invariscope.memory import keep_freed_memory
    from invariscope.search import SearchRequest, prepare_search

    keep_freed_memory()  # as the command line does, for all that is timed
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2 * pairs, 14, 14, 3), dtype=np.uint8)
    pixels = coarse.repeat(16, axis=1).repeat(16, axis=2)
    data = pixels, [0] * len(pixels)
    model = "timm:resnet18+untrained"
    request = SearchRequest(model=model, images=data, pairs=pairs, operations="all")
    return prepare_search(request), pixels


def run(search) -> float:
    from invariscope.runs import carry_out

    started = time.perf_counter()
    carry_out(search, workers=0)
    return time.perf_counter() - started


def time_ratio(rounds: int, pairs: int) -> dict:
    """Alternates searches with bare forward passes of the same count."""
    import torch

    search, _ = search_of(pairs)
    network = search.probe.module
    assert network is not None
    batch = torch.rand(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    passes = sum(search.passes(number) for number in range(len(search.blocks)))

    def bare() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            for start in range(0, passes, BATCH):
                network(batch[: passes - start])
        return time.perf_counter() - started

    bare()
    timed = [(run(search), bare()) for _ in range(rounds)]
    return {
        "what": f"resnet18 at 224, {pairs} pairs, {len(search.operations)} operations, of which "
        f"{len(search.unique)} are computed",
        "arithmetic": search.manifest["settings"]["arithmetic"],
        "threads": torch.get_num_threads(),
        "search_s": [round(one, 2) for one, _ in timed],
        "bare_s": [round(other, 2) for _, other in timed],
        "median_ratio": round(statistics.median(one / other for one, other in timed), 3),
        "ratio_of_minima": round(min(t[0] for t in timed) / min(t[1] for t in timed), 3),
        "bar": BAR_TIME,
    }


def published_ratio(pairs: int) -> dict:
    """Seconds of the published structure ÷ seconds of the search, for the same pairs."""
    import torch
    from torch.nn.functional import cosine_similarity
    from torchvision.transforms.v2 import functional

    search, pixels = search_of(pairs)
    ours = run(search)
    operations = [op for op in search.operations if op.kind != "identity"][::8]
    shown = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    half = BATCH // 2
    normalise = search.probe.preprocessing.normalise
    module = search.probe.module
    assert module is not None
    cast(Any, module).reset_classifier(0)

    def embed(images):
        with torch.inference_mode():
            return module(normalise(images))

    started = time.perf_counter()
    for operation in operations:
        for start in range(0, len(shown), BATCH):
            first = shown[start : start + half]
            second = shown[start + half : start + BATCH]
            moved = torch.stack(
                [
                    functional.to_dtype(
                        functional.pil_to_tensor(
                            in_pillow(operation, functional.to_pil_image(image))
                        ),
                        torch.float32,
                        scale=True,
                    )
                    for image in second
                ]
            )
            before = cosine_similarity(embed(first), embed(second))
            (cosine_similarity(embed(first), embed(moved)) - before).tolist()
    seconds = (time.perf_counter() - started) / len(operations) * len(search.operations)
    return {
        "what": f"resnet18 at 224, {pairs} pairs, {len(search.operations)} operations",
        "ours_s": round(ours, 2),
        "published_structure_s": round(seconds, 2),
        "times_slower": round(seconds / ours, 2),
        "bar": BAR_PUBLISHED,
    }


def in_pillow(operation, picture):
    """The operation by Pillow's own means, with the positive direction."""
    from PIL import Image, ImageEnhance, ImageOps

    size, grey = picture.size, (128, 128, 128)
    affine = Image.Transform.AFFINE
    enhance = {
        "saturation": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "sharpness": ImageEnhance.Sharpness,
    }
    plain = {
        "autocontrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
        "invert": ImageOps.invert,
    }
    for transformation, level in operation.acting:
        name, amount = transformation.name, transformation.magnitudes[level]
        if name in enhance:
            picture = enhance[name](picture).enhance(amount)
        elif name in plain:
            picture = plain[name](picture)
        elif name == "posterize":
            picture = ImageOps.posterize(picture, int(amount))
        elif name == "solarize":
            picture = ImageOps.solarize(picture, int(255 * amount))
        elif name == "rotate":
            picture = picture.rotate(amount, fillcolor=grey)
        else:
            lean, shift = amount / 57.3, amount * size[0]
            centre = size[0] / 2 * (1 - 1 / amount)
            matrix = {
                "shear_x": (1, lean, 0, 0, 1, 0),
                "shear_y": (1, 0, 0, lean, 1, 0),
                "translate_x": (1, 0, shift, 0, 1, 0),
                "translate_y": (1, 0, 0, 0, 1, shift),
                "rescale": (1 / amount, 0, centre, 0, 1 / amount, centre),
            }[name]
            how = Image.Resampling.BICUBIC if "shear" in name else Image.Resampling.NEAREST
            picture = picture.transform(size, affine, matrix, how, fillcolor=grey)
    return picture


def table_time(classes: int, pairs: int) -> dict:
    """Seconds and peak memory of a table, from rows on the disk."""
    import numpy as np

    from invariscope.runs.block_files import write_block_file
    from invariscope.search import get_operations
    from invariscope.search.operations import unique_operations
    from invariscope.search.rows import DRAWN, PAIR_ROWS, PairRows, Pairs, pair_table
    from invariscope.search.table import tabulate

    pool = get_operations("all")
    columns = {key: column for column, key in enumerate(unique_operations(pool))}
    operations = [{**op.as_dict(), "column": columns.get(op.key)} for op in pool]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder)
        for number in range(classes):
            names = [f"n{number:08}/image_{pair:08}.jpeg" for pair in range(pairs)]
            change = rng.normal(-0.02, 0.05, (pairs, len(columns)))
            before = rng.uniform(0.2, 0.9, pairs)
            drawn = Pairs(DRAWN, names, names, before, change, np.arange(pairs))
            table = pair_table(number, [drawn], len(columns))
            write_block_file(rows, number, table, "", PAIR_ROWS)
        started = time.perf_counter()
        frame = tabulate(
            PairRows(rows, [1] * classes, len(columns)),
            [{"name": str(number)} for number in range(classes)],
            operations,
            seed=0,
        )
        seconds = time.perf_counter() - started
    return {
        "what": f"{classes} classes × {len(pool)} operations × {pairs} pairs, {len(frame)} rows",
        "seconds": round(seconds, 1),
        "bar_s": BAR_TABLE_S,
        "deciding_s_per_class": round(deciding_time(), 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def deciding_time(images: int = 64, classes: int = 10) -> float:
    """Seconds for what varies in one class, from rows in memory."""
    import numpy as np

    from invariscope.search import get_operations
    from invariscope.search.factor_table import tabulate_factors
    from invariscope.search.operations import unique_operations
    from invariscope.search.rows import ELSEWHERE, OWN, STEP, PairRows, Pairs, pair_table

    pool = get_operations("families")
    columns = {key: column for column, key in enumerate(unique_operations(pool))}
    operations = [{**op.as_dict(), "column": columns.get(op.key)} for op in pool]
    rng = np.random.default_rng(0)
    own, others = ([f"{where}{k}" for k in range(images)] for where in ("own", "other"))

    def pairs(role: int, anchors: list[str]) -> Pairs:
        met = [(a, b) for a in anchors for b in own if a != b]
        first, second = zip(*met, strict=True)
        change = rng.normal(-0.05, 0.05, (len(met), len(columns)))
        return Pairs(role, first, second, rng.uniform(0.4, 0.9, len(met)), change)

    step = Pairs(STEP, own, own, np.ones(images), rng.uniform(0.8, 1, (images, len(columns))))
    tables = [
        pair_table(number, [pairs(OWN, own), pairs(ELSEWHERE, others), step], len(columns))
        for number in range(classes)
    ]
    started = time.perf_counter()
    known = [{"name": str(number), "moved": images} for number in range(classes)]
    tabulate_factors(PairRows(tables, [1] * classes, len(columns)), known, operations)
    return (time.perf_counter() - started) / classes


def peak(pairs: int) -> dict:
    """Peak memory of one search over generated pictures that are never all in memory."""
    import torch

    import invariscope

    class Noise(torch.utils.data.Dataset):
        targets = [index % 10 for index in range(2 * pairs)]  # noqa: RUF012

        def __len__(self):
            return 2 * pairs

        def __getitem__(self, index):
            generator = torch.Generator().manual_seed(index)
            pixels = torch.randint(0, 256, (3, 32, 32), generator=generator, dtype=torch.uint8)
            return pixels, index % 10

    with tempfile.TemporaryDirectory() as folder:
        invariscope.find_factors(
            "timm:resnet10t+untrained",
            Noise(),
            pairs=pairs // 10,
            operations="singles",
            preprocessing={"size": 32},
            workers=0,
            output=f"{folder}/search",
        )
    return {"peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def memory_ratio() -> dict:
    """Peak memory at 500 and at 5,000 pairs, each in a process of its own."""
    peaks = {}
    for pairs in (500, 5000):
        command = [sys.executable, __file__, "--part", "peak", "--pairs", str(pairs)]
        peaks[pairs] = json.loads(subprocess.check_output(command))["peak_mib"]
    return {
        "what": "resnet10t at 32 px, 63 operations, folder on disk",
        "peak_mib": peaks,
        "ratio": round(peaks[5000] / peaks[500], 3),
        "bar": BAR_MEMORY,
    }


def main() -> None:
    """Runs the parts and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parts = ("all", "time", "published", "table", "memory", "peak")
    parser.add_argument("--part", choices=parts, default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--classes", type=int, default=1000)
    options = parser.parse_args()
    if options.part == "peak":
        print(json.dumps(peak(options.pairs)))
        return
    results = {}
    if options.part in ("all", "time"):
        results["time"] = time_ratio(options.rounds, options.pairs)
    if options.part in ("all", "published"):
        results["published"] = published_ratio(options.pairs)
    if options.part in ("all", "table"):
        results["table"] = table_time(options.classes, 640)
    if options.part in ("all", "memory"):
        results["memory"] = memory_ratio()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
