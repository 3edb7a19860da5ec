from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models import Probe, load_model
from invariscope.models.state_hash import hash_state

ARCHITECTURES = {
    "timm:resnet18": "fc",
    "timm:vit_tiny_patch16_224": "head",
    "timm:efficientnet_b0": "classifier",
    "timm:convnext_atto": "head.fc",
    "timm:mixer_s16_224": "head",
    "timm:swin_tiny_patch4_window7_224": "head.fc",
}


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_embedding_is_what_timm_calls_pre_logits(spec):
    probe = load_model(spec + "+untrained")
    module: Any = probe.module
    images = torch.rand(2, 3, *(probe.preprocessing.size or ()))
    kept = probe.forward(images, ["embedding", "logits"]).vectors
    with torch.no_grad():
        normalised = probe.preprocessing.normalise(images)
        expected = module.forward_head(module.forward_features(normalised), pre_logits=True)
        torch.testing.assert_close(kept["embedding"], expected.flatten(1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(kept["logits"], module(normalised), rtol=1e-4, atol=1e-5)
    assert probe._any_trace().classifier == ARCHITECTURES[spec]
    assert probe.num_outputs == 1000
    assert probe.class_ids is not None
    assert probe.class_ids[281] == "n02123045"


class Net(nn.Module):
    """A small network with a head of the test's choice."""

    def __init__(self, head: nn.Module, finish=lambda x: x):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 6, 3))
        self.head = head
        self.finish = finish

    def forward(self, images):
        return self.finish(self.head(self.body(images)))


def pooled(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers)


IMAGES = torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(1))

HEADS = {
    "linear": (Net(pooled(nn.Linear(6, 7))), "head.2", 6, 7),
    "linear, then softmax": (Net(pooled(nn.Linear(6, 7), nn.Softmax(1))), "head.2", 6, 7),
    "linear, then times": (Net(pooled(nn.Linear(6, 7)), lambda x: 10 * x), "head.2", 6, 7),
    "mlp": (Net(pooled(nn.Linear(6, 9), nn.ReLU(inplace=True), nn.Linear(9, 7))), "head.4", 9, 7),
    "1x1 convolution, flattened": (
        Net(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 7, 1), nn.Flatten())),
        "head.1",
        6,
        7,
    ),
    "1x1 convolution, then pooled": (
        Net(nn.Sequential(nn.Conv2d(6, 7, 1), pooled())),
        "head.0",
        6,
        7,
    ),
    "dense prediction": (Net(nn.Conv2d(6, 7, 1)), "head", 6, None),
    "one output": (Net(pooled(nn.Linear(6, 1))), "head.2", 6, None),
    "headless, identity": (Net(pooled(nn.Identity())), None, 6, None),
    "headless, pooled": (Net(pooled()), None, 6, None),
    "headless, map": (Net(nn.Identity()), None, 6, None),
    "headless after a mlp": (
        Net(pooled(nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Dropout(), nn.Identity())),
        None,
        6,
        None,
    ),
    "dictionary": (
        Net(pooled(nn.Linear(6, 7)), lambda x: {"loss": None, "logits": x}),
        "head.2",
        6,
        7,
    ),
    "tuple": (Net(pooled(nn.Linear(6, 7)), lambda x: (x, IMAGES)), "head.2", 6, 7),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_classifier_is_found_without_assuming_one(kind):
    model, classifier, width, outputs = HEADS[kind]
    probe = load_model(model)
    layers = probe.watch("auto", IMAGES)
    assert probe._trace(IMAGES).classifier == classifier
    assert probe.num_outputs == outputs
    assert probe.class_ids is None
    names = [layer.name for layer in layers]
    assert ("logits" in names) == (outputs is not None)
    kept = probe.forward(IMAGES, names).vectors
    assert kept["embedding"].shape == (3, width)
    with torch.no_grad():
        body = model.body(IMAGES)
    if kind not in ("mlp", "headless after a mlp"):
        torch.testing.assert_close(kept["embedding"], body.mean((2, 3)))
    if outputs:
        assert kept["logits"].shape == (3, outputs)


def test_headless_timm_models_have_no_logits():
    import timm

    probe = load_model(timm.create_model("resnet18", num_classes=0))
    assert probe.num_outputs is None
    assert [layer.name for layer in probe.watch("last", torch.rand(1, 3, 64, 64))] == [
        "layer4.1",
        "embedding",
    ]


def test_a_callable_has_embedding_and_logits():
    probe = load_model(lambda images: images.mean((2, 3)))
    assert [layer.name for layer in probe.watch("auto", IMAGES)] == ["embedding", "logits"]
    kept = probe.forward(IMAGES, ["embedding", "logits"]).vectors
    torch.testing.assert_close(kept["embedding"], IMAGES.mean((2, 3)))
    assert probe.weights_hash == ""
    feature_maps = load_model(lambda images: images.permute(0, 2, 3, 1))
    assert feature_maps.num_outputs is None
    kept = feature_maps.forward(IMAGES, ["embedding"]).vectors
    torch.testing.assert_close(kept["embedding"], IMAGES.mean((2, 3)))


def test_nan_passes_through():
    probe = load_model(lambda images: images.mean((2, 3)) * float("nan"))
    assert probe.forward(IMAGES, ["logits"]).vectors["logits"].isnan().all()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda images: "text", "for 2 images it returns text; its vision encoder"),
        (lambda images: images.mean(), r"returns a tensor of shape \[\] \(float32\); a floating"),
        (
            lambda images: images.mean((2, 3)).argmax(1),
            r"\[2\] \(int64\); scores or features",
        ),
        (lambda images: [][0], r"fails on images of shape \[2, 3, 20, 20\] \(IndexError"),
    ],
)
def test_a_model_without_a_usable_output_is_one_line(output, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(output).watch("auto", IMAGES)
    assert "\n" not in str(caught.value)


def test_images_of_another_shape_are_named():
    probe = load_model(HEADS["linear"][0])
    with pytest.raises(InputError, match=r"such as \[image, 3, height, width\]"):
        probe._trace(torch.rand(2, 8, 8))
    with pytest.raises(InputError, match="the picture has 4 bands and the model takes 3 channels"):
        probe._trace(torch.rand(2, 4, 8, 8))


def test_predict_takes_every_form_of_the_same_images():
    probe = load_model(HEADS["linear"][0], preprocessing={"size": 20, "resize": 24, "std": 0.5})
    array = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    expected = probe.predict([Image.fromarray(picture) for picture in array])
    assert expected.shape == (2, 7)
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    for form in (array, tensor, list(tensor), torch.from_numpy(array)):
        assert torch.equal(probe.predict(form), expected)
    torch.testing.assert_close(probe.predict(Image.fromarray(array[0])), expected[:1])
    close = probe.predict(tensor / 255)
    assert (close - expected).abs().max() < 0.01


@pytest.mark.parametrize("images", [[], "photo.png", np.zeros((2, 5, 5, 4), np.uint8), 3])
def test_predict_names_what_came(images):
    with pytest.raises(InputError, match=r"images: .* came; PIL images"):
        load_model(HEADS["linear"][0]).predict(images)


def test_predict_without_logits_or_a_common_size():
    with pytest.raises(InputError, match="has no logits"):
        load_model(HEADS["headless, pooled"][0]).predict(IMAGES)
    pictures = [Image.new("RGB", (20, 20)), Image.new("RGB", (21, 20))]
    with pytest.raises(InputError, match="sizes differ"):
        load_model(HEADS["linear"][0]).predict(pictures)


def test_the_batch_size_does_not_matter():
    probe = load_model("timm:resnet18+untrained")
    images = torch.rand(5, 3, 64, 64)
    whole = probe.forward(images, ["layer2.0", "embedding"]).vectors
    single = [probe.forward(images[i : i + 1], ["layer2.0", "embedding"]).vectors for i in range(5)]
    for name, value in whole.items():
        torch.testing.assert_close(torch.cat([one[name] for one in single]), value)


def test_training_mode_of_the_users_model_is_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = hash_state(model.state_dict())
    probe = load_model(model)
    first = probe.forward(IMAGES, ["embedding"]).vectors["embedding"]
    assert torch.equal(first, probe.forward(IMAGES, ["embedding"]).vectors["embedding"])
    assert model.training
    assert hash_state(model.state_dict()) == before
    assert next(model.parameters()).is_contiguous()


def test_no_gradient_leaves_the_probe():
    probe = load_model(HEADS["linear"][0])
    images = IMAGES.clone().requires_grad_()
    value = probe.forward(images, ["embedding"]).vectors["embedding"]
    assert not value.requires_grad


def test_weights_hash_depends_on_the_weights_only():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    same: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    same.load_state_dict(model.state_dict())
    assert load_model(model).weights_hash == load_model(same).weights_hash
    assert len(load_model(model).weights_hash) == 64
    with torch.no_grad():
        same[1].bias[0] += 1
    assert load_model(model).weights_hash != load_model(same).weights_hash
    assert hash_state({"a": torch.zeros(2), "b": torch.ones(2)}) == hash_state(
        {"b": torch.ones(2), "a": torch.zeros(2)}
    )


def test_channels_last_for_convolutions():
    probe = load_model("timm:resnet18+untrained")
    module: Any = probe.module
    assert module.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert probe._prepare(torch.rand(2, 3, 8, 8)).is_contiguous(memory_format=torch.channels_last)


def test_an_unknown_device_is_named():
    with pytest.raises(InputError, match="device 'cuda:77' does not work"):
        load_model(HEADS["linear"][0]).to("cuda:77")


def test_a_module_in_half_precision_gets_half_precision():
    probe = load_model(Net(pooled(nn.Linear(6, 7))).to(torch.bfloat16))
    kept = probe.forward(IMAGES, ["body.0", "embedding", "logits"]).vectors
    assert {value.dtype for value in kept.values()} == {torch.float32}


def test_a_probe_is_a_model_too():
    probe = load_model(HEADS["linear"][0])
    assert load_model(probe) is probe
    assert isinstance(probe, Probe)


def test_a_layer_that_stops_running_is_named():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, images):
            images = self.first(images)
            return (self.second(images) if len(images) == 2 else images).mean((2, 3))

    with pytest.raises(RunError, match="layer 'second' did not run on these images"):
        load_model(Lazy()).forward(IMAGES, ["second"])
