"""One thread: these batches are so small that two of them wait for each other."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Only here; `test_generator` compares with two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
