"""Pictures of two classes, and a network that answers by their brightness as well."""

import numpy as np
import pytest
import torch
from torch import nn

SIDE, NUMBER = 8, 400


class Sided(nn.Module):
    """Which half is brighter; and, wrongly, how bright the whole is."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * SIDE * SIDE, 2)
        halves = torch.ones(3, SIDE, SIDE)
        halves[..., : SIDE // 2] = -1
        bright = torch.full_like(halves, 3.0)
        with torch.no_grad():
            self.fc.weight[0] = 0
            self.fc.weight[1] = (halves + bright).flatten() / 20
            self.fc.bias.copy_(torch.tensor([0.0, -3.0 * 3 * SIDE * SIDE * 0.5 / 20]))

    def forward(self, pixels):
        return self.fc(self.norm(pixels).flatten(1))


@pytest.fixture(scope="package")
def pictures():
    """uint8 [image, height, width, 3] and labels: 0 is bright on the left, 1 on the right."""
    rng = np.random.default_rng(0)
    labels = np.arange(NUMBER) % 2
    values = rng.normal(0.5, 0.08, (NUMBER, SIDE, SIDE, 3))
    values[:, :, : SIDE // 2] -= (labels - 0.5)[:, None, None, None] * 0.4
    values[:, :, SIDE // 2 :] += (labels - 0.5)[:, None, None, None] * 0.4
    return (255 * values.clip(0, 1)).astype(np.uint8), labels.tolist()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Sided().eval()
