"""What the tests of studies share."""

import pytest
import torch


@pytest.fixture
def one_core():
    """Smoke presets run on one core: their networks are too small for two threads to help."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
