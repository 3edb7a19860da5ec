"""What a run will cost: forward passes, time and memory, from one timed batch."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invariscope.devices import as_float
from invariscope.models import Probe
from invariscope.sweep.engine import default_batch_size
from invariscope.sweep.forward import Batches
from invariscope.sweep.prepare import Run


@dataclass(frozen=True)
class Cost:
    """The cost of a run.

    Args:
        images: Images in the run.
        cells: Cells.
        passes: Forward passes, one per image and cell, the twin's and the worth of derivatives
            included.
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
    pixels = run.example.pixels
    assert pixels is not None
    cuda = run.probe.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(run.probe.device)
    layers = [layer.name for layer in run.setup.layers]
    size = batch_size or default_batch_size(run)
    seconds = seconds_per_image(run.probe, pixels, layers, size)
    if cuda:
        peak = torch.cuda.max_memory_allocated(run.probe.device)
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    passes = run.setup.passes * len(run.selected)
    return Cost(len(run.selected), run.setup.num_cells, passes, seconds * passes, peak)


def seconds_per_image(probe: Probe, pixels: Tensor, layers: Sequence[str], size: int) -> float:
    """Time of a forward batch, for each of its images, after a warm-up.

    Args:
        probe: The network.
        pixels: One image, [band, height, width].
        layers: The layers that are watched.
        size: Images in the batch.
    """
    images = as_float(pixels)[None].expand(size, -1, -1, -1).to(probe.device)
    batches = Batches(size, lambda text: None)
    batches.forward(probe, images, layers)
    started = time.perf_counter()
    vectors = batches.forward(probe, images, layers)
    next(iter(vectors.values())).sum().item()  # waits for the device
    return (time.perf_counter() - started) / size
