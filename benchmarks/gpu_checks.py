"""The sections of `benchmarks/gpu.py` that ask whether the numbers are right."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import invariscope
from invariscope.errors import InvariscopeError

#: Largest difference to the loops in float64, relative to 1 + the value: float32 on a device.
BAR_ORACLE = 2e-6
#: The same between two devices after a network of 18 layers: 99 of 100 rows, and any cell's mean.
BAR_ROWS, BAR_CELLS = 1e-4, 1e-3


def bar(what: str, measured: Any, wanted: Any, met: bool | None) -> dict:
    """One line of a section."""
    return {"what": what, "measured": measured, "wanted": wanted, "met": met}


def apart(found: Tensor, wanted: np.ndarray) -> float:
    """The largest difference, relative to 1 + the value; infinite where one alone is NaN."""
    ours, theirs = found.double().cpu().numpy(), np.asarray(wanted, dtype=np.float64)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return float("inf")
    return float(np.nanmax(np.abs(ours - theirs) / (1 + np.abs(theirs))))


def oracles(device: str, small: bool, folder: Path | None) -> dict:
    """Every function on tensors, on the device, against loops."""
    bars = []
    for name, found, wanted in cases(device):
        assert found.device.type == torch.device(device).type, f"{name} left the device"
        difference = apart(found, wanted)
        bars.append(bar(name, difference, f"<= {BAR_ORACLE}", difference <= BAR_ORACLE))
    return {"bars": bars}


def cases(device: str) -> Iterator[tuple[str, Tensor, np.ndarray]]:
    """Yields (name, what we compute on the device, what the loops say)."""
    from invariscope import metrics as m
    from oracles import channel_sums, channels, lie, orbits, representations
    from oracles import metrics as vectors

    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    z, labels = normal(9, 6) + 1, torch.arange(9) % 3
    moved, pairing = z + normal(9, 6) / 2, torch.arange(9).roll(-1)
    there = z.to(device), moved.to(device)
    pairs, known = pairing.to(device), labels.to(device)
    plain = z.numpy(), moved.numpy()
    for distance in ("cosine", "l2"):
        yield (
            f"relative_invariance {distance}",
            m.relative_invariance(*there, pairing=pairs, distance=distance),
            vectors.reference_relative_invariance(*plain, pairing.tolist(), distance),
        )
        yield (
            f"mean_relative_invariance {distance}",
            m.mean_relative_invariance(*there, distance=distance),
            np.array(vectors.reference_mean_relative_invariance(*plain, distance)),
        )
        yield (
            f"class_distance_ratio {distance}",
            m.class_distance_ratio(there[0], known, distance=distance),
            np.array(
                representations.reference_class_distance_ratio(z.numpy(), labels.tolist(), distance)
            ),
        )
    shuffle = torch.rand(9, 6, generator=draw).argsort(0)
    yield (
        "response_alignment",
        m.response_alignment(*there, pairing=pairs, shuffle=shuffle.to(device)),
        representations.reference_response_alignment(*plain, pairing.tolist(), shuffle.tolist()),
    )
    third = normal(9, 6) + 1
    yield (
        "similarity_change",
        m.similarity_change(*there, third.to(device)),
        representations.reference_similarity_change(*plain, third.numpy()),
    )
    yield (
        "prediction_consistency",
        m.prediction_consistency(*there),
        vectors.reference_prediction_consistency(*plain),
    )
    yield "accuracy", m.accuracy(there[0], known), vectors.reference_accuracy(z, labels.tolist())
    yield (
        "linear_cka",
        m.linear_cka(*there),
        np.array(representations.reference_linear_cka(*plain)),
    )
    orbit = z[:, None] + normal(9, 4, 6) / 2
    yield (
        "normalized_variance",
        m.normalized_variance(orbit.to(device)),
        representations.reference_normalized_variance(orbit.numpy()),
    )
    scale = orbits.reference_latent_normalizer(z.numpy(), "l2")
    yield (
        "latent_eed",
        m.latent_eed(orbit.to(device), normalizer=scale),
        orbits.reference_latent_eed(orbit.numpy(), scale, "l2"),
    )
    shares = orbit.double().softmax(2)
    yield (
        "softmax_eed",
        m.softmax_eed(shares.to(device)),
        orbits.reference_softmax_eed(shares.numpy()),
    )
    maps = normal(5, 6, 7, 8)
    answers = maps.roll(1, 1) + normal(5, 6, 7, 8) / 2
    on = maps.to(device), answers.to(device)
    off = maps.numpy(), answers.numpy()
    for similarity in ("pearson", "cosine"):
        yield (
            f"channel_invariance {similarity}",
            m.channel_invariance(*on, similarity=similarity),
            channels.reference_channel_invariance(*off, similarity),
        )
        yield (
            f"channel_equivariance {similarity}",
            m.channel_equivariance(*on, similarity=similarity),
            channels.reference_channel_match(*off, similarity)[0],
        )
    yield "channel_eed", m.channel_eed(*on), channels.reference_channel_eed(*off)
    own, acted = (m_products().channel_maps(value) for value in reversed(on))
    step = m.MapStep(own, acted)
    for form, values in zip(("invariance", "equivariance"), step.pearson, strict=True):
        wanted = (
            channels.reference_channel_invariance(*off, "pearson")
            if form == "invariance"
            else channels.reference_channel_match(*off, "pearson")[0]
        )
        yield f"channel_{form} in a sweep", values, wanted
    pooled = m.ChannelCorrelation.empty(6, device).add(*on).compute()
    invariance, equivariance, match = channel_sums.reference_pooled(*off)
    yield "channel_invariance:pooled", pooled.invariance, invariance
    yield "channel_equivariance:pooled", pooled.equivariance, equivariance
    yield "its matches", pooled.match, match
    weights, images, tangent = normal(3, 6), normal(9, 6), normal(9, 6)
    yield (
        "lie_derivative",
        m.lie_derivative(
            lambda x: (x @ weights.to(device).T).tanh(), images.to(device), tangent.to(device)
        ),
        lie.reference_lie_derivative(
            lambda x: np.tanh(weights.double().numpy() @ x),
            images.double().numpy(),
            tangent.double().numpy(),
        ),
    )


def m_products():
    """The module of the products of channels."""
    from invariscope.metrics import channel_products

    return channel_products


def pictures(count: int, side: int) -> tuple[np.ndarray, list[int]]:
    """Labelled images that need nothing installed: shapes on drawn backgrounds."""
    from invariscope.data import open_source

    source = open_source(
        f"transforms2d:shapes?transformations=rotation+scale&split=test&backgrounds=drawn"
        f"&size={side}&num={count}"
    )
    values = source.pixels(range(count))
    assert values is not None
    assert source.labels is not None
    return values.permute(0, 2, 3, 1).numpy(), [int(label) for label in source.labels[:count]]


#: Every metric of a sweep, every kind of cell.
EVERYTHING = {
    "model": "timm:resnet18+untrained",
    "transformations": "rotate=20/90,translate_x=0.1,posterize=3,saturation=0.5",
    "groups": "C4,flip",
    "layers": "layer1.*.conv?,layer3",
    "floor": True,
    "twin": False,
    "workers": 0,
}


def measured(device: str, images: Any, **how: Any):
    """A sweep with all metrics."""
    from invariscope.metrics import METRICS

    side = images[0].shape[1]
    whole: dict[str, Any] = {
        "metrics": sorted(METRICS),
        "preprocessing": {"size": side},
        **EVERYTHING,
        **how,
    }
    return invariscope.measure(images=images, device=device, **whole)


def rows_apart(one, other) -> dict[str, float]:
    """How far the rows of two runs lie apart, relative to 1 + the value, and cells' means."""
    keys = ["image", "cell", "layer", "metric", "control"]
    both = one.rows.merge(other.rows, on=keys, suffixes=("", "_other"))
    assert len(both) == len(one.rows) == len(other.rows), "not the same rows"
    assert both.value.isna().equals(both.value_other.isna()), "not the same rows are undefined"
    # An image's influence on a sum over the data set hangs on which channel matches by a hair.
    alone = both[~both.metric.str.endswith(":pooled")]
    off = (alone.value - alone.value_other).abs() / (1 + alone.value.abs())
    keys = ["metric", "control", "transformation", "level", "layer", "class"]
    means = one.summary.merge(other.summary, on=keys, suffixes=("", "_other"))
    of_cells = (means.value - means.value_other).abs() / (1 + means.value.abs())
    return {
        "rows": len(both),
        "rows_99_of_100": float(off.quantile(0.99)),
        "rows_largest": float(off.max()),
        "cells_largest": float(of_cells.max()),
    }


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Whether convolutions may round float32 to TF32; torch lets them by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def sweeps(device: str, small: bool, folder: Path | None) -> dict:
    """A whole sweep on the device against the same on the CPU."""
    images = pictures(16 if small else 32, 32 if small else 64)
    at_home = measured("cpu", images)
    with tf32(False):
        exact = rows_apart(at_home, measured(device, images, batch_size=64))
    with tf32(True):
        coarse = rows_apart(at_home, measured(device, images))
    return {
        "metrics": len(set(at_home.rows.metric)),
        "tf32_off": exact,
        "tf32_on": coarse,
        "bars": [
            bar("rows, 99 of 100", exact["rows_99_of_100"], f"<= {BAR_ROWS}",
                exact["rows_99_of_100"] <= BAR_ROWS),
            bar("means of cells", exact["cells_largest"], f"<= {BAR_CELLS}",
                exact["cells_largest"] <= BAR_CELLS),
        ],
    }  # fmt: skip


class Interrupted(Exception):
    """Stops a run as a user would."""


class Impatient:
    """Progress that interrupts once so many passes were made."""

    def __init__(self, passes: int):
        self._left = passes

    def start(self, **_: int) -> None:
        """Ignored."""

    def advance(self, passes: int) -> None:
        """Counts."""
        self._left -= passes
        if self._left < 0:
            raise Interrupted

    def note(self, text: str) -> None:
        """Ignored."""


def resume(device: str, small: bool, folder: Path | None) -> dict:
    """An interrupted run against a whole one, byte by byte."""
    images = pictures(96, 32 if small else 64)
    how = {"transformations": "rotate=20/90", "groups": "flip", "layers": "layer1.0.conv1"}
    with tempfile.TemporaryDirectory() as place:
        one, other = Path(place, "whole"), Path(place, "interrupted")
        whole = measured(device, images, output=one, **how)
        passes = whole.manifest["execution"]["forward_passes"]
        interrupted = False
        try:
            measured(device, images, output=other, progress=Impatient(passes // 2), **how)
        except Interrupted:
            interrupted = True
        left = len(list(other.glob("rows/*.parquet")))
        measured(device, images, output=other, **how)
        names = sorted(path.relative_to(one) for path in one.rglob("*.parquet"))
        differ = [
            str(name) for name in names if (one / name).read_bytes() != (other / name).read_bytes()
        ]
    return {
        "blocks_before_it_stopped": left,
        "bars": [
            bar("it was interrupted within the run", left, "1 or 2 blocks of 3",
                interrupted and 0 < left < 3),
            bar("files of rows, sums and summary that differ", differ, [], not differ),
        ],
    }  # fmt: skip


@contextmanager
def crowded(device: str, room: int) -> Iterator[None]:
    """Leaves so many bytes of memory: someone else has the rest of the GPU, or a limit is set."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(device)
        taken = torch.empty(max(0, free - room), dtype=torch.uint8, device=device)
        try:
            yield
        finally:
            del taken
            torch.cuda.empty_cache()
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def memory(device: str, small: bool, folder: Path | None) -> dict:
    """Runs with less and less room until batches halve themselves; the numbers stay."""
    side, batch = (64, 256) if small else (224, 256)
    images = pictures(32 if small else 64, side)
    kinds = {
        "embeddings": {"metrics": "relative_invariance,mean_relative_invariance"},
        "channels": {"metrics": "channel_equivariance", "layers": "layer1.*.conv?,layer3"},
    }
    found, bars = {}, []
    for name, how in kinds.items():
        settings = {"transformations": "rotate", "groups": None, "floor": False, "layers": "last"}
        settings |= {**how, "batch_size": batch}
        with tf32(False):
            free = measured(device, images, **settings)
            tries, full = squeezed(device, images, settings, batch * side * side << 10)
        found[name] = tries
        what = f"{name}: batches halved, run finished"
        bars.append(bar(what, tries[-1], f"< {batch}", full is not None))
        if full is not None:
            off = rows_apart(free, full)["rows_99_of_100"]
            bars.append(bar(f"{name}: its rows, 99 of 100", off, f"<= {BAR_ROWS}", off <= BAR_ROWS))
    return {"tries": found, "bars": bars}


def squeezed(device: str, images: Any, settings: dict, room: int) -> tuple[list[dict], Any]:
    """Looks for the room in which batches halve: between what is enough and what is too little."""
    tries, enough, too_little = [], 0, 0
    for _ in range(12):
        try:
            with crowded(device, room):
                full = measured(device, images, **settings)
        except InvariscopeError as problem:
            tries.append({"room_mib": room >> 20, "stopped": str(problem)})
            too_little = room
        else:
            size = full.manifest["execution"]["batch_size"]
            tries.append({"room_mib": room >> 20, "batch_size": size})
            if size < settings["batch_size"]:
                return tries, full
            enough = room
        room = (enough + too_little) // 2 if enough else room * 2
    return tries, None


SECTIONS = {"oracles": oracles, "sweeps": sweeps, "resume": resume, "memory": memory}
