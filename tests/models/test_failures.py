"""What a model that fails on images needs: by real failures of torch, torchvision, timm."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models import Preprocessing, load_model

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Head(nn.Module):
    """A small network whose answer goes through a function."""

    def __init__(self, answer):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.answer = answer

    def forward(self, x):
        return self.answer(self.body(x).mean((2, 3)))


class Taking(nn.Module):
    """A small network that takes something else than a batch of images."""

    def __init__(self, reads):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.reads = reads

    def forward(self, x):
        return self.body(self.reads(x)).mean((2, 3))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)

    def forward(self, first, second):
        return (self.body(first) - self.body(second)).mean((2, 3))


class TwoTowers(nn.Module):
    """Asks for text first, as CLIP does."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)

    def forward(self, input_ids=None, pixel_values=None):
        return self.words(input_ids)


class Adapting(nn.Module):
    """Test-time adaptation: a step of the optimiser in every pass."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.optimiser = torch.optim.SGD(self.norm.parameters(), lr=1.0)

    def forward(self, x):
        with torch.enable_grad():
            scores = self.norm(x).mean((2, 3))
            scores.square().sum().backward()
            self.optimiser.step()
        return scores


class Wandering(nn.Module):
    """Holds a plain tensor that does not move with it."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.mean = torch.zeros(3, 1, 1, device="meta")

    def forward(self, x):
        return self.body(x - self.mean).mean((2, 3))


def unpacked(x):
    channels, height, width = x.shape
    return x.reshape(1, channels, height, width)


INPUTS = {
    "fixed size": (
        lambda: timm.create_model("vit_tiny_patch16_224"),
        r"it needs images of 224 pixels; `preprocessing=\{'size': 224\}` works",
    ),
    "fixed size of torchvision": (
        lambda: torchvision.models.VisionTransformer(32, 16, 1, 1, 8, 8),
        r"it needs images of 32 pixels",
    ),
    "flattened": (
        lambda: nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.Flatten(), nn.Linear(50, 3)),
        r"images of another size than 64×64; the size it was made for works",
    ),
    "stated size": (
        lambda: Taking(lambda x: x + torch.zeros(3, 96, 96)),
        r"images of another size than 64×64",
    ),
    "window": (
        lambda: timm.create_model("maxvit_rmlp_pico_rw_256"),
        "it needs images of|of another",
    ),
    "too small": (
        lambda: nn.Sequential(*[nn.Conv2d(3, 3, 3, 2) for _ in range(7)]),
        r"images of 64×64 are too small for it; a larger size works",
    ),
    "pooled away": (
        lambda: nn.Sequential(*[nn.MaxPool2d(2) for _ in range(7)]),
        r"images of 64×64 are too small for it",
    ),
    "one channel": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()),
        r"it takes 1 channel; `preprocessing=\{'channels': 1\}`",
    ),
    "four channels": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten()),
        r"it takes 4 channels, the images have 3; images of 4 bands with",
    ),
    "video": (
        lambda: torchvision.models.video.r3d_18(),
        r"it takes clips or volumes, \[image, channel, time, height, width\]",
    ),
    "video that unpacks": (
        lambda: torchvision.models.video.swin3d_t(),
        r"it takes clips or volumes, \[image, channel, time, height, width\]",
    ),
    "two inputs": (Siamese, r"more than the images \(second\).*model\(images, second=second\)"),
    "text and images": (TwoTowers, r"first input is text \(input_ids\), .* as pixel_values"),
    "integers": (lambda: nn.Embedding(10, 3), r"it takes integers, such as token ids"),
    "precisions": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3).half()),
        r"in different precisions; model.float\(\), or model.half\(\)",
    ),
    "devices": (Wandering, r"parts of it lie on another device"),
    "a mapping": (lambda: Taking(lambda x: x["image"]), r"it seems to take a mapping"),
    "pictures": (lambda: Taking(lambda x: x.convert("RGB")), r"takes pictures or something else"),
    "one image": (lambda: Taking(unpacked), r"torch.stack\(\[model\(image\) for image in images\]"),
    "sequences": (lambda: nn.LSTM(10, 10), r"it takes sequences of vectors, not pictures"),
    "no forward": (lambda: nn.ModuleList([nn.Linear(2, 2)]), r"it has no forward"),
    "anything else": (
        lambda: Taking(lambda x: 1 // 0),
        r"ZeroDivisionError: .*\): a model that takes a float batch \[image, 3, height, width\]",
    ),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_a_model_that_fails_says_what_it_needs(kind):
    make, message = INPUTS[kind]
    torch.manual_seed(0)
    probe = load_model(make()).with_preprocessing(Preprocessing())
    with pytest.raises(InputError, match=message) as caught:
        probe.watch("auto", IMAGES)
    text = str(caught.value)
    assert "\n" not in text
    quoted = str(caught.value.__cause__).strip().splitlines()[-1:]
    assert not any(text.endswith(line) for line in quoted)


def test_a_network_that_adapts_itself_is_named():
    probe = load_model(Adapting())
    probe.watch("auto", IMAGES)
    with pytest.raises(RunError, match=r"differentiates inside its forward"):
        probe.forward(IMAGES, ["embedding"])


def detector():
    return torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None
    )


OUTPUTS = {
    "none": (lambda: Head(lambda z: None), "it returns None; a forward that returns"),
    "text": (lambda: Head(lambda z: ["cat"] * len(z)), "it returns text; its vision encoder"),
    "classes": (lambda: Head(lambda z: z.argmax(1)), r"\[2\] \(int64\); scores or features"),
    "a mean": (lambda: Head(lambda z: z.mean()), r"\[\] \(float32\); a floating-point tensor"),
    "numpy": (lambda: Head(lambda z: z.numpy()), "a NumPy array; torch.from_numpy around it"),
    "a list": (
        lambda: Head(lambda z: [{"vector": row} for row in z]),
        r"a list of dicts \(vector\); lambda images: torch.stack\(\[one\['vector'\] for one in",
    ),
    "two boxes": (
        lambda: Head(lambda z: [{"boxes": torch.rand(2, 4), "labels": torch.ones(2)} for _ in z]),
        r"a list of dicts \(boxes, labels\), as detectors do.*; its backbone, model.backbone, or",
    ),
    "a detector": (detector, r"as detectors do, .*; its backbone, model.backbone"),
    "an object": (lambda: Head(lambda z: object()), "it returns object, without a floating"),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_an_output_that_is_no_tensor_per_image_is_named(kind):
    make, message = OUTPUTS[kind]
    with pytest.raises(InputError, match=message) as caught:
        load_model(make()).watch("auto", IMAGES)
    assert "\n" not in str(caught.value)
