"""A small run with a name that trackers refuse, and a training: folders as the commands write."""

import numpy as np
import pytest
import torch
from torch import nn

from invariscope.results import Result
from invariscope.sweep import measure
from invariscope.training import Recipe, train


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(4 * x - 2)).mean((2, 3)))


def measured(seed, folder) -> Result:
    torch.manual_seed(seed)
    pictures = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    result = measure(
        Net(), (pictures, np.arange(8) % 3), transformations="rotate=45/90",
        groups="shift(1..2)",
        metrics="relative_invariance,relative_invariance:l2,prediction_consistency",
        preprocessing="none", layers="conv",
    )  # fmt: skip
    result.save(folder)
    result.to_html(folder / "report.html")
    return Result.load(folder)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a measurement."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    measured(0, folder)
    return folder


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """The same of another network."""
    folder = tmp_path_factory.mktemp("runs") / "other"
    measured(1, folder)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of trainings under two seeds."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    data = "torchvision:FakeData?size=40&image_size=3,12,12&num_classes=3"
    recipe = Recipe(data, "small:cnn7?width=0.2&channels=3", size=12, epochs=2, batch_size=12)
    for seed in range(2):
        train(recipe.with_(seed=seed), output=folder / f"seed-{seed}")
    return folder
