"""Estimates the cost of a run: forward passes, time and memory, from one timed batch."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invariscope.devices import as_float
from invariscope.models import Probe
from invariscope.runs.batches import Batches
from invariscope.runs.job import Job


@dataclass(frozen=True)
class Cost:
    """The cost of a run.

    Args:
        passes: Forward passes, one per image and cell, the twin's and the worth of derivatives
            included.
        seconds: Estimated time of the forward passes.
        bytes: Estimated peak memory, on the accelerator or, on the CPU, of the process.
    """

    passes: int
    seconds: float
    bytes: int


def estimate(
    job: Job[Any], probe: Probe, layers: Sequence[str], batch_size: int | None = None
) -> Cost:
    """Times one forward batch (after a warm-up) and scales it up.

    Args:
        job: What will be carried out; a picture of it is decoded already.
        probe: Its network.
        layers: The layers that are watched.
        batch_size: Images per forward pass; None: as in the run.
    """
    pixels = next(p.pixels for p in job.ready.values() if p.pixels is not None)
    cuda = probe.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(probe.device)
    seconds = _seconds_per_image(probe, pixels, layers, batch_size or job.batch_size)
    if cuda:
        peak = torch.cuda.max_memory_allocated(probe.device)
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    passes = sum(job.passes(number) for number in range(len(job.blocks)))
    return Cost(passes, seconds * passes, peak)


def _seconds_per_image(probe: Probe, pixels: Tensor, layers: Sequence[str], size: int) -> float:
    """Time of a forward batch of one image [band, height, width], for each of its images."""
    images = as_float(pixels)[None].expand(size, -1, -1, -1).to(probe.device)
    batches = Batches(size, lambda text: None)
    batches.forward(probe, images, layers)
    started = time.perf_counter()
    vectors = batches.forward(probe, images, layers)
    next(iter(vectors.values())).sum().item()  # waits for the device
    return (time.perf_counter() - started) / size
