"""The network of a probe: type, memory format, device and errors."""

import pytest
import torch
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models.network import Network
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.probe import Probe
from invariscope.models.steadiness import unsteady


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


def test_a_model_that_works_in_place_leaves_the_images_as_they_are():
    images = torch.full((2, 3, 4, 4), 0.5)
    output = Network(lambda pixels: pixels.sub_(0.5).flatten(1), "toy").run(images)
    assert (output == 0).all()
    assert (images == 0.5).all()


class NormalisingInPlace(nn.Module):
    """Has timm's pre-logits function; everything that it does begins by a change in place."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(48, 5)

    def forward_features(self, images):
        return images.sub_(0.4).div_(0.2).flatten(1)

    def forward_head(self, features, pre_logits=False):
        return features if pre_logits else self.head(features)

    def forward(self, images):
        return self.forward_head(self.forward_features(images))


def test_every_look_at_a_model_that_works_in_place_sees_the_same_images():
    model, images = NormalisingInPlace().eval(), torch.rand(3, 3, 4, 4)
    probe = Probe(model, Preprocessing(), "toy")
    probe.watch("auto", images)
    first = probe.forward(images, ["embedding", "logits"]).vectors
    assert unsteady(probe, images) == ()
    wanted = ((images - 0.4) / 0.2).flatten(1)
    assert torch.allclose(first["embedding"], wanted, atol=1e-6)
    assert torch.allclose(first["logits"], model.head(wanted), atol=1e-6)
