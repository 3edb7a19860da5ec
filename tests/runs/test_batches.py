"""Forward passes in batches that fit."""

from typing import Any

import pytest
import torch
from torch import nn

from invariscope.errors import RunError
from invariscope.models import load_model
from invariscope.runs.batches import Batches


class Squeezing(nn.Module):
    """Drops the axis of a single image, as many a model of one line does."""

    def __init__(self):
        super().__init__()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 4)
        self.seen = []

    def forward(self, images):
        self.seen.append(len(images))
        return self.fc(self.pool(images).squeeze())


@pytest.mark.parametrize(("count", "size", "batches"), [
    (9, 8, [7, 2]), (8, 8, [8]), (17, 8, [8, 7, 2]), (10, 8, [8, 2]), (4, 3, [2, 2]),
])  # fmt: skip
def test_no_image_is_left_alone_for_the_last_pass(count, size, batches):
    probe, images = load_model(Squeezing()), torch.rand(count, 3, 4, 4)
    layers = [layer.name for layer in probe.watch("auto", images)]
    module: Any = probe.module
    module.seen.clear()
    vectors = Batches(size, print).forward(probe, images, layers)
    assert module.seen == batches
    wanted = module.fc(images.mean((2, 3)))
    assert torch.allclose(vectors["logits"], wanted, atol=1e-6)


@pytest.mark.parametrize("layer", ["logits", "embedding"])
def test_a_model_that_cannot_take_one_image_is_told_what_can(layer):
    probe, images = load_model(Squeezing()), torch.rand(3, 3, 4, 4)
    probe.watch("auto", images)
    with pytest.raises(RunError, match=r"a batch of 1; .* flatten\(1\) instead of squeeze\(\)$"):
        Batches(1, print).forward(probe, images, [layer])
