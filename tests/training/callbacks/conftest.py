"""Handwritten digits to train on, and some of them to measure on."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits():
    """(pixels [image, 1, 8, 8] in [0, 1], labels) of 320 digits."""
    found: Any = load_digits()
    pixels = torch.tensor(found["images"][:320, None] / 16, dtype=torch.float32)
    return pixels, torch.tensor(found["target"][:320])


@pytest.fixture(scope="session")
def shown(digits):
    """Ten of them as `measure` takes them: uint8 [image, height, width, channel]."""
    pixels = (digits[0][:10] * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return np.ascontiguousarray(pixels.expand(-1, -1, -1, 3).numpy())
