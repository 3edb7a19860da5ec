"""The models of papers 002 and 003: specs with weights somewhere, and untrained everywhere."""

from itertools import pairwise
from pathlib import Path

import pytest
import timm
import torch
from torchvision import models as tv

from invariscope.models import PARTS, load_model
from invariscope.models.blocks import MAX_LAYERS
from invariscope.models.papers import PAPER_MODELS

SPECS = [model for model in PAPER_MODELS if not model.spec.startswith("checkpoint:")]
# Small sides where the architecture allows them, and how many blocks each has.
SIDES = {"inception": 192, "vit": 224, "mixer": 224, "levit": 224}
BLOCKS = {
    "timm:tf_efficientnet_b6": 45,
    "timm:tf_efficientnet_b7": 55,
    "timm:resnext101_32x8d": 33,
    "torchvision:resnext101_32x8d": 33,
    "timm:inception_v3": 11,
    "torchvision:inception_v3": 11,
    "timm:vit_base_patch16_224": 12,
    "timm:mixer_b16_224": 12,
    "torchvision:resnet50": 16,
    "torchvision:alexnet": 5,
    "torchvision:densenet121": 58,
    "timm:levit_192": 13,
    "timm:resnetv2_101x1_bit": 33,
}


# Their like is built here as well, smaller or as one of torchvision's; ViT and mixer in the zoo.
LARGE = (
    "timm:tf_efficientnet_b7", "timm:tf_efficientnet_b6", "timm:resnext101_32x8d",
    "torchvision:resnext101_32x8d", "timm:inception_v3", "timm:vit_base_patch16_224",
    "timm:mixer_b16_224", "timm:resnetv2_101x1_bit",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(m, id=m.spec, marks=[pytest.mark.long] if m.spec in LARGE else [])
        for m in SPECS
    ],
)
def test_untrained_they_have_their_parts_depths_and_embedding(model):
    side = next((side for key, side in SIDES.items() if f":{key}" in model.spec), 64)
    probe = load_model(f"{model.spec}+untrained")
    example = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    layers = probe.watch("auto", example)
    blocks = [layer for layer in layers if layer.part in PARTS[:3]]
    assert len(blocks) == min(BLOCKS[model.spec], MAX_LAYERS)
    sizes = [sum(layer.part == part for layer in layers) for part in PARTS]
    assert min(sizes) >= 1
    assert max(sizes[:3]) - min(sizes[:3]) <= 1
    order = [PARTS.index(layer.part) for layer in layers]
    assert order == sorted(order)
    depths = [layer.depth for layer in layers]
    assert (depths[0], depths[-1]) == (0.0, 1.0)
    assert all(a < b for a, b in pairwise(depths))
    vectors = probe.forward(example, [layer.name for layer in layers]).vectors
    assert vectors["embedding"].shape == (1, model.embedding)
    assert vectors["logits"].shape == (1, 1000)
    assert all(bool(value.isfinite().all()) for value in vectors.values())
    assert probe.class_ids is not None


@pytest.mark.parametrize("model", SPECS, ids=lambda model: model.spec)
def test_their_weights_are_published(model):
    library, _, name = model.spec.partition(":")
    if library == "timm":
        assert timm.is_model_pretrained(name)
    else:
        assert len(tv.get_model_weights(name)) > 0


def test_their_page_names_them_all():
    section = (Path(__file__).parents[2] / "docs" / "papers.md").read_text()
    either = "`timm:resnext101_32x8d`, `timm:inception_v3`, or both from `torchvision:`"
    assert either in section
    for model in PAPER_MODELS:
        both = model.spec.replace("torchvision:", "timm:") in either
        assert both or f"`{model.spec}`" in section, model.spec
