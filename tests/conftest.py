"""What all tests share."""

import pytest
import torch
from hypothesis import settings

# A slow minute of the machine is no failure.
settings.register_profile("invariscope", deadline=None)
settings.load_profile("invariscope")


@pytest.fixture(scope="session", autouse=True)
def two_threads():
    """Two cores are enough for these sizes, and results do not depend on the machine."""
    torch.set_num_threads(2)
