"""Checkpoints as DINO, SimCLR, MoCo, VISSL and BiT publish them, written with random weights.

Each file is laid out as its authors' code does; the loaded model puts out what the network that was
saved puts out. Most are written for a small ResNet, whose arrays have the same names.
"""

import argparse
from typing import Any

import numpy as np
import pytest
import timm
import torch

from invariscope.errors import InputError
from invariscope.models import load_model

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def network(name, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = timm.create_model(name, **options).eval()
        for parameter in model.parameters():
            parameter.data.add_(0.01 * torch.randn(parameter.shape))
        return model


SMALL = "resnet10t"


@pytest.fixture(scope="module")
def resnet():
    return network(SMALL)


@pytest.fixture
def file(tmp_path):
    """A path; what is written there goes after the test, since it is 100 MB."""
    path = tmp_path / "weights.pth"
    yield path
    path.unlink(missing_ok=True)


def loaded(spec):
    """The probe, its dry run done on small images."""
    probe = load_model(spec)
    probe.watch("last", IMAGES)
    return probe


def outputs(model, probe):
    """Features and logits, or only features, of the model and of the probe."""
    layers = ["embedding"] + (["logits"] if probe.num_outputs else [])
    with torch.inference_mode():
        features = model.forward_features(probe.preprocessing.normalise(IMAGES))
        embedding = model.forward_head(features, pre_logits=True)
        theirs = {"embedding": embedding.flatten(1), "logits": model.forward_head(features)}
    return {name: theirs[name] for name in layers}, probe.forward(IMAGES, layers).vectors


def same(model, probe):
    state = model.state_dict()
    if any(not torch.equal(value, state[n]) for n, value in probe.module.state_dict().items()):
        return False
    theirs, ours = outputs(model, probe)
    # Not to the last bit: the probe is in another memory format, and sums in another order.
    return all((theirs[n] - ours[n]).abs().max() < 1e-3 * theirs[n].abs().max() for n in theirs)


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


def headless(state):
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def wrong(state):
    # Expanded: on the disk it is one number.
    return {name: value.new_zeros(()).expand(value.shape) for name, value in state.items()}


def projection(prefix):
    return {f"{prefix}.0.weight": torch.ones(9, 2048), f"{prefix}.2.bias": torch.ones(9)}


LAYOUTS = {
    "DINO, backbone": headless,
    "DINO, whole": lambda s: {
        "student": prefixed(wrong(headless(s)), "module.backbone.") | projection("module.head.mlp"),
        "teacher": prefixed(headless(s), "backbone.") | projection("head.mlp"),
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": []},
        "epoch": 100,
        "args": argparse.Namespace(arch="resnet50", lr=0.03, seed=0),
        "dino_loss": {"center": torch.zeros(1, 9)},
    },
    "SimCLR, converted": lambda s: {"state_dict": s},
    "SimCLR, backbone with projection": lambda s: {
        "epoch": 200,
        "arch": "resnet50",
        "state_dict": prefixed(headless(s), "backbone.") | projection("backbone.fc"),
        "optimizer": {"state": {}, "param_groups": []},
    },
    "SimCLR, encoder beside projector": lambda s: (
        prefixed(headless(s), "encoder.") | projection("projector")
    ),
    "SimCLR, VISSL": lambda s: {
        "phase_idx": 999,
        "classy_state_dict": {
            "base_model": {
                "model": {
                    "trunk": prefixed(headless(s), "_feature_blocks."),
                    "heads": projection("0.clf"),
                },
                "meta": {"config": {}},
            },
            "optimizer": {"param_groups": []},
        },
    },
    "MoCo": lambda s: {
        "arch": "resnet50",
        "state_dict": prefixed(headless(s), "module.encoder_q.")
        | prefixed(wrong(headless(s)), "module.encoder_k.")
        | projection("module.encoder_q.fc")
        | {"module.queue": torch.ones(9, 4)},
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, resnet, file):
    torch.save(LAYOUTS[layout](resnet.state_dict()), file)
    probe = loaded(f"checkpoint:{file}@timm:{SMALL}")
    assert probe.num_outputs == (1000 if layout == "SimCLR, converted" else None)
    assert same(resnet, probe)


@pytest.mark.slow
def test_resnet_50_of_timm_and_of_torchvision(file):
    resnet = network("resnet50")
    torch.save(LAYOUTS["DINO, whole"](resnet.state_dict()), file)
    for library in ("timm", "torchvision"):
        probe = loaded(f"checkpoint:{file}@{library}:resnet50")
        assert same(resnet, probe)
        twin = probe.untrained(1)
        twin.watch("last", IMAGES)
        assert twin.num_outputs is None
    with pytest.raises(InputError, match=r"does not fit timm:resnet18: \d+ unexpected: "):
        load_model(f"checkpoint:{file}@timm:resnet18")


def test_a_student_alone_is_loaded(resnet, file):
    torch.save({"student": prefixed(headless(resnet.state_dict()), "module.backbone.")}, file)
    assert same(resnet, loaded(f"checkpoint:{file}@{SMALL}"))


def test_a_layout_that_is_another_model_is_one_line(resnet, file):
    torch.save(LAYOUTS["DINO, whole"](resnet.state_dict()), file)
    with pytest.raises(InputError, match=r"does not fit timm:resnet14t: \d+ missing: ") as caught:
        load_model(f"checkpoint:{file}@timm:resnet14t")
    assert "\n" not in str(caught.value)
    torch.save(prefixed(headless(resnet.state_dict()), "tower."), file)  # any prefix will do
    assert load_model(f"checkpoint:{file}@timm:{SMALL}").num_outputs is None


def kernel(weight):
    """A convolution's weights as JAX has them: height, width, input, output."""
    return weight.detach().numpy().transpose(2, 3, 1, 0)


def bit_arrays(model):
    """A ResNetV2's weights under the names of BiT."""
    arrays = {"resnet/root_block/standardized_conv2d/kernel": kernel(model.stem.conv.weight)}

    def norm(place, module):
        arrays[f"resnet/{place}group_norm/gamma"] = module.weight.detach().numpy()
        arrays[f"resnet/{place}group_norm/beta"] = module.bias.detach().numpy()

    norm("", model.norm)
    if model.num_classes:
        arrays["resnet/head/conv2d/kernel"] = kernel(model.head.fc.weight)
        arrays["resnet/head/conv2d/bias"] = model.head.fc.bias.detach().numpy()
    for i, stage in enumerate(model.stages, 1):
        for j, block in enumerate(stage.blocks, 1):
            for letter, number in zip("abc", (1, 2, 3), strict=True):
                place = f"block{i}/unit{j:02d}/{letter}/"
                convolution = getattr(block, f"conv{number}")
                arrays[f"resnet/{place}standardized_conv2d/kernel"] = kernel(convolution.weight)
                norm(place, getattr(block, f"norm{number}"))
            if block.downsample is not None:
                place = f"resnet/block{i}/unit{j:02d}/a/proj/standardized_conv2d/kernel"
                arrays[place] = kernel(block.downsample.conv.weight)
    return arrays


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "BiT.npz"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1000, 0])
def test_bit(classes, npz):
    model = network("resnetv2_50x1_bit", num_classes=classes)
    np.savez(npz, **bit_arrays(model))
    probe = loaded(f"checkpoint:{npz}@timm:resnetv2_50x1_bit")
    assert probe.num_outputs == (classes or None)
    assert (probe.class_ids is not None) == (classes == 1000)
    assert same(model, probe)
    if classes == 0:
        twin = probe.untrained(1)
        twin.watch("last", IMAGES)
        assert twin.num_outputs is None


@pytest.mark.slow
def test_npz_files_that_do_not_fit_are_one_line(npz):
    arrays = bit_arrays(network("resnetv2_50x1_bit"))

    def refused(message, architecture="timm:resnetv2_50x1_bit"):
        with pytest.raises(InputError, match=message) as caught:
            load_model(f"checkpoint:{npz}@{architecture}")
        assert "\n" not in str(caught.value)

    np.savez(npz, **arrays)
    refused(r"does not fit timm:resnetv2_50x3_bit \(RuntimeError", "timm:resnetv2_50x3_bit")
    refused(r"timm:resnet50 takes no \.npz files; timm's BiT models", "timm:resnet50")
    refused(r"torchvision:resnet50 takes no \.npz files", "torchvision:resnet50")
    # A deeper network holds every block of a shallower one.
    more = arrays["resnet/block3/unit06/a/group_norm/gamma"]
    np.savez(npz, **arrays, **{"resnet/block3/unit07/a/group_norm/gamma": more})
    refused(r"resnetv2_50x1_bit: it holds 25,550,376 values, the model 25,549,352")
    del arrays["resnet/block1/unit01/a/standardized_conv2d/kernel"]
    np.savez(npz, **arrays)
    refused(r"does not fit timm:resnetv2_50x1_bit \(KeyError: .*block1/unit01/a")
    np.savez(npz, objects=np.array([{}], dtype=object))
    refused(r"BiT\.npz cannot be read as an \.npz file of arrays \(Object arrays")
    npz.write_bytes(b"no archive")
    refused(r"BiT\.npz cannot be read as an \.npz file")
    npz.unlink()
    refused(r"BiT\.npz does not exist")


def vision_transformer_arrays(model) -> dict[str, Any]:
    """A vision transformer's weights under the names of its authors' JAX code."""
    width, heads = model.embed_dim, model.blocks[0].attn.num_heads
    arrays = {"cls": model.cls_token, "Transformer/posembed_input/pos_embedding": model.pos_embed}

    def linear(place, weight, bias, shape=None, bias_shape=None):
        arrays[f"{place}/kernel"] = weight.T.reshape(shape or weight.T.shape)
        arrays[f"{place}/bias"] = bias.reshape(bias_shape or bias.shape)

    def norm(place, module):
        arrays[f"{place}/scale"], arrays[f"{place}/bias"] = module.weight, module.bias

    arrays["embedding/kernel"] = model.patch_embed.proj.weight.permute(2, 3, 1, 0)
    arrays["embedding/bias"] = model.patch_embed.proj.bias
    norm("Transformer/encoder_norm", model.norm)
    linear("head", model.head.weight, model.head.bias)
    for number, block in enumerate(model.blocks):
        place = f"Transformer/encoderblock_{number}"
        norm(f"{place}/LayerNorm_0", block.norm1)
        norm(f"{place}/LayerNorm_2", block.norm2)
        attention, inner = f"{place}/MultiHeadDotProductAttention_1", (heads, width // heads)
        parts = zip(block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3), strict=True)
        for name, (weight, bias) in zip(("query", "key", "value"), parts, strict=True):
            linear(f"{attention}/{name}", weight, bias, (width, *inner), inner)
        out = block.attn.proj
        linear(f"{attention}/out", out.weight, out.bias, (*inner, width))
        linear(f"{place}/MlpBlock_3/Dense_0", block.mlp.fc1.weight, block.mlp.fc1.bias)
        linear(f"{place}/MlpBlock_3/Dense_1", block.mlp.fc2.weight, block.mlp.fc2.bias)
    return {name: value.detach().numpy() for name, value in arrays.items()}


def test_a_vision_transformer_of_its_authors(npz):
    model = network("vit_tiny_patch16_224", num_classes=5)
    np.savez(npz, **vision_transformer_arrays(model))
    probe = load_model(f"checkpoint:{npz}@timm:vit_tiny_patch16_224")
    assert probe.module is not None
    state = probe.module.state_dict()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert probe.num_outputs == 5
    with pytest.raises(InputError, match=r"does not fit timm:vit_small_patch16_224 \("):
        load_model(f"checkpoint:{npz}@timm:vit_small_patch16_224")
