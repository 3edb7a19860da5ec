"""Modules of kinds that are easily got wrong, loaded and measured."""

import warnings

import pytest
import torch
from torch import Tensor, nn

import invariscope
from invariscope.errors import InputError
from invariscope.models import load_model

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv: nn.Module = nn.Conv2d(3, 6, 3)
        self.fc = nn.Linear(6, 4)

    def forward(self, images):
        return self.fc(self.conv(images).relu().mean((2, 3)))


class Volume(Net):
    """A picture as a clip of one frame, under a weight of five axes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 6, (1, 3, 3))

    def forward(self, images):
        return self.fc(self.conv(images[:, :, None]).relu().mean((2, 3, 4)))


class Clips(Volume):
    """Takes [clip, channel, frame, height, width] alone."""

    def forward(self, images):
        _, _, _, height, width = images.shape
        return self.fc(self.conv(images).relu().mean((2, 3, 4))) * (height / width)


def measured(model):
    result = invariscope.measure(
        model, IMAGES, transformations="rotate=90", metrics="relative_invariance"
    )
    frame = result.frame[result.frame.level == 1]
    return {layer: float(rows.value.iloc[0]) for layer, rows in frame.groupby("layer")}


def vectors(model):
    probe = load_model(model)
    probe.watch("last", IMAGES)
    return probe.forward(IMAGES, ["embedding", "logits"]).vectors


def embedding(model):
    return vectors(model)["embedding"]


def test_a_weight_of_five_axes_is_measured():
    flat, deep = Net(), Volume()
    state = flat.state_dict()
    deep.load_state_dict({**state, "conv.weight": state["conv.weight"][:, :, None]})
    assert torch.allclose(embedding(deep), embedding(flat), atol=1e-6)
    found, wanted = measured(deep), measured(flat)
    assert found["embedding"] == pytest.approx(wanted["embedding"], abs=1e-5)
    assert found["logits"] == pytest.approx(wanted["logits"], abs=1e-5)


def test_a_network_of_clips_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"clip|frame|video") as caught:
        measured(Clips())
    assert "\n" not in str(caught.value)


def test_the_caller_may_load_and_measure_in_inference_mode():
    wanted = measured(Net())
    with torch.inference_mode():
        made = Net()  # its parameters are inference tensors
        found = measured(made), measured(Net().requires_grad_(False))
        inside = embedding(made)
        kept = load_model(made).module
    for each in found:
        assert each == pytest.approx(wanted, abs=1e-6)
    assert torch.equal(inside, embedding(Net()))
    assert kept is not None
    assert not any(value.is_inference() for value in kept.parameters())  # derivatives need that


def test_an_int8_network_gives_the_vector_of_its_own_classifier():
    plain = Net().eval()
    with warnings.catch_warnings():  # torch points to another library
        warnings.simplefilter("ignore")
        int8 = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}, dtype=torch.qint8)
    assert type(int8.fc) is not nn.Linear
    assert torch.allclose(embedding(int8), embedding(plain), atol=1e-6)
    found, wanted = measured(int8), measured(plain)
    assert found["embedding"] == pytest.approx(wanted["embedding"], abs=1e-6)
    with torch.no_grad():  # its scores are its own, not the plain network's
        assert torch.equal(vectors(int8)["logits"], int8(IMAGES))
    assert found["logits"] > 0


class Around(nn.Module):
    """A backbone of any kind, a matrix that it holds, and a classifier."""

    def __init__(self, backbone, matrix):
        super().__init__()
        self.backbone, self.fc = backbone, Net().fc
        self.register_buffer("matrix", matrix)

    def forward(self, images):
        features = self.backbone(images)
        return self.fc((self.matrix @ features.mT).mT)


class Pooled(Net):
    def forward(self, images):
        return self.conv(images).relu().mean((2, 3))


@pytest.fixture(scope="module")
def plain():
    return measured(Around(Pooled(), torch.eye(6)).eval())


def test_a_backbone_of_torchscript_under_a_classifier(plain):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have torch.export
        backbone = torch.jit.trace(Pooled().eval(), IMAGES)
    model = Around(backbone, torch.eye(6)).eval()
    own = measured(model)
    assert own["embedding"] == pytest.approx(plain["embedding"], abs=1e-5)
    assert own["logits"] == pytest.approx(plain["logits"], abs=1e-5)
    with pytest.raises(InputError, match="layer 'backbone' is TorchScript, into which nothing can"):
        load_model(model).watch("backbone", IMAGES)


@pytest.mark.parametrize(
    "matrix",
    [torch.eye(6).to_sparse(), torch.eye(6).to(torch.float8_e4m3fn)],
    ids=["sparse", "float8"],
)
def test_buffers_of_any_layout_and_type(matrix, plain):
    class Kept(Around):
        def forward(self, images):
            return self.fc(self.backbone(images))

    model = (Kept if matrix.dtype is torch.float8_e4m3fn else Around)(Pooled(), matrix).eval()
    assert measured(model)["logits"] == pytest.approx(plain["logits"], abs=1e-6)
    hashes = {load_model(Kept(Pooled(), other)).weights_hash for other in (matrix, matrix.clone())}
    assert len(hashes) == 1
    assert load_model(Kept(Pooled(), torch.zeros(6, 6).to_sparse())).weights_hash not in hashes


class Laid(Net):
    """An answer, and the output of a part, that are laid out in another way."""

    def __init__(self, inner, outer):
        super().__init__()
        self.inner, self.outer, self.look = inner, outer, nn.Identity()

    def forward(self, images):
        self.look(self.inner(images))
        return self.outer(super().forward(images))


def ragged(images):
    return torch.nested.nested_tensor(list(images.flatten(2).mT), layout=torch.jagged)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (nn.Identity(), Tensor.to_sparse),
        (Tensor.to_sparse, nn.Identity()),
        (Tensor.to_mkldnn, nn.Identity()),
        (ragged, nn.Identity()),
    ],
    ids=["sparse answer", "sparse part", "oneDNN part", "ragged part"],
)
def test_outputs_of_any_layout(inner, outer):
    result = invariscope.measure(
        Laid(inner, outer).eval(), IMAGES, transformations="rotate=90", layers="*"
    )
    frame = result.frame.query("metric == 'relative_invariance' and level == 1")
    found = dict(zip(frame["layer"], frame["value"], strict=True))
    assert found["logits"] == pytest.approx(measured(Net().eval())["logits"], abs=1e-6)


def test_weights_that_are_not_there_yet():
    lazy = nn.Sequential(nn.LazyConv2d(8, 3), nn.Flatten(), nn.Linear(8, 3))
    with pytest.raises(InputError, match=r"0\.weight is lazy and has no shape yet; call the model"):
        load_model(lazy)
    with pytest.raises(InputError, match=r"conv\.weight is on the device meta, which keeps no num"):
        load_model(Net().to("meta"))
    with pytest.raises(InputError, match="it returns a nested tensor; a dense one works"):
        load_model(Laid(nn.Identity(), ragged_scores)).watch("last", IMAGES)


def ragged_scores(scores):
    return torch.nested.nested_tensor(list(scores[:, None]), layout=torch.jagged)
