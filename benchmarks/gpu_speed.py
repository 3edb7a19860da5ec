"""The sections of `benchmarks/gpu.py` that ask how fast it is, and where the time goes."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_checks import bar

#: Images a second, of those of the bare network, at least; seconds, at most.
BAR_EMBEDDINGS, BAR_CHANNELS, BAR_TRANSFORMS2D = 0.85, 1.5, 300_000
ROTATIONS = "rotate=18/36/54/72/90/108/126/144/162/180"
CONVOLUTIONS = "conv1,layer*.conv?,layer*.downsample.0"


def judged(met: bool, device: str, small: bool) -> bool | None:
    """A bar of speed says nothing on a CPU or where everything is small."""
    return met if torch.device(device).type == "cuda" and not small else None


def finish(device: str) -> None:
    """Waits for what the device was told to do."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


class Contest:
    """A sweep and as many bare forward passes of its network, in one process.

    Args:
        device: Where both run.
        model: A spec.
        images: How many.
        side: Of the images, in pixels.
        settings: Of the sweep, as in `invariscope.measure`.
    """

    def __init__(self, device: str, model: str, images: int, side: int, **settings: Any):
        from invariscope.sweep import SweepRequest, prepare

        shape = (images, side, side, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        self.run = prepare(
            SweepRequest(
                model=model, images=pixels, device=device, preprocessing={"size": side}, **settings
            )
        )
        self.passes = self.run.setup.passes * images
        self._device, self._amp = device, settings.get("amp")
        network = self.run.probe.module
        assert network is not None
        self._network = network
        size = min(self.run.batch_size, self.passes)
        batch = torch.rand(size, 3, side, side, device=device)
        self._batch = batch.contiguous(memory_format=torch.channels_last)

    def sweep(self) -> tuple[float, float]:
        """Seconds of the blocks, and of the whole with intervals and tables."""
        from invariscope.runs import carry_out

        finish(self._device)
        self.run.manifest["execution"]["seconds"] = 0.0
        started = time.perf_counter()
        result = carry_out(self.run, workers=0)
        return result.manifest["execution"]["seconds"], time.perf_counter() - started

    def bare(self) -> float:
        """Seconds of the bare forward passes, in the same type."""
        kind, size = torch.device(self._device).type, len(self._batch)
        finish(self._device)
        started = time.perf_counter()
        with (
            torch.inference_mode(),
            torch.autocast(kind, dtype=torch.bfloat16, enabled=self._amp is not None),
        ):
            for start in range(0, self.passes, size):
                self._network(self._batch[: self.passes - start])
        finish(self._device)
        return time.perf_counter() - started

    def rounds(self, count: int) -> dict:
        """Alternates the two; medians of ratios, and images a second."""
        self.sweep()
        self.bare()
        timed = [(*self.sweep(), self.bare()) for _ in range(count)]
        return {
            "passes": self.passes,
            "batch": len(self._batch),
            "blocks_s": [round(blocks, 3) for blocks, _, _ in timed],
            "whole_s": [round(whole, 3) for _, whole, _ in timed],
            "bare_s": [round(bare, 3) for _, _, bare in timed],
            "bare_images_per_second": round(self.passes / min(bare for *_, bare in timed)),
            "ratio_of_blocks": round(statistics.median(b / bare for b, _, bare in timed), 3),
            "ratio_of_whole": round(statistics.median(w / bare for _, w, bare in timed), 3),
        }


def embeddings(device: str, small: bool, folder: Path | None) -> dict:
    """13 families of 10 levels at embedding and logits, in bfloat16."""
    models = (
        ("timm:resnet10t+untrained", "timm:vit_tiny_patch16_224+untrained")
        if small
        else ("timm:resnet50+untrained", "timm:vit_base_patch16_224+untrained")
    )
    found, bars = {}, []
    for model in models:
        contest = Contest(
            device, model, 8 if small else 192, 64 if small and "resnet" in model else 224,
            layers="embedding,logits", amp="bf16",
            transformations="rotate,translate_x" if small else None,
        )  # fmt: skip
        found[model] = contest.rounds(1 if small else 3)
        speed = round(1 / found[model]["ratio_of_blocks"], 3)
        met = judged(speed >= BAR_EMBEDDINGS, device, small)
        what = f"{model} bf16: images/s of the bare network's"
        bars.append(bar(what, speed, f">= {BAR_EMBEDDINGS}", met))
    return {"runs": found, "bars": bars}


def channels(device: str, small: bool, folder: Path | None) -> dict:
    """Channel invariance and equivariance with null at 22 layers of resnet18, 10 rotations."""
    contest = channel_contest(device, small)
    found = contest.rounds(1 if small else 3)
    ratio = found["ratio_of_blocks"]
    met = judged(ratio <= BAR_CHANNELS, device, small)
    return {
        "run": found,
        "bars": [bar("seconds of the bare passes'", ratio, f"<= {BAR_CHANNELS}", met)],
    }


def channel_contest(device: str, small: bool) -> Contest:
    """Metrics of channels."""
    return Contest(
        device, "timm:resnet18+untrained", 8 if small else 256, 64 if small else 224,
        transformations="rotate=18/36" if small else ROTATIONS, layers=CONVOLUTIONS,
        metrics="relative_invariance,mean_relative_invariance,channel_invariance,"
        "channel_equivariance",
    )  # fmt: skip


def transforms2d(device: str, small: bool, folder: Path | None) -> dict:
    """Images a second of Transforms-2D at 32 px with the paper's eight categories."""
    from invariscope.data import open_source

    source = open_source("transforms2d:shapes?transformations=paper&split=train&backgrounds=drawn")
    count = 2048 if small else 262_144
    source.pixels(range(count), device)
    rates = []
    for _ in range(3):
        finish(device)
        started = time.perf_counter()
        source.pixels(range(count), device)
        finish(device)
        rates.append(count / (time.perf_counter() - started))
    rate = round(statistics.median(rates))
    met = judged(rate >= BAR_TRANSFORMS2D, device, small)
    return {"bars": [bar("images a second", rate, f">= {BAR_TRANSFORMS2D}", met)]}


def trace(device: str, small: bool, folder: Path | None) -> dict:
    """The operations that take the time of one sweep of each kind."""
    plain = Contest(
        device, "timm:resnet10t+untrained" if small else "timm:resnet50+untrained",
        8 if small else 64, 64 if small else 224, layers="embedding,logits", amp="bf16",
        transformations="rotate,posterize",
    )  # fmt: skip
    kinds = {"embeddings": plain, "channels": channel_contest(device, small)}
    found = {name: traced(contest, device, name, folder) for name, contest in kinds.items()}
    bars = [
        bar(f"{name}: operations seen", len(table["operations"]), "> 0", bool(table["operations"]))
        for name, table in found.items()
    ]
    return {"traces": found, "bars": bars}


def traced(contest: Contest, device: str, name: str, folder: Path | None) -> dict:
    """A profile of one sweep: operations by their own time, and how long the device idled."""
    from torch.profiler import ProfilerActivity, profile

    cuda = torch.device(device).type == "cuda"
    contest.sweep()
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    with profile(activities=activities) as profiled:
        blocks, whole = contest.sweep()
        finish(device)
    if folder is not None:
        profiled.export_chrome_trace(str(folder / f"trace-{name}.json"))
    own: Callable[[Any], float] = lambda event: getattr(  # noqa: E731
        event, "self_device_time_total" if cuda else "self_cpu_time_total"
    )
    events: list[Any] = sorted(profiled.key_averages(), key=own, reverse=True)
    total = sum(map(own, events)) or 1.0
    return {
        "blocks_s": round(blocks, 3),
        "whole_s": round(whole, 3),
        "bare_s": round(contest.bare(), 3),
        "busy_s": round(total / 1e6, 3),
        "idle_share_of_blocks": round(1 - min(1.0, total / 1e6 / blocks), 3) if cuda else None,
        "operations": [
            {
                "name": event.key,
                "ms": round(own(event) / 1e3, 2),
                "share": round(own(event) / total, 3),
                "calls": event.count,
            }
            for event in events[:15]
            if own(event) > 0
        ],
    }


SECTIONS = {
    "embeddings": embeddings, "channels": channels, "transforms2d": transforms2d, "trace": trace,
}  # fmt: skip
