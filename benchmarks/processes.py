"""What ``--processes`` brings: the same sweep by one process and by two, each on one thread.

    OMP_NUM_THREADS=1 python benchmarks/processes.py      # some ten minutes on two quiet cores

A resnet18 (random weights, since only the time counts) over 5 rotations, at the embedding and the
logits. Processes take seconds to start, whatever the run: so each is measured on few and on many
blocks, and the difference is what further blocks cost. Printed as one line of JSON: seconds (minima
over alternating rounds), the ratio one / two for the whole of the longer run and for further
blocks, what starting takes, and whether rows are equal.
"""

import argparse
import json
import time

import numpy as np
import torch

import invariscope


def measured(images: np.ndarray, side: int, processes: int):
    """A run, and its seconds."""
    started = time.perf_counter()
    result = invariscope.measure(
        "timm:resnet18+untrained",
        images,
        transformations="rotate=10/20/30/40/50",
        preprocessing={"size": side, "resize": side},
        processes=processes,
    )
    return result, time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=int, nargs=2, default=[4, 20])
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    few, many = given.blocks
    shape = (32 * many, given.side, given.side, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    seconds: dict[tuple[int, int], list[float]] = {}
    equal = True
    for _ in range(given.rounds):
        for blocks in (few, many):
            rows = []
            for processes in (1, 2):
                result, took = measured(pictures[: 32 * blocks], given.side, processes)
                seconds.setdefault((blocks, processes), []).append(took)
                rows.append(result.rows)
            equal &= rows[0].equals(rows[1])
    least = {key: min(values) for key, values in seconds.items()}
    further = {n: (least[many, n] - least[few, n]) / (many - few) for n in (1, 2)}
    print(json.dumps({
        "blocks": given.blocks, "side": given.side, "rounds": given.rounds,
        "threads_of_this_process": torch.get_num_threads(),
        "seconds": {f"{n} processes, {blocks} blocks": took for (blocks, n), took in least.items()},
        "seconds_a_further_block": further,
        "ratio_whole": least[many, 1] / least[many, 2],
        "ratio_further_blocks": further[1] / further[2],
        "seconds_to_start": least[few, 2] - few * further[2],
        "target": "ratio_further_blocks >= 1.8", "equal_rows": equal,
    }))  # fmt: skip
