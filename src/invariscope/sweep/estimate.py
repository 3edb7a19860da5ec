"""What a run will cost: forward passes, time and memory, from one timed batch."""

import resource
import sys
import time
from dataclasses import dataclass

import torch

from invariscope.sweep.block import as_float
from invariscope.sweep.engine import default_batch_size
from invariscope.sweep.forward import Batches
from invariscope.sweep.prepare import Run


@dataclass(frozen=True)
class Cost:
    """The cost of a run.

    Args:
        images: Images in the run.
        cells: Cells.
        passes: Forward passes, one per image and cell, the twin's included.
        seconds: Estimated time of the forward passes.
        bytes: Estimated peak memory, on the accelerator or, on the CPU, of the process.
    """

    images: int
    cells: int
    passes: int
    seconds: float
    bytes: int


def estimate(run: Run, batch_size: int | None = None) -> Cost:
    """Times one forward batch (after a warm-up) and scales it up."""
    size = batch_size or default_batch_size(run)
    pixels = run.example.pixels
    assert pixels is not None
    images = as_float(pixels)[None].expand(size, -1, -1, -1).to(run.probe.device)
    batches = Batches(size, lambda text: None)
    cuda = run.probe.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(run.probe.device)
    layers = [layer.name for layer in run.setup.layers]
    batches.forward(run.probe, images, layers)
    started = time.perf_counter()
    vectors = batches.forward(run.probe, images, layers)
    next(iter(vectors.values())).sum().item()  # waits for the device
    seconds = time.perf_counter() - started
    if cuda:
        peak = torch.cuda.max_memory_allocated(run.probe.device)
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    passes = run.plan.passes * len(run.selected)
    return Cost(len(run.selected), len(run.plan.cells), passes, seconds / size * passes, peak)
