"""The torchmetrics forms: equal to the functions on all data, batched, merged, on two processes."""

import json
import os
import pickle
import sys
from contextlib import ExitStack
from typing import Any

import pytest
import torch

pytest.importorskip("torchmetrics", reason="pip install 'invariscope[torchmetrics]'")
from children import Child
from invariscope.errors import InputError
from invariscope.metrics import (
    channel_equivariance,
    latent_eed,
    latent_normalizer,
    mean_relative_invariance,
    prediction_consistency,
    relative_invariance,
)
from invariscope.metrics.torchmetrics import (
    ChannelEquivariance,
    LatentEED,
    MeanRelativeInvariance,
    PredictionConsistency,
    RelativeInvariance,
)
from oracles.metrics import reference_mean_relative_invariance, reference_relative_invariance
from oracles.orbits import reference_latent_eed, reference_latent_normalizer

N, BATCH = 26, 7
SPLITS = (1, 2, 7, N)


def vectors(seed=0, n=N, size=5):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, size, generator=generator) + 0.3
    return z, z + 0.5 * torch.randn(n, size, generator=generator)


def feature_maps(n=N):
    generator = torch.Generator().manual_seed(1)
    acted = torch.randn(n, 4, 5, 5, generator=generator)
    acted[:, 2] = 1.0  # a dead channel
    return acted, acted.roll(1, 1) + torch.randn(n, 4, 5, 5, generator=generator)


def orbits(n=N):
    z, _ = vectors(2, n)
    generator = torch.Generator().manual_seed(3)
    return (z[:, None] + 0.4 * torch.randn(n, 4, 5, generator=generator) + 1.0,)


def blocks(n, size):
    """The pairing that updates of `size` images make: the next image of the batch, in a circle."""
    parts = torch.arange(n).split(size)
    return torch.cat([part.roll(-1) for part in parts])


def mean(values):
    return float(values.double().nanmean())


def scale(distance):
    return float(latent_normalizer(orbits()[0][:, 0].double(), distance=distance))


CASES: dict[str, Any] = {
    "relative": (
        lambda: RelativeInvariance(),
        vectors,
        lambda size: mean(
            relative_invariance(*(z.double() for z in vectors()), pairing=blocks(N, size))
        ),
    ),
    "relative l2": (
        lambda: RelativeInvariance("l2"),
        vectors,
        lambda size: reference_relative_invariance(
            vectors()[0].numpy(), vectors()[1].numpy(), blocks(N, size).tolist(), "l2"
        ).mean(),
    ),
    "mean relative": (
        lambda: MeanRelativeInvariance(),
        vectors,
        lambda _: reference_mean_relative_invariance(
            vectors()[0].numpy(), vectors()[1].numpy(), "cosine"
        ),
    ),
    "mean relative l2": (
        lambda: MeanRelativeInvariance("l2"),
        vectors,
        lambda _: float(mean_relative_invariance(*(z.double() for z in vectors()), distance="l2")),
    ),
    "consistency": (
        lambda: PredictionConsistency(),
        vectors,
        lambda _: mean(prediction_consistency(*vectors())),
    ),
    "channels": (
        lambda: ChannelEquivariance(),
        feature_maps,
        lambda _: mean(channel_equivariance(*feature_maps()).double().nanmean(1)),
    ),
    "orbits, M given": (
        lambda: LatentEED(normalizer=1.7),
        orbits,
        lambda _: reference_latent_eed(orbits()[0].numpy(), 1.7, "l2").mean(),
    ),
    "orbits": (
        lambda: LatentEED(),
        orbits,
        lambda _: reference_latent_eed(
            orbits()[0].numpy(), reference_latent_normalizer(orbits()[0][:, 0].numpy(), "l2"), "l2"
        ).mean(),
    ),
    "orbits cosine": (
        lambda: LatentEED(distance="cosine"),
        orbits,
        lambda _: mean(
            latent_eed(orbits()[0].double(), normalizer=scale("cosine"), distance="cosine")
        ),
    ),
}
PAIRED = ("relative", "relative l2")


def fed(make, data, size=BATCH, batches=slice(None)):
    metric = make()
    for batch in list(zip(*(part.split(size) for part in data()), strict=True))[batches]:
        metric.update(*batch)
    return metric


@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_function_on_all_data(name):
    make, data, expected = CASES[name]
    sizes = [size for size in SPLITS if size > 1] if name in PAIRED else SPLITS
    for size in sizes:
        found = fed(make, data, size).compute()
        assert found.dtype == torch.float64
        assert float(found) == pytest.approx(expected(size), abs=1e-12), size


@pytest.mark.parametrize("name", CASES)
def test_merged_in_any_order(name):
    make, data, expected = CASES[name]
    first, second = fed(make, data, batches=slice(0, 2)), fed(make, data, batches=slice(2, None))
    nothing = make()
    for parts in ((first, second, nothing), (nothing, second, first)):
        whole = pickle.loads(pickle.dumps(parts[0]))
        for part in parts[1:]:
            whole.merge_state(part)
            whole._update_count += 1  # merge_state leaves it: compute would warn
        assert float(whole.compute()) == pytest.approx(expected(BATCH), abs=1e-9)
        assert int(whole.count) == N
    whole.update(*(part[:2] for part in data()))  # goes on after a merge
    whole.compute()
    assert int(whole.count) == N + 2


def test_forward_gives_the_value_of_the_batch_and_adds_it():
    z, moved = vectors()
    metric = RelativeInvariance()
    batches = list(zip(z.split(BATCH), moved.split(BATCH), strict=True))
    for batch in batches:
        own = metric(*batch)
        alone = relative_invariance(*batch, pairing=torch.arange(len(batch[0])).roll(-1)).mean()
        assert float(own) == pytest.approx(float(alone), abs=1e-6)
    assert float(metric.compute()) == pytest.approx(CASES["relative"][2](BATCH), abs=1e-9)
    metric.reset()
    assert int(metric.count) == 0


WORKER = """
import json, sys, warnings
import torch
import torch.distributed as dist
sys.path[:0] = json.loads(sys.argv[3])
warnings.simplefilter("error")
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
import test_torchmetrics as t
found = {}
for name, (make, data, _) in t.CASES.items():
    for where, batches in (("both", slice(rank, None, 2)), ("one", slice(0, 9 * rank))):
        metric = t.fed(make, data, batches=batches)
        metric._update_count = 1  # the process without images would warn
        found[f"{name}, {where}"] = float(metric.compute())
print(json.dumps(found))
dist.destroy_process_group()
"""


def test_two_processes(tmp_path):
    """Every second batch in each of two processes; then all in one, and none in the other."""
    here = os.path.dirname(__file__)
    paths = [here, os.path.dirname(here), *filter(None, sys.path)]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Child(WORKER, rank, tmp_path / "meet", json.dumps(paths), said=tmp_path / str(rank))
            )
            for rank in range(2)
        ]
        ended = [worker.ended() for worker in workers]
    assert [code for code, *_ in ended] == [0, 0], ended
    for _, out, _ in ended:
        found = json.loads(out.splitlines()[-1])
        for name, (_, _, expected) in CASES.items():
            for where in ("both", "one"):
                value = found[f"{name}, {where}"]
                assert value == pytest.approx(expected(BATCH), abs=1e-9), (name, where)


def test_undefined_images_are_counted_and_left_out():
    z, moved = vectors()
    moved[3] = torch.nan
    metric = PredictionConsistency()
    metric.update(z, moved)
    assert (int(metric.count), int(metric.undefined)) == (N - 1, 1)
    lonely = RelativeInvariance()
    lonely.update(z[:1], z[:1])
    assert (int(lonely.count), int(lonely.undefined)) == (0, 1)
    assert lonely.compute().isnan()
    rest = [i for i in range(N) if i != 3]
    pairs = MeanRelativeInvariance()
    pairs.update(z, moved)
    expected = mean_relative_invariance(z[rest].double(), moved[rest].double())
    assert float(pairs.compute()) == pytest.approx(float(expected), abs=1e-9)


def test_a_million_and_more_images_lose_nothing():
    """float32 sums stop counting at 2²⁴."""
    metric = PredictionConsistency()
    metric.total = metric.total + 2**24
    metric.count = metric.count + 2**24
    for _ in range(3):
        metric.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        metric.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    assert (float(metric.total), int(metric.count)) == (2**24 + 3, 2**24 + 6)


def test_converted_sums_are_refused():
    for spoil in (lambda m: m.to(torch.float16), lambda m: m.set_dtype(torch.float32)):
        metric = spoil(PredictionConsistency())
        with pytest.raises(
            InputError, match=r"converted to torch\.float\d+, .* make the metric anew"
        ):
            metric.update(*vectors())
    metric = PredictionConsistency().half()  # torchmetrics leaves the states alone here
    metric.update(*vectors())


@pytest.mark.parametrize("make", [MeanRelativeInvariance, LatentEED])
@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_a_single_image_has_no_pairs(make, distance):
    metric = make(distance=distance)
    moved, _ = vectors()
    metric.update(*((moved[:1, None],) if make is LatentEED else (moved[:1], moved[1:2])))
    assert int(metric.count) == 1
    assert metric.compute().isnan()


def test_what_does_not_move_is_0_and_what_cannot_be_said_is_nan():
    still = LatentEED()
    still.update(torch.ones(4, 3, 2))
    assert still.compute() == 0
    alike = LatentEED()
    alike.update(orbits()[0][:1].expand(4, -1, -1))
    assert alike.compute().isnan()  # no two images differ: nothing to compare with
    opposite = LatentEED(distance="cosine")
    opposite.update(torch.tensor([[[1.0, 0.0], [1.0, 0.1]], [[-1.0, 0.0], [-1.0, 0.1]]]))
    assert opposite.compute().isnan()


def test_messages():
    z, moved = vectors()
    with pytest.raises(InputError, match=r"transformed has shape \[25, 5\] but embeddings"):
        RelativeInvariance().update(z, moved[1:])
    with pytest.raises(InputError, match="distance must be one of cosine, l2"):
        LatentEED(distance="l1")
    metric = MeanRelativeInvariance()
    metric.update(z, moved)
    with pytest.raises(InputError, match="embeddings have 3 elements and had 5 before"):
        metric.update(z[:, :3], moved[:, :3])


def test_what_is_near_rounding_is_no_scale_of_a_latent_space():
    """Embeddings of length 1e4 that differ by a thousandth: less than float32 tells there."""
    first = torch.full((4, 3), 1e4, dtype=torch.float64)
    for step, usable in ((1e-4, False), (1e-1, True)):
        metric = LatentEED()
        away = step * torch.arange(12.0, dtype=torch.float64).reshape(4, 3)
        metric.update(torch.stack([first + away, first + 2 * away], 1))
        assert bool(metric.compute().isfinite()) == usable
