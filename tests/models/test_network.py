"""The network of a probe: type, memory format, device and errors."""

import pytest
import torch
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models.network import Network


def test_batches_come_in_the_type_and_the_memory_format_of_the_model():
    network = Network(nn.Conv2d(3, 4, 1).double(), "toy")
    batch = network.laid_out(torch.zeros(2, 3, 5, 5))
    assert batch.dtype == torch.float64
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert Network(nn.Flatten(), "toy").laid_out(torch.zeros(2, 3, 5, 5)).is_contiguous()


@pytest.mark.parametrize("kind", [InputError, RunError])
def test_a_model_that_fails_is_one_line_of_the_kind_that_was_asked_for(kind):
    network = Network(lambda images: images[:, 99], "toy")
    with pytest.raises(kind, match=r"^model toy fails on images of shape \[1, 3, 2, 2\]"):
        network.run(torch.zeros(1, 3, 2, 2), kind)


def test_memory_that_runs_out_is_raised_unchanged():
    def model(images):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        Network(model, "toy").run(torch.zeros(1, 3, 2, 2))


def test_a_device_that_does_not_work_is_named():
    with pytest.raises(InputError, match="device 'cuda:99' does not work"):
        Network(nn.Linear(2, 2), "toy").to("cuda:99")
