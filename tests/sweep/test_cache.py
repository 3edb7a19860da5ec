"""A second run takes what networks gave from the cache, and gives the same numbers bit by bit."""

import hashlib
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.cache import folder as cache_folder
from invariscope.transformations import FAMILIES, Family, Resampling, Transformation

#: How many images went through at a time; a list outside the module, which is copied.
SEEN: list[int] = []
IMAGES = np.random.default_rng(0).integers(0, 256, (64, 12, 12, 3), dtype=np.uint8)
LABELS = [number % 3 for number in range(64)]
PLAN: dict[str, Any] = {
    "transformations": "rotate=20/90,brightness_down=0.5", "twin": True, "floor": True,
    "metrics": "relative_invariance,prediction_consistency",
}  # fmt: skip
#: Dry runs and looks at the model are of few images; passes of a block are of all 32.
FEW = 31
#: The identity, two turns, one brightness, two floors; the twin at four of these.
ALL = 64 * (4 + 2 + 4)


class Net(nn.Module):
    """A small network with maps, an embedding and logits; the seed draws its weights."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(3, 8, 3, stride=2)
            self.norm = nn.BatchNorm2d(8)
            self.fc = nn.Linear(8, 3)

    def forward(self, x):
        SEEN.append(len(x))
        return self.fc(torch.relu(self.norm(self.conv(4 * x - 2))).mean((2, 3)))


def measure(images=IMAGES, model=None, **how):
    SEEN.clear()
    labels = LABELS[: len(images)]
    return invariscope.measure(model or Net(), (images, labels), **(PLAN | how))


def counts(result):
    """Passes made, and passes that the cache saved; the first are those that were seen."""
    execution = result.manifest["execution"]
    assert sum(n for n in SEEN if n > FEW) == execution["forward_passes"]
    return execution["forward_passes"], execution["from_cache"]


def same(result, other):
    assert result.rows.equals(other.rows)
    assert result.frame.equals(other.frame)
    assert result.controls.equals(other.controls)


@pytest.fixture(scope="module")
def plain():
    """The run without a cache."""
    return measure()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A cache that one run has filled."""
    path = tmp_path_factory.mktemp("cache")
    measure(cache=path)
    return path


@pytest.fixture
def cache(first, tmp_path):
    """A copy of it."""
    return shutil.copytree(first, tmp_path / "cache")


def test_the_second_run_makes_no_pass(tmp_path, plain):
    for saved in (0, ALL):
        again = measure(cache=tmp_path / "cache")
        assert counts(again) == (ALL - saved, saved)
        same(again, plain)
    events = again.manifest["execution"]["events"]
    assert events == [f"{ALL} of {ALL} forward passes came from the cache {tmp_path / 'cache'}"]


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ({"metrics": "mean_relative_invariance,accuracy", "precision": 1.0}, 0),
        ({"metrics": "normalized_variance,relative_invariance", "floor": False}, 0),
        ({"transformations": "brightness_down=0.5,rotate=90", "twin": False}, 0),
        ({"transformations": "rotate=20/90/120,invert", "twin": False, "floor": False}, 64 * 2),
        ({"layers": "norm", "twin": False}, 64 * 6),
        ({"resampling": Resampling(border="reflect"), "twin": False}, 64 * 4),
        ({"seed": 1, "transformations": "rotate=20", "twin": False}, 64 * 3),
    ],
    ids=["metrics", "orbits", "fewer", "more", "layers", "border", "seed"],
)
def test_what_is_missing_is_made_and_nothing_else(cache, change, made):
    plain = measure(**change)
    again = measure(cache=cache, **change)
    assert counts(again)[0] == made
    assert sum(counts(again)) == plain.manifest["execution"]["forward_passes"]
    same(again, plain)


def test_fewer_layers_are_there_already(tmp_path, plain):
    measure(cache=tmp_path, layers="last,conv,norm")
    again = measure(cache=tmp_path)
    assert counts(again) == (0, ALL)
    same(again, plain)


@pytest.mark.parametrize(
    "change",
    [
        {"model": Net(seed=1), "twin": False},
        {"preprocessing": {"mean": 0.1, "std": 0.5}},
        {"preprocessing": {"size": 10, "mean": 0.0, "std": 1.0}},
        {"images": IMAGES[:, ::-1]},
        {"images": np.clip(IMAGES, 1, None)},
        {"seed": 1},
        {"amp": "bf16"},
    ],
    ids=["weights", "normalisation", "size", "content", "one value", "seed", "type"],
)
def test_what_is_not_the_same_is_not_taken(cache, change):
    again = measure(cache=cache, **change)
    assert counts(again) == (64 * 6 if "twin" in change else ALL, 0)
    same(again, measure(**change))


def test_one_changed_image_is_a_changed_block(cache):
    images = IMAGES.copy()
    images[0, 5, 5, 0] ^= 1
    again = measure(images, cache=cache)
    assert counts(again) == (ALL // 2, ALL // 2)
    same(again, measure(images))


def test_batches_of_several_cells(tmp_path):
    plain = measure(batch_size=100)
    for saved in (0, ALL):
        again = measure(cache=tmp_path, batch_size=100)
        assert counts(again) == (ALL - saved, saved)
        same(again, plain)
    again = measure(cache=tmp_path)  # one cell at a time, as the last of the twin's was before
    assert again.manifest["execution"]["from_cache"] == 64


class Small(Net):
    """A network for which 20 images are too many."""

    def forward(self, x):
        if len(x) > 20:
            raise torch.OutOfMemoryError("no room")
        return super().forward(x)


def test_batches_that_do_not_fit_are_not_kept_under_their_size(tmp_path):
    plain = measure(model=Small())
    for made in (ALL, 32, 32):  # a run learns by the first pass that it does not fit
        again = measure(model=Small(), cache=tmp_path)
        assert again.manifest["execution"]["batch_size"] == 16
        assert again.manifest["execution"]["forward_passes"] == made
        same(again, plain)


def test_metrics_of_maps_and_of_derivatives_pass_through_the_network(tmp_path):
    short = {"images": IMAGES[:32], "transformations": "rotate=20", "twin": False, "floor": False}
    how = {**short, "metrics": "channel_invariance,relative_invariance"}
    plain = measure(**how)
    for _ in range(2):
        again = measure(cache=tmp_path, **how)
        assert again.manifest["execution"]["forward_passes"] == 32 * 2
        same(again, plain)
    how = {**short, "metrics": "lie_derivative,relative_invariance"}
    plain = measure(**how)
    derivatives = plain.manifest["execution"]["forward_passes"] - 32 * 2
    assert derivatives > 0
    for made in (32 * 2, 0):
        again = measure(cache=tmp_path, **how)
        assert again.manifest["execution"]["forward_passes"] == derivatives + made
        same(again, plain)


def test_a_model_without_weights_is_measured_as_ever(tmp_path):
    def model(x):
        return x.mean((2, 3))

    for _ in range(2):
        result = measure(model=model, cache=tmp_path, twin=False)
        execution = result.manifest["execution"]
        assert execution["from_cache"] == 0
        assert "a plain callable has no weights" in execution["events"][0]
    assert not list(tmp_path.rglob("*.arrow"))
    same(result, measure(model=model, twin=False))


def own_family(change):
    family = Family("mine", "appearance", "", 0.0, "mine", change=change)
    return Transformation(family, (0.0, 1.0), False, (0, 1), Resampling())


def test_a_family_of_ones_own_may_change_its_code(tmp_path, monkeypatch):
    results = []
    for change in (lambda x, m: 1 - x, lambda x, m: x * 0.5):
        mine = own_family(change)
        monkeypatch.setitem(FAMILIES._entries, "mine", mine.family)
        how = {"transformations": [mine], "twin": False, "floor": False}
        results.append((measure(cache=tmp_path, **how), measure(**how)))
    for cached, plain in results:
        same(cached, plain)
    assert not results[0][0].rows.equals(results[1][0].rows)
    assert results[1][0].manifest["execution"]["forward_passes"] == 64


def test_a_random_family_is_never_taken(tmp_path, monkeypatch):
    mine = own_family(lambda x, m: (x + 0.3 * torch.rand_like(x)).clamp(0, 1))
    monkeypatch.setitem(FAMILIES._entries, "mine", mine.family)
    for saved in (0, 64):  # the identity
        result = measure(cache=tmp_path, transformations=[mine], twin=False, floor=False)
        execution = result.manifest["execution"]
        assert execution["from_cache"] == saved
    (note, _) = execution["events"]
    assert note.startswith("passes with mine=1 are not cached (it draws random numbers that")


def test_damaged_entries_are_made_again(cache, plain):
    digests = {path: digest(path) for path in cache.rglob("*.arrow")}
    for number, path in enumerate(sorted(digests)):
        content = bytearray(path.read_bytes())
        content[len(content) // 2 + number] ^= 1
        path.write_bytes(content[: len(content) // 3] if number % 2 else content)
    again = measure(cache=cache)
    assert counts(again) == (ALL, 0)
    same(again, plain)
    assert {path: digest(path) for path in cache.rglob("*.arrow")} == digests
    assert counts(measure(cache=cache)) == (0, ALL)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_cache_that_is_too_small_stays_small(tmp_path, first, plain):
    whole = sum(path.stat().st_size for path in first.rglob("*.arrow"))
    for _ in range(2):
        again = measure(cache=tmp_path / "small", cache_size=whole // 2)
        same(again, plain)
        kept = sum(path.stat().st_size for path in (tmp_path / "small").rglob("*.arrow"))
        assert 0 < kept <= whole // 2
        assert "has no room for all of this run" in " ".join(again.manifest["execution"]["events"])


def test_a_full_disk_costs_a_note(tmp_path, monkeypatch, plain):
    def full(path, content, **how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_folder, "write_file", full)
    again = measure(cache=tmp_path)
    same(again, plain)
    notes = again.manifest["execution"]["events"]
    assert notes[0] == (
        f"nothing more is kept in the cache {tmp_path} (No space left on device); the run goes on "
        "without"
    )
    assert len(notes) == 2


def test_row_files_have_the_same_bytes_and_a_resumed_run_counts_on(tmp_path, cache):
    measure(output=tmp_path / "plain")
    measure(output=tmp_path / "cached", cache=cache)
    for path in (tmp_path / "plain" / "rows").iterdir():
        assert digest(path) == digest(tmp_path / "cached" / "rows" / path.name)
    (tmp_path / "plain" / "rows" / "block-00001.parquet").unlink()
    again = measure(output=tmp_path / "plain", cache=cache)
    execution = again.manifest["execution"]
    assert (execution["forward_passes"], execution["from_cache"]) == (ALL, ALL // 2)


class Flickering(torch.utils.data.Dataset):
    """Pictures that are others whenever they are read."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.rand(3, 12, 12), index % 3


def test_random_images_are_not_kept(tmp_path):
    result = invariscope.measure(Net(), Flickering(), cache=tmp_path, workers=0, **PLAN)
    (note,) = result.manifest["execution"]["events"]
    assert note.startswith("the cache is not used: the images are random")
    assert not list(tmp_path.iterdir())


def test_global_random_numbers_are_left_alone(first):
    drawn = []
    for cache in (None, first):
        torch.manual_seed(3)
        measure(cache=cache)
        drawn.append(float(torch.rand(1)))
    assert len(set(drawn)) == 1
