"""What all tests share."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def two_threads():
    """Two cores are enough for these sizes, and results do not depend on the machine."""
    torch.set_num_threads(2)
