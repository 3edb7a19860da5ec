import sys

import pytest
import timm
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models import load_model

IMAGES = torch.rand(2, 3, 64, 64)


def one_line(message, spec, **options):
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_timm_and_its_configuration():
    probe = load_model("timm:resnet18+untrained")
    assert probe.spec == "timm:resnet18+untrained"
    assert probe.num_outputs == 1000
    assert probe.preprocessing.source == "timm configuration of resnet18"


def test_timm_with_other_classes_is_not_imagenet():
    probe = load_model(timm.create_model("resnet18", num_classes=1000 - 1))
    assert probe.num_outputs == 999
    assert probe.class_ids is None


def test_torchvision_weights_choose_the_preset():
    v1 = load_model("torchvision:resnet50@IMAGENET1K_V1+untrained")
    v2 = load_model("torchvision:resnet50+untrained")
    assert (v1.preprocessing.resize, v2.preprocessing.resize) == (256, 232)
    assert v2.preprocessing.source == "torchvision preset of ResNet50_Weights.IMAGENET1K_V2"
    untrained = load_model("torchvision:resnet18@untrained")
    assert untrained.class_ids is not None


@pytest.mark.parametrize("name", ["googlenet", "fcn_resnet50"])
def test_torchvision_untrained_fetches_nothing_and_warns_of_nothing(name):
    probe = load_model(f"torchvision:{name}+untrained")
    probe.watch("auto", IMAGES)
    assert probe.num_outputs == (1000 if name == "googlenet" else None)


def test_untrained_specs_follow_the_seed_and_leave_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b = (
        load_model("timm:resnet10t+untrained", seed=1),
        load_model("timm:resnet10t+untrained", seed=1),
    )
    other = load_model("timm:resnet10t+untrained", seed=2)
    assert a.weights_hash == b.weights_hash != other.weights_hash
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18", "unknown model spec 'resnet18': did you mean .*timm:resnet18 or torchvision"),
        ("tim:resnet18", "unknown model spec 'tim:resnet18': did you mean timm:resnet18"),
        ("timm:", "has no name after the colon; timm:NAME works"),
        ("timm:resnet81", "unknown timm model 'resnet81': did you mean resnet18"),
        ("timm:resnet18.a1_in1", "unknown weights of timm:resnet18 'a1_in1': did you mean a1_in1k"),
        ("torchvision:resnet81", "unknown torchvision model 'resnet81': did you mean resnet"),
        ("torchvision:resnet50@V3", "unknown weights of torchvision:resnet50 'V3'.*IMAGENET1K_V2"),
        ("builtin:efficientnet-light0", "unknown builtin model .* did you mean efficientnet-lite0"),
        ("python:json", "names no factory; python:package.module:factory works"),
        ("python:no_such_package.models:net", "No module named 'no_such_package'.*pip install"),
        ("python:json:lode", "unknown factory in json 'lode': did you mean load"),
        ("python:json:__name__", "'__name__' is a str, no function"),
        ("python:time:time", "the factory returns a float; an nn.Module or a callable works"),
        ("python:json:loads", "the factory raises TypeError"),
        ("checkpoint:weights.pt", "does not name its architecture; checkpoint:PATH@ARCH works"),
        ("checkpoint:weights.pt@jax:resnet", "'jax:resnet' is unknown.* own is python:MODULE:"),
        ("checkpoint:weights.pt@resnet81", "unknown timm model 'resnet81'"),
        ("checkpoint:no/such.pt@resnet18", "checkpoint no/such.pt does not exist"),
        (3, "model: int came; a spec such as timm:resnet18"),
    ],
)
def test_wrong_specs_are_one_line(spec, message):
    one_line(message, spec)


def test_weights_that_cannot_be_fetched(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host\nwith a long explanation")

    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    message = one_line("weights could not be fetched", "timm:resnet18")
    assert message == (
        "model timm:resnet18: its weights could not be fetched (OSError: no route to host); "
        "timm:resnet18+untrained works without them, checkpoint:PATH@ARCH loads them from a file"
    )
    monkeypatch.setattr("torchvision._internally_replaced_utils.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    one_line(
        r"torchvision:resnet18@IMAGENET1K_V1: its weights .*@IMAGENET1K_V1\+untrained works",
        "torchvision:resnet18@IMAGENET1K_V1",
    )


def test_a_timm_model_without_published_weights():
    name = next(name for name in timm.list_models("resnet*") if not timm.is_model_pretrained(name))
    one_line(r"its weights could not be fetched .*\+untrained works", f"timm:{name}")


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "toy_models.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def net():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1),"
        " nn.Flatten(), nn.Linear(4, 5))\n"
        "def function():\n    return lambda images: images.mean((2, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("toy_models", None)


@pytest.mark.usefixtures("factories")
def test_python_factories_of_the_working_directory():
    before = list(sys.path)
    probe = load_model("python:toy_models:net", seed=4)
    assert sys.path == before
    assert probe.num_outputs == 5
    assert load_model("python:toy_models:net", seed=4).weights_hash == probe.weights_hash
    twin = load_model("python:toy_models:net+untrained", seed=4)
    assert twin.spec == "python:toy_models:net+untrained"
    assert load_model("python:toy_models:function").num_outputs == 3
    one_line("no untrained twin", "python:toy_models:function+untrained")


def test_wrapped_modules_are_unwrapped():
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    probe = load_model(nn.DataParallel(inner))
    assert probe.spec == "module:Sequential"
    assert probe.watch("0", IMAGES)[0].name == "0"
    compiled = torch.compile(inner)
    assert load_model(compiled).spec == "module:Sequential"


def test_a_timm_module_brings_its_preprocessing():
    probe = load_model(timm.create_model("vit_tiny_patch16_224"))
    assert probe.preprocessing.mean == (0.5, 0.5, 0.5)
    assert probe.spec == "module:VisionTransformer"


def test_a_module_that_cannot_be_copied():
    class Stubborn(nn.Module):
        def __deepcopy__(self, memo):
            raise TypeError("never")

    with pytest.raises(InputError, match=r"cannot be copied \(TypeError: never\)"):
        load_model(Stubborn())


def test_preprocessing_of_a_probe_is_replaced_in_a_new_probe():
    probe = load_model("timm:resnet10t+untrained")
    other = load_model(probe, preprocessing={"size": 64})
    assert other.module is probe.module
    assert other.preprocessing.size == (64, 64)
    assert probe.preprocessing.size != (64, 64)
