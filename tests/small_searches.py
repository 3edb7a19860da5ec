"""A small network and small labelled pictures, for searches."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn


class Small(nn.Module):
    """A small convolutional network with a head, whose embedding has both signs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(32, 4)

    def features(self, x):
        return self.pool(self.body(8 * (x - 0.5))).flatten(1)

    def forward(self, x):
        return self.fc(self.features(x))


def pictures(count=40, size=20):
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return (255 * smooth).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="session")
def labelled() -> tuple[np.ndarray, Any]:
    """40 pictures: 20 of a, 13 of b, 6 of c, and one of d."""
    return pictures(), np.array(["a"] * 20 + ["b"] * 13 + ["c"] * 6 + ["d"])
