"""Small architectures: published parameter counts, shapes, parts, fields, messages."""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models import SMALL, load_model
from invariscope.models.parts import PARTS
from invariscope.models.small import SmallModel
from invariscope.models.small.plain import BlurPool
from invariscope.transformations import action_on, get_group

QUICK = {name: "growth=4" if name == "densenet121" else "width=0.1" for name in SMALL}


def parameters(module: Any) -> int:
    return sum(part.numel() for part in module.parameters() if part.requires_grad)


# Millions, as published: He et al. 2016 table 6; Zagoruyko and Komodakis 2016 table 6 (the first
# rounded there to 0.6); the others are the counts of the CIFAR literature at ten classes.
@pytest.mark.parametrize(
    ("spec", "millions", "digits"),
    [
        ("resnet18", 11.17, 2),
        ("resnet44", 0.66, 2),
        ("vgg11", 9.23, 2),
        ("densenet121", 6.96, 2),
        ("densenet121?growth=12", 1.0, 2),
        ("wide_resnet40", 0.56, 2),
        ("wide_resnet40?width=2", 2.2, 1),
        ("wide_resnet40?width=4", 8.9, 1),
        ("vit", 6.3, 1),
    ],
)
def test_parameters_are_the_published_ones(spec, millions, digits):
    assert round(parameters(SmallModel(spec).build()) / 1e6, digits) == millions


def test_the_widest_network_has_its_published_size():
    with torch.device("meta"):
        network = SmallModel("wide_resnet40?width=8").build()
    assert round(parameters(network) / 1e6, 1) == 35.7


def test_paper_002s_seven_layers():
    # 7 convolutions 3×3 of 20 channels, 7 batch norms, one linear map to 6 classes
    by_hand = (9 * 1 * 20 + 20) + 6 * (9 * 20 * 20 + 20) + 7 * 2 * 20 + (20 * 6 + 6)
    network = SmallModel("cnn7?classes=6").build()
    assert parameters(network) == by_hand
    kinds = [type(part).__name__ for part in network.modules() if not list(part.children())]
    assert kinds[:7] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["MaxPool2d"]


# 58 layers take seconds under the type checker: DenseNet at one size
@pytest.mark.parametrize(
    ("name", "size"),
    [(n, s) for n in sorted(SMALL) for s in (28, 29, 32) if n != "densenet121" or s == 29],
)
def test_shapes_and_parts(name, size):
    if name == "c8_steerable":
        pytest.importorskip("e2cnn")
    if name == "vit" and size == 29:
        with pytest.raises(InputError, match=r"29 pixels are no whole number .* size=28 works"):
            load_model("small:vit?size=29")
        return
    for channels in (1,) if name == "densenet121" else (1, 3):
        spec = f"small:{name}?{QUICK[name]}&classes=7&channels={channels}&size={size}"
        probe = load_model(spec)
        images = torch.rand(2, 3, size, size)
        layers = probe.watch("auto", images)
        assert probe.predict(images).shape == (2, 7)
        assert probe.preprocessing.size == (size, size)
        assert set(PARTS) == {layer.part for layer in layers}
        assert [layer.name for layer in layers[-2:]] == ["embedding", "logits"]
        assert layers[0].grid[0] >= 7


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"c8_steerable"}))
def test_the_width_is_monotone_and_the_weights_follow_the_seed(name):
    counts = [parameters(SmallModel(f"{name}?width={w}").build()) for w in (0.1, 0.25, 0.5)]
    assert counts == sorted(set(counts))
    spec = f"small:{name}?width=0.1"
    hashes = [load_model(spec, seed=seed).weights_hash for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]
    twin = load_model(f"{spec}+untrained", seed=1)
    assert twin.weights_hash == hashes[0] == load_model(spec).untrained(1).weights_hash
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_model(spec)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", ["resnet44", "wide_resnet40", "cnn7", "cnn6", "vgg11"])
def test_gradients_reach_every_weight(name):
    network = SmallModel(f"{name}?width=0.2&channels=3&size=32").build()
    network(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(part.grad is not None for part in network.parameters())


def test_option_a_pads_with_zeros():
    from invariscope.models.small.residual import ResidualBlock

    block = ResidualBlock(2, 5, stride=2, projected=False).eval()
    for part in (block.norm1, block.norm2):
        nn.init.zeros_(part.weight)  # only the shortcut is left
    maps = torch.rand(1, 2, 5, 5)
    result = block(maps)
    assert torch.equal(result[:, :2], maps[:, :, ::2, ::2])
    assert not result[:, 2:].any()


def test_the_blur_is_that_of_e2cnn():
    e2cnn: Any = pytest.importorskip("e2cnn.nn")
    space = pytest.importorskip("e2cnn.gspaces").Rot2dOnR2(N=8)
    kind = e2cnn.FieldType(space, [space.regular_repr])
    maps = torch.rand(2, 8, 9, 9)
    for stride, padding in ((2, None), (1, 0)):
        options = {} if padding is None else {"padding": padding}
        theirs = e2cnn.PointwiseAvgPoolAntialiased(kind, sigma=0.66, stride=stride, **options)
        expected = theirs(e2cnn.GeometricTensor(maps, kind)).tensor
        assert torch.allclose(BlurPool(0.66, stride, padding)(maps), expected, atol=1e-6)


def values(probe, images, layers):
    return probe.forward(images, layers, lambda name, activation: activation.values.clone()).vectors


@pytest.mark.parametrize("size", [29, 33])
def test_the_c8_network_is_exact_at_quarter_turns_and_says_its_fields(size):
    pytest.importorskip("e2cnn")
    probe = load_model(f"small:c8_steerable?width=0.1&size={size}", seed=4)
    images = torch.rand(2, 3, size, size)
    names = [f"blocks.{number}" for number in range(6)]
    layers = {layer.name: layer for layer in probe.watch(["blocks.?"], images)}
    assert [layers[name].channels for name in names] == [16, 40, 40, 80, 80, 48]
    group = get_group("C8")
    own = values(probe, images, [*names, "embedding", "logits"])
    turned = values(probe, group(images, 2), [*names, "embedding", "logits"])
    for name in names:
        fields: Any = layers[name].fields
        assert fields.order == 8
        moved = action_on(group, 2, (size, size), tuple(own[name].shape[2:]))(own[name])
        moved = moved[:, fields.permutation(90)]
        assert (moved - turned[name]).norm() < 1e-5 * turned[name].norm(), name
    for name in ("embedding", "logits"):
        assert (own[name] - turned[name]).norm() < 1e-5 * own[name].norm()
    # an even side breaks it: the strides fall beside the centre
    probe = load_model("small:c8_steerable?width=0.1&size=28", seed=4)
    images = torch.rand(2, 3, 28, 28)
    own = values(probe, images, ["embedding"])["embedding"]
    turned = values(probe, group(images, 2), ["embedding"])["embedding"]
    assert (own - turned).norm() > 1e-3 * own.norm()


def test_the_plain_counterpart_has_the_same_maps():
    pytest.importorskip("e2cnn")
    images = torch.rand(1, 3, 29, 29)
    grids = []
    for name in ("cnn6", "c8_steerable"):
        layers = load_model(f"small:{name}?width=0.1").watch(["blocks.?"], images)
        fields = [layer.channels // (layer.fields.order if layer.fields else 1) for layer in layers]
        grids.append([(layer.name, layer.grid, n) for layer, n in zip(layers, fields, strict=True)])
    # embedding and logits are vectors
    assert grids[0] == grids[1]
    assert len(grids[0]) == 8


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("small:resnet81", "unknown small architecture 'resnet81': did you mean resnet18"),
        ("small:resnet18?width=0", "width=0; a factor above 0 and at most 64 works"),
        ("small:resnet18?width=nan", "width=nan; a factor above 0"),
        ("small:resnet18?width=wide", "width='wide' is no number"),
        ("small:resnet18?clases=3", "unknown option of small:resnet18 'clases': did you mean clas"),
        ("small:resnet18?growth=3", "unknown option of small:resnet18 'growth'"),
        ("small:resnet18?classes=1", "classes='1'; a whole number from 2 on works"),
        ("small:resnet18?channels=0", "channels=0"),
        ("small:resnet18?width", "'width' is not key=value"),
        ("small:resnet18?width=1&width=2", "'width' is given twice"),
        ("small:c8_steerable?size=9", "size=9; from 21 on it works"),
        ("small:", "has no name after the colon"),
    ],
)
def test_wrong_specs_are_one_line(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_without_e2cnn(monkeypatch):
    monkeypatch.setitem(sys.modules, "e2cnn", None)
    with pytest.raises(InputError, match=r"needs the package e2cnn: pip install 'invariscope"):
        load_model("small:c8_steerable")
