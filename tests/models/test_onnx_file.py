from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.errors import InputError
from invariscope.models import load_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGES = torch.rand(5, 3, 12, 10)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).eval()


def written(net, path, shape=("batch", 3, 12, 10), kind="FLOAT", features=False):
    """The network as an ONNX file; pixels of another type or layout are brought into form first."""
    helper, types = onnx.helper, onnx.TensorProto
    weights = {
        name: onnx.numpy_helper.from_array(value.numpy(), name)
        for name, value in net.state_dict().items()
    }
    last = shape[3] in (1, 3)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=types.FLOAT),
        helper.make_node("Transpose", ["floats"], ["turned"], perm=[0, 3, 1, 2])
        if last
        else helper.make_node("Identity", ["floats"], ["turned"]),
        helper.make_node("Conv", ["turned", "0.weight", "0.bias"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "4.weight", "4.bias"], ["logits"], transB=1),
    ]
    batch = shape[0]
    outputs = [helper.make_tensor_value_info("logits", types.FLOAT, [batch, 5])]
    if features:
        outputs.insert(0, helper.make_tensor_value_info("features", types.FLOAT, [batch, 4]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("pixels", getattr(types, kind), list(shape))],
        outputs,
        list(weights.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return f"onnx:{path}"


def vectors(probe, layer="logits", images=IMAGES):
    return probe.forward(images, [layer]).vectors[layer]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        (("batch", 3, 12, 10), (12, 10)),
        (("batch", 3, "height", "width"), None),
        ((1, 3, 12, 10), (12, 10)),
        ((4, 3, 12, 10), (12, 10)),
        (("batch", 12, 10, 3), (12, 10)),
        ((2, 12, 10, 3), (12, 10)),
    ],
)
def test_the_file_gives_what_the_network_gives(shape, size, net, tmp_path):
    probe = load_model(written(net, tmp_path / "net.onnx", shape), preprocessing="none")
    assert probe.preprocessing.size == size
    assert torch.allclose(vectors(probe), net(IMAGES), atol=1e-5)
    said = probe.decisions(IMAGES)
    assert said["outputs"] == "logits"
    assert "measured at its outputs" in said["layers"]
    fixed = isinstance(shape[0], int)
    assert (f"batches of {shape[0]} images" if fixed else "any number of images") in said["input"]
    assert ("height, width, channel" in said["input"]) == (shape[3] == 3)


def test_whole_pixels_go_in_as_such(net, tmp_path):
    probe = load_model(written(net, tmp_path / "net.onnx", kind="UINT8"), preprocessing="none")
    pixels = (IMAGES * 255).round()
    assert torch.allclose(vectors(probe, images=pixels / 255), net(pixels), rtol=1e-4)


def test_outputs_come_by_their_names(net, tmp_path):
    spec = written(net, tmp_path / "net.onnx", features=True)
    probe = load_model(spec, preprocessing="none")
    assert probe.decisions(IMAGES)["outputs"] == "features, logits"
    assert torch.allclose(vectors(probe), net(IMAGES), atol=1e-5)


def test_normalisation_is_unknown_and_applied_where_stated(net, tmp_path):
    spec = written(net, tmp_path / "net.onnx")
    assert load_model(spec).warnings[0].startswith("mean and std are unknown")
    probe = load_model(spec, preprocessing={"mean": 0.5, "std": 0.25})
    assert not probe.warnings
    assert torch.allclose(vectors(probe), net((IMAGES - 0.5) / 0.25), atol=1e-5)


def test_a_measurement_of_a_file(net, tmp_path):
    spec = written(net, tmp_path / "net.onnx", shape=(3, 3, 12, 10))
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3), dtype=np.uint8)
    options: Any = {"transformations": "flip_horizontal", "preprocessing": "none"}
    found = invariscope.measure(spec, images, **options).frame
    wanted = invariscope.measure(net, images, layers="last", **options).frame
    columns = ["metric", "level"]
    one, other = (
        f[f["layer"] == "logits"].set_index(columns)["value"].sort_index() for f in (found, wanted)
    )
    assert (one - other).abs().max() < 1e-4
    first = invariscope.measure(spec, images, **options).manifest["settings"]["weights"]
    net.state_dict()["4.bias"].add_(1)
    written(net, tmp_path / "net.onnx", shape=(3, 3, 12, 10))
    assert first != invariscope.measure(spec, images, **options).manifest["settings"]["weights"]


def test_derivatives_do_not_pass_in_silence(net, tmp_path):
    spec = written(net, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="derivatives do not pass through this program"):
        invariscope.measure(
            spec, IMAGES, transformations="rotate=10", metrics="lie_derivative",
            preprocessing={"like": "none", "size": None},
        )  # fmt: skip


def test_wrong_files_are_one_line(net, tmp_path):
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    written(net, tmp_path / "net.onnx", shape=("b", 3, 12, 10), kind="INT64")
    for spec, message in (
        (f"onnx:{tmp_path}/none.onnx", "does not exist"),
        (f"onnx:{tmp_path}", "is a folder"),
        (f"onnx:{text}", "cannot be opened by onnxruntime"),
        (f"onnx:{tmp_path}/net.onnx", r"takes pixels \['b', 3, 12, 10\] tensor\(int64\); one pict"),
        (written(net, tmp_path / "a.onnx") + "+untrained", "a program cannot be drawn anew"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load_model(spec)
        assert "\n" not in str(caught.value)
