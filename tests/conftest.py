"""What all tests share."""

import os
from collections import Counter

import pytest
import torch
from hypothesis import settings

pytest_plugins = ["nouns", "small_searches"]

# Modules that tests import; read for doctests they would be imported under a second name.
collect_ignore = ["oracles"]

# A slow minute of the machine is no failure.
settings.register_profile("invariscope", deadline=None)
settings.load_profile("invariscope")


@pytest.fixture(scope="session", autouse=True)
def two_cores():
    """As many threads as two cores have for this process, whatever the machine.

    One, where the caller says so: with a second that has to wait for a core, each small operation
    takes a hundred times as long.
    """
    alone = {"PYTEST_XDIST_WORKER", "OMP_NUM_THREADS"}.isdisjoint(os.environ)
    torch.set_num_threads(2 if alone else int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture(scope="session", autouse=True)
def no_power_cuts():
    """Nothing waits for the disk, which each file of a run does some milliseconds long.

    What is asked of `os.fsync` is asked of one that a test puts there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long runs where ``-m`` asks for it; other expressions leave it out."""
    for marker in ("zoo", "faults", "long"):
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out and marker not in config.option.markexpr:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
    if "PYTEST_XDIST_WORKER" in os.environ:  # the longest files first: at the end one core idles
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[item.path])


@pytest.fixture
def third_block_fills_the_disk(monkeypatch):
    """From now on the third row file finds no room; the monkeypatch's `undo` makes room again."""
    real, written = os.replace, []

    def full(source, target):
        if "block-" in str(target):
            written.append(target)
            if len(written) == 3:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    return monkeypatch.undo


@pytest.fixture(scope="session")
def ray_home(tmp_path_factory) -> str:
    """The home in which Ray keeps its token; a process cannot start it with another one later."""
    return str(tmp_path_factory.mktemp("ray"))
