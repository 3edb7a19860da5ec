import json
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import ResNet18_Weights

from invariscope.errors import InputError
from invariscope.models import load_model


def hint(given):
    with pytest.raises(InputError) as caught:
        load_model(given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("resnet50", "did you mean timm:resnet50 or torchvision:resnet50?"),
        ("resnet50.a1_in1k", "did you mean timm:resnet50.a1_in1k?"),
        ("resnet50+untrained", "timm:resnet50+untrained or torchvision:resnet50+untrained"),
        ("efficientnet-lite0", "did you mean builtin:efficientnet-lite0?"),
        ("cnn7?width=0.5", "did you mean small:cnn7?width=0.5?"),
        ("best.pt", "checkpoint:best.pt@timm:NAME"),
        ("runs/best.ckpt", "checkpoint:runs/best.ckpt@timm:NAME"),
        ("weights.safetensors", "checkpoint:weights.safetensors@timm:NAME"),
        ("model_best.pth.tar", "checkpoint:model_best.pth.tar@timm:NAME"),
        ("pytorch_model.bin", "checkpoint:pytorch_model.bin@timm:NAME"),
        ("yolov8n.pt", "a detector's file has no scores per picture"),
        ("m.onnx", "onnx:m.onnx measures an ONNX file"),
        ("model.pt2", "export:model.pt2 measures a program"),
        ("my_models.py", "python:module:factory"),
        ("model.h5", "files of Keras are not read; export the model to ONNX"),
        ("model.engine", "files of TensorRT are not read"),
        (
            "google/vit-base-patch16-224",
            "timm:hf-hub:google/vit-base-patch16-224, of transformers'",
        ),
        ("hf:google/vit-base-patch16-224", "a name of the hub"),
        ("hf-hub:timm/resnet18.a1_in1k", "timm:hf-hub:timm/resnet18.a1_in1k"),
        ("package.module:make", "python:package.module:make calls a function"),
        ("tim:resnet18", "unknown model spec 'tim:resnet18': did you mean timm:resnet18?"),
        ("xyz:resnet18", "unknown model spec 'xyz:resnet18' (known: builtin:…"),
    ],
)
def test_bare_words_get_the_hint_that_helps(word, says):
    assert says in hint(word)


def test_a_path_gets_it_too(tmp_path):
    assert "checkpoint:" in hint(Path("best.pt"))
    assert f"onnx:{tmp_path}/m.onnx" in hint(tmp_path / "m.onnx")


def test_what_lies_in_a_file_or_folder_tells(tmp_path):
    file = tmp_path / "scripted.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Conv2d(3, 4, 1)), file)
    assert f"torchscript:{file}" in hint(file)
    assert f"holds a whole program, no state dict; torchscript:{file} measures it" in hint(
        f"checkpoint:{file}@timm:resnet18"
    )
    assert "a folder without config.json is no model" in hint(tmp_path)
    for config, says in (
        ({"model_type": "vit"}, f"transformers:{tmp_path}"),
        ({"architecture": "resnet18", "pretrained_cfg": {}}, f"timm:local-dir:{tmp_path}"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert says in hint(str(tmp_path))
    (tmp_path / "model.json").write_text("{}")
    assert f"trained:{tmp_path}" in hint(str(tmp_path))


def test_an_exported_program_under_another_name(tmp_path):
    file = tmp_path / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(nn.Conv2d(3, 4, 1), (torch.rand(1, 3, 4, 4),)), file)
    assert f"export:{file}" in hint(file)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (nn.Conv2d(3, 4, 1).state_dict(), "a state dict has no architecture"),
        (nn.Conv2d, "the class Conv2d came; an instance works: Conv2d(…)"),
        ((nn.Conv2d(3, 4, 1), 3), "give one model"),
        (ResNet18_Weights.DEFAULT, "weights of torchvision are given as torchvision:NAME@WEIGHTS"),
        (3, "int came; a spec such as timm:resnet18, an nn.Module or a callable works"),
    ],
)
def test_objects_that_are_no_models(given, says):
    assert says in hint(given)


def test_a_function_of_a_module_that_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "python:" not in hint("mynet:make").partition("(known")[0]
    (tmp_path / "mynet.py").write_text("")
    assert "python:mynet:make calls a function of a module" in hint("mynet:make")
