import argparse
import pickle

import pytest
import timm
import torch
from torchvision import models as tv

from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.state_file import read_state
from invariscope.models.state_hash import hash_state

ARCH = "resnet10t"
SMALLEST = "test_resnet"


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return timm.create_model(ARCH, num_classes=1000)


@pytest.fixture(scope="module")
def smallest():
    torch.manual_seed(0)
    return timm.create_model(SMALLEST)


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


WRAPPINGS = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3, "lr": 0.1},
    "model and module.": lambda s: {"model": prefixed(s, "module."), "optimizer": {"state": {}}},
    "lightning": lambda s: {
        "state_dict": prefixed(s, "model.") | {"criterion.weight": torch.ones(3)},
        "epoch": 1,
    },
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled in parallel": lambda s: {"model": prefixed(s, "module._orig_mod.")},
    "averaged": lambda s: prefixed(s, "module.") | {"n_averaged": torch.tensor(3)},
    "ema first": lambda s: {
        "state_dict": {n: torch.zeros_like(v) for n, v in s.items()},
        "state_dict_ema": s,
    },
    "nested": lambda s: {"model": {"state_dict": s}},
    "teacher": lambda s: {"teacher": prefixed(s, "module.backbone.")},
    "any prefix": lambda s: prefixed(s, "my_net.vision.tower."),
    "any key": lambda s: {"my_weights": s, "optimizer": {"state": {0: s}}, "epoch": 3},
    "beside an optimiser": lambda s: dict(s) | {"optimizer": {"state": {}}, "epoch": 3},
    "deepspeed": lambda s: {"module": prefixed(s, "module._orig_mod."), "optimizer": None},
    "compiled inside": lambda s: prefixed(
        {n.replace("layer1.", "layer1._orig_mod.", 1): v for n, v in s.items()}, "net."
    ),
    "sharded": lambda s: {
        n.replace("layer2.", "layer2._fsdp_wrapped_module."): v for n, v in s.items()
    },
    "parallel inside": lambda s: {
        n.replace("layer3.", "module.layer3.module."): v for n, v in s.items()
    },
    "in half a compiled and an averaged one": lambda s: {
        "state_dict": prefixed(s, "ema_model.")
        | prefixed({n: torch.zeros_like(v) for n, v in s.items()}, "model.")
    },
    "a student beside": lambda s: (
        prefixed(s, "online.")
        | prefixed({n: torch.zeros_like(v) for n, v in s.items()}, "momentum_encoder.")
    ),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrappers_are_removed(wrapping, smallest, tmp_path):
    path = tmp_path / "weights@home.pt"
    torch.save(WRAPPINGS[wrapping](smallest.state_dict()), path)
    probe = load_model(f"checkpoint:{path}@timm:{SMALLEST}")
    assert probe.weights_hash == hash_state(smallest.state_dict())


def test_safetensors(module, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file(dict(module.state_dict()), path)
    assert load_model(f"checkpoint:{path}@{ARCH}").weights_hash == hash_state(module.state_dict())
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match=r"weights.safetensors cannot be read"):
        read_state(path)


@pytest.mark.parametrize(
    "arch", [f"timm:{ARCH}", "torchvision:resnet18", "torchvision:mobilenet_v3_small"]
)
@pytest.mark.parametrize("classes", [7, 1000])
def test_the_number_of_classes_follows_the_file(arch, classes, tmp_path):
    library, _, name = arch.partition(":")
    if library == "timm":
        model = timm.create_model(name, num_classes=classes)
    else:
        model = tv.get_model(name, num_classes=classes)
    path = tmp_path / "weights.pt"
    torch.save(model.state_dict(), path)
    probe = load_model(f"checkpoint:{path}@{arch}")
    assert probe.weights_hash == hash_state(model.state_dict())
    probe.watch("last", torch.rand(1, 3, 64, 64))
    assert probe.num_outputs == classes
    assert (probe.class_ids is not None) == (classes == 1000)
    twin = probe.untrained(3)
    twin.watch("last", torch.rand(1, 3, 64, 64))
    assert twin.num_outputs == classes
    assert twin.weights_hash != probe.weights_hash
    assert (
        load_model(f"checkpoint:{path}@{arch}+untrained", seed=3).weights_hash == twin.weights_hash
    )


@pytest.mark.parametrize("arch", [f"timm:{ARCH}", "torchvision:resnet18"])
def test_a_headless_file_gives_a_headless_model(arch, tmp_path):
    library, _, name = arch.partition(":")
    model = timm.create_model(name) if library == "timm" else tv.get_model(name)
    state = {n: v for n, v in model.state_dict().items() if not n.startswith("fc.")}
    path = tmp_path / "backbone.pt"
    torch.save(state, path)
    probe = load_model(f"checkpoint:{path}@{arch}")
    assert probe.num_outputs is None
    assert probe.untrained(0).num_outputs is None
    assert probe.forward(torch.rand(1, 3, 64, 64), ["embedding"]).vectors["embedding"].shape == (
        1,
        512,
    )


def test_what_does_not_fit_is_named(module, tmp_path):
    state = dict(module.state_dict())
    state["layer9.weight"] = torch.zeros(1)
    del state["layer1.0.conv1.weight"]
    state["bn1.weight"] = torch.zeros(2)
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    message = (
        r"does not fit timm:resnet10t: 1 missing: layer1.0.conv1.weight; 1 unexpected: "
        r"layer9.weight; 1 of another shape: bn1.weight \[2\] instead of \[64\]"
    )
    with pytest.raises(InputError, match=message):
        load_model(f"checkpoint:{path}@{ARCH}")
    torch.save({"a.weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"missing: conv1.0.weight, .*, …; 1 unexpected: a.weight"):
        load_model(f"checkpoint:{path}@{ARCH}")


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_pickles_are_refused_and_never_run(module, tmp_path, capsys):
    path = tmp_path / "weights.pt"
    for content in (module, {"args": argparse.Namespace(hook=Evil()), "model": {}}, Evil()):
        torch.save(content, path)
        message = (
            r"holds pickled Python objects \(.*\), which can run code.*state_dict\(\), 'plain.pt'"
        )
        with pytest.raises(InputError, match=message) as caught:
            read_state(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match=r"weights\.pt"):
        read_state(path)
    assert "executed" not in capsys.readouterr().out


def test_broken_files_are_one_line(module, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(module.state_dict(), path)
    whole = path.read_bytes()
    for content, message in (
        (b"", "is an empty file"),
        (whole[: len(whole) // 2], "cannot be read"),
        (b"this is a text file", "weights.pt"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_state(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is a folder"):
        read_state(tmp_path)
    for content in ([1, 2], {}, {"epoch": 3}, {"model": {}}):
        torch.save(content, path)
        with pytest.raises(InputError, match="holds no state dict"):
            read_state(path)


def test_a_program_instead_of_weights(tmp_path):
    import warnings

    path = tmp_path / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 4, 1)), path)
    with pytest.raises(InputError, match=r"program\.pt"):
        read_state(path)


@pytest.fixture
def saved(tmp_path):
    """Saves a state dict; gives the spec of its checkpoint."""

    def save(state, arch="torchvision:resnet18"):
        torch.save(state, tmp_path / "weights.pt")
        return f"checkpoint:{tmp_path}/weights.pt@{arch}"

    return save


def renamed(state, old, new):
    return {n.replace(old, new, 1) if n.startswith(old) else n: v for n, v in state.items()}


IMAGES = torch.rand(2, 3, 64, 64)


def logits(probe):
    return probe.forward(IMAGES, ["logits"]).vectors["logits"]


@pytest.mark.parametrize(
    ("head", "body", "arch"),
    [
        ("fc.1.", "", "torchvision:resnet18"),
        ("head.fc.", "backbone.", "torchvision:resnet18"),
        ("classifier.3.", "", f"timm:{SMALLEST}"),
        ("last_linear.", "", f"timm:{SMALLEST}"),
        ("heads.head.", "model.encoder.", f"timm:{SMALLEST}"),
        ("model.classifier.", "model.backbone.", f"timm:{SMALLEST}"),
        ("head.fc.", "", f"timm:{SMALLEST}"),
    ],
)
@pytest.mark.parametrize("classes", [7, 1000])
def test_a_classifier_under_another_name_is_taken(head, body, arch, classes, saved):
    library, _, name = arch.partition(":")
    torch.manual_seed(0)
    create = timm.create_model if library == "timm" else tv.get_model
    model = create(name, num_classes=classes).eval()
    state = {
        (n.replace("fc.", head, 1) if n.startswith("fc.") else body + n): v
        for n, v in model.state_dict().items()
    }
    probe = load_model(saved(state, arch))
    assert not probe.warnings
    said = probe.decisions(IMAGES)["checkpoint"]
    assert f"its classifier {head.removesuffix('.')!r} taken as 'fc'" in said
    plain = load_model(model, preprocessing=probe.preprocessing)
    assert torch.allclose(logits(probe), logits(plain), atol=1e-5)
    assert probe.untrained(0).num_outputs == classes
    assert (probe.class_ids is not None) == (classes == 1000)


HEADS = {
    "two layers": {"fc.0.weight": (64, 96), "fc.0.bias": (64,), "fc.2.weight": (7, 64)},
    "two maps": {"head_a.weight": (7, 96), "head_b.weight": (3, 96)},
    "of another width": {"head.weight": (7, 100), "head.bias": (7,)},
    "a projection": {"projector.weight": (128, 96)},
    "prototypes": {"prototypes.weight": (30, 96)},
    "normalised inside": {"head.0.weight": (7, 96), "head.1.weight": (7,), "head.1.bias": (7,)},
}


@pytest.mark.parametrize("body", ["", "backbone."])
@pytest.mark.parametrize("kind", HEADS)
def test_heads_that_are_no_single_map_are_named_as_left_out(kind, body, saved):
    state = timm.create_model(SMALLEST).state_dict()
    head = {n: torch.zeros(*shape) for n, shape in HEADS[kind].items()}
    state = {body + n: v for n, v in state.items() if not n.startswith("fc.")} | head
    probe = load_model(saved(state, SMALLEST))
    (line,) = probe.warnings
    first = next(iter(head))
    assert f"{len(head)} arrays ({first} {list(head[first].shape)}" in line
    assert "is measured without a classifier" in line
    assert probe.num_outputs is None
    assert probe.untrained(0).num_outputs is None


def test_a_deeper_network_is_no_backbone_with_a_head(saved):
    state = {n: v for n, v in tv.resnet34().state_dict().items() if not n.startswith("fc.")}
    with pytest.raises(InputError, match=r"does not fit torchvision:resnet18: .* unexpected: lay"):
        load_model(saved(state))


def test_what_lies_beside_the_model_is_said(module, saved):
    state = prefixed(module.state_dict(), "net.") | {"criterion.weight": torch.ones(3)}
    said = load_model(saved(state, ARCH)).decisions(IMAGES)["checkpoint"]
    assert said == "the prefix 'net.' removed; 1 arrays (criterion.weight [3]) left out"
    twice = prefixed(module.state_dict(), "b.") | prefixed(module.state_dict(), "a.")
    said = load_model(saved(twice, ARCH)).decisions(IMAGES)["checkpoint"]
    assert "the prefix 'a.' removed; the same names lie under 'b.': not taken" in said


@pytest.mark.parametrize("arch", ["timm:test_resnet", "torchvision:resnet18", "timm:test_vit"])
@pytest.mark.parametrize("channels", [1, 4, 13])
def test_the_channels_of_the_pictures_follow_the_file(arch, channels, saved):
    library, _, name = arch.partition(":")
    if library == "timm":
        model = timm.create_model(name, num_classes=3, in_chans=channels)
    else:
        model = tv.get_model(name, num_classes=3)
        model.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    probe = load_model(saved(model.state_dict(), arch))
    assert probe.weights_hash == hash_state(model.state_dict())
    assert probe.preprocessing.channels == channels
    pictures = torch.rand(2, channels, 160, 160)
    assert f"in_chans {channels}" in probe.decisions(pictures)["checkpoint"]
    twin = probe.untrained(0)
    assert twin.module is not None
    shapes = [list(v.shape) for v in model.state_dict().values()]
    assert [list(v.shape) for v in twin.module.state_dict().values()] == shapes
    averaged = any("mean and std are the averages" in line for line in probe.warnings)
    assert averaged == (library == "torchvision")  # timm's three are equal here
