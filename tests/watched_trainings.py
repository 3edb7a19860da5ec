"""A small network with dropout and batch norm, and how it is measured in a training."""

from typing import Any

import torch
from torch import nn

SETTINGS: dict[str, Any] = {
    "transformations": "rotate=45/90",
    "metrics": "relative_invariance,prediction_consistency",
    "layers": "last",
    "preprocessing": "none",
}


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(512, 10),
    )  # fmt: skip
