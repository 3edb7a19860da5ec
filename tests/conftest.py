"""What all tests share."""

import os

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
    """As many threads as two cores have for this process, whatever the machine."""
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long runs where ``-m`` asks for it; other expressions leave it out."""
    for marker in ("zoo", "faults", "long"):
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out and marker not in config.option.markexpr:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not item.get_closest_marker(marker)]


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
