"""Batches ask the cache before a pass, and keep what was made as it was asked for."""

import pytest
import torch
from torch import nn

from invariscope.cache import CacheFolder, Shown, VectorCache
from invariscope.models import load_model
from invariscope.runs.batches import Batches
from invariscope.transformations import Operation

PROBE = load_model(nn.Flatten())
SHOWN = Shown(torch.zeros(6, 3, 2, 2), list("abcdef"), 0)


class Memory(VectorCache):
    """A cache of one pass."""

    def __init__(self, folder, held=None):
        super().__init__(CacheFolder(folder, "1MB", print), print)
        self.held, self.asked = held, []

    def find(self, probe, layers, shown, operations, at_a_time):
        self.asked.append(at_a_time)
        return super().find(probe, layers, shown, operations, at_a_time)

    def take(self, known, device):
        return self.held

    def keep(self, known, vectors):
        self.held = vectors


def ask(memory, monkeypatch, size_after):
    """The vectors of two operations, by a pass after which so many fit; what was moved."""
    batches, moved = Batches(8, print, memory), []

    def forward(probe, images, layers):
        batches.size = size_after
        return {"embedding": torch.ones(12, 2)}

    monkeypatch.setattr(batches, "forward", forward)

    def move():
        moved.append(1)
        return torch.zeros(12, 3, 2, 2)

    operations = [Operation("a"), Operation("b")]
    vectors = batches.vectors(PROBE, ["embedding"], SHOWN, operations, move)
    return vectors["embedding"], moved, batches


@pytest.mark.parametrize(("size_after", "kept"), [(8, True), (4, False)])
def test_a_pass_that_did_not_fit_is_not_kept(tmp_path, monkeypatch, size_after, kept):
    memory = Memory(tmp_path)
    vectors, moved, batches = ask(memory, monkeypatch, size_after)
    assert vectors.shape == (12, 2)
    assert (memory.held is not None) is kept
    assert (len(moved), batches.recalled, memory.asked) == (1, 0, [8])


def test_what_is_known_is_neither_moved_nor_passed(tmp_path, monkeypatch):
    memory = Memory(tmp_path, {"embedding": torch.zeros(12, 2)})
    vectors, moved, batches = ask(memory, monkeypatch, 8)
    assert not vectors.any()
    assert (len(moved), batches.recalled) == (0, 12)
