import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim
from torchvision import models as tv

import invariscope
from invariscope.errors import InputError
from invariscope.models import load_model
from invariscope.models.program import BatchSizes, Program

IMAGES = torch.rand(5, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(c, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
                for c in (3, 8, 8)
            )
        )
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 5)

    def forward(self, images):
        return self.fc(self.drop(self.blocks(images).mean((2, 3))))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net().eval()


def scripted(kind, net) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "traced":
            return torch.jit.trace(net, IMAGES)
        module = torch.jit.script(net)
        return torch.jit.freeze(module) if kind == "frozen" else module


def exported(net, batch=None, size=4):
    shapes = None if batch is None else ({0: batch},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(net, (torch.rand(size, 3, 32, 32),), dynamic_shapes=shapes)


def logits(probe, images=IMAGES):
    return probe.forward(images, ["logits"]).vectors["logits"]


@pytest.mark.parametrize("kind", ["traced", "scripted", "frozen"])
def test_torchscript_is_measured_at_its_outputs(kind, net, tmp_path):
    module = scripted(kind, net)
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(module, path)
    for given in (module, f"torchscript:{path}"):
        probe = load_model(given, preprocessing="none")
        assert [layer.name for layer in probe.watch("auto", IMAGES)] == ["embedding", "logits"]
        assert torch.allclose(logits(probe), net(IMAGES), atol=1e-5)
        assert "measured at its outputs" in probe.decisions(IMAGES)["layers"]
        assert not probe.warnings
    assert load_model(module).warnings[0].startswith("mean and std are unknown")


def test_torchscript_in_a_measurement(net):
    by_program = invariscope.measure(scripted("traced", net), IMAGES, transformations="rotate=90")
    by_function = invariscope.measure(lambda x: net(x), IMAGES, transformations="rotate=90")
    assert set(by_program.frame["layer"]) == {"embedding", "logits"}
    columns = ["layer", "metric", "level", "value"]
    one, other = (
        r.frame[columns].set_index(columns[:3])["value"] for r in (by_program, by_function)
    )
    assert (one - other).abs().max() < 1e-4
    assert by_program.manifest["settings"]["weights"]


def test_a_torchscript_module_stays_as_it_was(net):
    module = scripted("scripted", net)
    module.train()
    probe = load_model(module)
    logits(probe)
    assert module.training
    assert all(torch.equal(a, b) for a, b in zip(
        module.state_dict().values(), net.state_dict().values(), strict=True))  # fmt: skip


def test_programs_have_no_twin(net):
    with pytest.raises(InputError, match="a program cannot be drawn anew"):
        load_model(scripted("traced", net)).untrained(0)
    result = invariscope.measure(
        exported(net), IMAGES, transformations="rotate=90", twin=None, layers="last"
    )
    assert any("no untrained twin" in line for line in result.warnings)


def test_an_exported_program_shows_its_layers(net, tmp_path):
    program = exported(net, Dim("batch", min=1))
    path = tmp_path / "net.pt2"
    torch.export.save(program, path)
    own = load_model(net, preprocessing="none")
    for given in (program, f"export:{path}"):
        probe = load_model(given, preprocessing="none")
        assert probe.preprocessing.size == (32, 32)
        assert {"embedding", "logits", "blocks.1"} <= {
            layer.name for layer in probe.watch(["auto", "blocks.1"], IMAGES)
        }
        wanted = own.forward(IMAGES, ["blocks.1", "embedding", "logits"]).vectors
        found = probe.forward(IMAGES, ["blocks.1", "embedding", "logits"]).vectors
        assert wanted["embedding"].shape == (5, 8)
        for layer, vectors in wanted.items():
            assert torch.allclose(found[layer], vectors, atol=1e-5), layer
        assert "give the same output" in probe.decisions(IMAGES)["layers"]


@pytest.mark.parametrize(("size", "batch"), [(4, None), (2, None), (4, Dim("b", min=3, max=4))])
def test_a_fixed_number_of_images_is_kept_to(size, batch, net):
    probe = load_model(exported(net, batch, size), preprocessing="none")
    assert torch.allclose(logits(probe), net(IMAGES), atol=1e-5)
    assert torch.allclose(logits(probe, IMAGES[:1]), net(IMAGES[:1]), atol=1e-5)
    said = probe.decisions(IMAGES)
    fixed = f"batches of {size} images, the last one filled up"
    assert said["batch"] == f"the program takes {'batches of 3 to 4 images' if batch else fixed}"
    assert "exported with a dynamic batch it would show its layers" in said["layers"]


def test_a_program_exported_in_training_mode_is_warned_of():
    model = Net().train()
    (line,) = [
        line
        for line in load_model(exported(model, Dim("b", min=2))).warnings
        if "training mode" in line
    ]
    assert "export model.eval()" in line
    assert not [w for w in load_model(exported(Net().eval())).warnings if "training" in w]


class TwoInputs(nn.Module):
    def forward(self, left, right):
        return (left - right).mean((2, 3))


def test_two_inputs_are_one_line():
    program = torch.export.export(TwoInputs(), (IMAGES, IMAGES))
    with pytest.raises(InputError, match=r"takes 2 inputs of shapes .*one input") as caught:
        load_model(program)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [("torchscript", "is no TorchScript file"), ("export", "is no file of torch.export.save")],
)
def test_other_files_are_one_line(kind, message, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"w": torch.zeros(2)}, path)
    for given, text in ((path, message), (tmp_path / "none.pt", "does not exist")):
        with pytest.raises(InputError, match=text) as caught:
            load_model(f"{kind}:{given}")
        assert "\n" not in str(caught.value)


def test_outputs_of_every_form_are_cut_and_joined():
    def run(images):
        assert len(images) == 2
        return {"a": images.sum((1, 2, 3)), "b": (images[:, 0, 0], [images[:, 0]])}

    found = Program(run, batch=BatchSizes(2, 2))(IMAGES)
    assert torch.equal(found["a"], IMAGES.sum((1, 2, 3)))
    assert torch.equal(found["b"][0], IMAGES[:, 0, 0])
    assert torch.equal(found["b"][1][0], IMAGES[:, 0])


def test_torchvision_exported_gives_the_embedding_of_the_module():
    model = tv.resnet18(num_classes=4).eval()
    probe = load_model(exported(model, Dim("b", min=1)), preprocessing="none")
    wanted = load_model(model, preprocessing="none").forward(IMAGES, ["embedding"]).vectors
    found = probe.forward(IMAGES, ["embedding"]).vectors
    assert torch.allclose(found["embedding"], wanted["embedding"], atol=1e-4)
