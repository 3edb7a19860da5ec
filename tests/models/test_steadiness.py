"""Models that do not hold still are named, and by how much; those that do raise no alarm."""

import copy
import random
import re

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional

import invariscope
from invariscope.models import Probe, load_model
from invariscope.models.behind import modules_behind
from invariscope.models.steadiness import unsteady

PICTURES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
SMALL = 0.5 + 0.2 * (PICTURES - 0.5)


class Net(nn.Module):
    """A small network with something between its features and its classifier."""

    def __init__(self, between=lambda x: x, norm=None, dtype=torch.float32):
        super().__init__()
        torch.manual_seed(0)
        self.c = nn.Conv2d(3, 8, 3)
        self.norm = norm if norm is not None else nn.Identity()
        self.fc = nn.Linear(8, 5)
        self.between = between
        self.to(dtype)

    def forward(self, x):
        return self.fc(self.between(functional.relu(self.norm(self.c(x))).mean((2, 3))))


class Stubborn(nn.BatchNorm2d):
    """Stays in training mode, whatever it is told."""

    def train(self, mode=True):
        return super().train(True)


class Adapting(nn.Module):
    """Moves a weight of its own in each pass."""

    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x):
        with torch.no_grad():
            self.net.fc.weight.mul_(1.5)
        return self.net(x)


def only(model, pictures=PICTURES):
    (line,) = unsteady(load_model(model), pictures)
    assert "\n" not in line
    return line


def test_dropout_that_stays_on():
    line = only(Net(functional.dropout))
    assert re.search(r"random in eval mode: two passes over the same images differ by \d+ % ", line)
    assert "first before 'fc' (Linear)" in line


def test_the_share_is_that_of_the_noise():
    """Noise of 10 % and of 1 % of the distance between pictures is told apart."""
    shares = []
    for size in (0.1, 0.01):
        net = Net()
        z = net.fc.in_features
        apart = functional.pdist(Net()(PICTURES).detach()).square().mean().sqrt()

        def noisy(x, net=net, size=size, apart=apart, z=z):
            noise = torch.randn(len(x), 5)
            return net(x) + size * apart * noise / noise.norm(dim=1, keepdim=True)

        found = re.search(r"differ by ([\d.]+) %", only(noisy))
        assert found
        shares.append(float(found[1]))
    assert 5 < shares[0] < 21  # two draws of 10 % in some directions
    assert 0.5 < shares[1] < 2.1


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: x * np.random.rand(),  # noqa: NPY002
        lambda x: x * random.random(),
        lambda x: x * torch.rand(1, generator=GENERATOR),
        lambda x: x.where(torch.rand_like(x) > 0.3, 0),
    ],
)
def test_any_source_of_randomness(draw):
    assert "random in eval mode" in only(Net(draw))


GENERATOR = torch.Generator()


def test_randomness_that_seldom_shows():
    line = only(Net(lambda x: x if torch.rand(()) < 2 else x * 0))
    assert "draws random numbers in eval mode (from torch), though two passes" in line


def test_tokens_that_are_dropped_at_random():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(3, 8, 4, 4)
            self.block = nn.Sequential(nn.Linear(8, 8), nn.GELU())
            self.fc = nn.Linear(8, 5)

        def forward(self, x):
            x = self.c(x).flatten(2).transpose(1, 2)
            kept = torch.randperm(16)[: 8 + torch.randint(4, ())]
            return self.fc(self.block(x[:, kept]).mean(1))

    assert "random in eval mode" in only(Tokens())


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(
    ("norm", "why"),
    [
        (nn.BatchNorm2d(8, track_running_stats=False), "'norm' (BatchNorm2d), which normalises by"),
        (Stubborn(8), "'norm' (Stubborn), which is in training mode"),
    ],
)
def test_statistics_of_the_batch(norm, why, count):
    lines = unsteady(load_model(Net(norm=norm)), PICTURES[:count])
    (line,) = [one for one in lines if "depends on the other images" in one or "changes" in one]
    if "changes while it runs" in line:
        assert "norm.running_mean" in line or "norm.num_batches_tracked" in line
    else:
        assert re.search(r"in another batch it differs by \d+ % of the distance", line)
        assert why in line


@pytest.mark.parametrize("mix", [lambda x: x - x.mean(0), lambda x: x + x.flip(0)])
def test_images_that_are_mixed(mix):
    assert "depends on the other images of its batch" in only(Net(mix))


def test_a_network_that_moves_its_weights():
    line = only(Adapting())
    assert "the model changes while it runs: 'net.fc.weight' moves in a pass" in line


def test_a_width_that_changes():
    line = only(lambda x: x.flatten(1)[:, : 5 + len(x)])
    assert re.search(r"the embedding has 9 elements in one pass and 7 in another batch", line)


def broken(net, name, value):
    with torch.no_grad():
        net.get_parameter(name).view(-1)[0] = value
    return net


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            broken(Net(), "fc.weight", float("nan")),
            "in 'fc' (Linear), whose weights are not finite",
        ),
        (
            broken(Net(), "c.bias", float("inf")),
            "in 'c' (Conv2d), whose weights are not finite (c.",
        ),
        (Net(lambda x: x / 0), "before 'fc' (Linear), from finite weights and inputs"),
        (broken(Net(dtype=torch.float16), "c.bias", 6e4), "an overflow of half precision"),
    ],
)
def test_where_nan_begins(model, message):
    if "half" in message:
        model.between = lambda x: x * 4
    line = only(model)
    assert re.match(r"4 of the first 4 images give (NaN|infinity) at the \w+: it begins", line)
    assert message in line


def test_the_same_for_every_picture():
    (line,) = unsteady(load_model(lambda x: torch.ones(len(x), 3)), PICTURES)
    assert line.startswith("different images give the same at the embedding and the logits: ")
    (line,) = unsteady(load_model(lambda x: 0 * x.mean((2, 3))), PICTURES)
    assert line.startswith("all of the first 4 images give 0 at the embedding and the logits")
    nearly = lambda x: 1e3 + 5e-3 * x.mean((2, 3))  # noqa: E731
    assert "but for rounding" in unsteady(load_model(nearly), PICTURES)[0]


STEADY = {
    "resnet": lambda: timm.create_model("resnet10t"),
    "vit": lambda: timm.create_model("test_vit"),
    "convnext": lambda: timm.create_model("test_convnext"),
    "efficientnet": lambda: timm.create_model("test_efficientnet"),
    "byobnet": lambda: timm.create_model("test_byobnet"),
    "shufflenet": lambda: torchvision.models.shufflenet_v2_x0_5(),
    "squeezenet": lambda: torchvision.models.squeezenet1_1(),
    "mobilenet": lambda: torchvision.models.mobilenet_v3_small(),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", STEADY)
def test_no_false_alarm(name, dtype):
    """Untrained, so that pictures are close to one another, and alike: rounding shows most."""
    torch.manual_seed(0)
    size = 160 if name in ("vit", "convnext", "efficientnet", "byobnet") else 64
    pictures = functional.interpolate(SMALL, (size, size), mode="bilinear")
    model = STEADY[name]().to(dtype)
    lines = unsteady(load_model(model, preprocessing={"size": size}), pictures)
    if dtype == torch.bfloat16:  # which cannot tell some of these pictures apart
        lines = tuple(line for line in lines if "different images give the same" not in line)
    assert lines == ()


def test_rounding_that_a_network_enlarges_is_no_finding():
    """Its mean differs in the last bit between batch sizes, as that of kernels does."""

    def chaotic(x):
        mean = x.mean((2, 3)) * (1 + 6e-8 * (len(x) % 4))
        return torch.sin(1e6 * mean)

    assert not torch.equal(chaotic(PICTURES)[:2], chaotic(PICTURES[:2]))
    assert unsteady(load_model(chaotic), PICTURES) == ()


def test_the_same_pictures_are_no_finding():
    assert unsteady(load_model(Net()), PICTURES[:1].expand(4, -1, -1, -1)) == ()
    assert unsteady(load_model(Net()), PICTURES[:1]) == ()


def states():
    return (
        torch.get_rng_state().tolist(),
        dict(np.random.get_state(legacy=False))["state"]["key"].tolist(),  # noqa: NPY002
    )


def test_the_generators_of_the_process_stay():
    net = Net(lambda x: functional.dropout(x) * np.random.rand())  # noqa: NPY002
    probe = load_model(net)
    probe.watch("last", PICTURES[:2])  # the network itself draws in its dry run
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = states()
    assert "random" in unsteady(probe, PICTURES)[0]
    assert states() == before


def test_what_is_behind_a_callable_does_not_move():
    norm = nn.BatchNorm2d(8)
    net = Net(norm=norm).train()
    before = copy.deepcopy(net.state_dict())
    result = invariscope.measure(
        lambda x: net(x), PICTURES, transformations="brightness_down=0.5", layers="last"
    )
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert net.training
    assert not any(part._forward_hooks for part in net.modules())
    assert "Net in training mode" in result.manifest["decisions"]["network behind the model"]
    (line,) = [w for w in result.warnings if "depends on the other images" in w]
    assert "'norm' (BatchNorm2d), which is in training mode: call eval() before" in line


class Holder:
    def __init__(self, net):
        self.nets = {"first": [net]}

    def __call__(self, x):
        return self.nets["first"][0](x)

    def embed(self, x):
        return self(x)


SHARED = Net()


def through_a_global(x):
    return SHARED(x)


def test_modules_are_found_behind_what_people_write():
    net = Net()
    from functools import partial, wraps

    def decorated(function):
        @wraps(function)
        def inner(*args):
            return function(*args)

        return inner

    def inner(x, net=net):
        return net(x)

    ways = [
        lambda x: net(x), net.forward, partial(net), Holder(net), Holder(net).embed, inner,
        decorated(lambda x: net(x)), torch.no_grad()(lambda x: net(x)),
        torch.compile(lambda x: net(x), backend="eager"),
    ]  # fmt: skip
    for way in ways:
        assert modules_behind(way) == (net,), way
    assert modules_behind(through_a_global) == (SHARED,)
    assert modules_behind(Net(lambda x: net.fc(net.c(x)))) == (net,)
    assert modules_behind(lambda x: x) == ()


def test_a_module_behind_a_hook_is_found_in_a_network_of_many_modules():
    net = nn.Linear(2, 2)
    blocks = [nn.Sequential(nn.Identity(), nn.Identity()) for _ in range(400)]
    blocks[-1].register_forward_hook(lambda module, given, out: net(out))
    assert modules_behind(nn.Sequential(*blocks)) == (net,)


def test_a_callable_without_a_network_says_so():
    probe = load_model(torch.sigmoid)
    said = probe.decisions(PICTURES[:1])["network behind the model"]
    assert said.startswith("none is found behind this callable")
    assert "network behind the model" not in load_model(Net()).decisions(PICTURES[:1])


def test_it_stands_at_the_top_of_a_run_and_of_a_search():
    labels = np.arange(4) % 2
    result = invariscope.measure(
        Net(functional.dropout), PICTURES, transformations="rotate=90", layers="last"
    )
    assert any("random in eval mode" in line for line in result.warnings)
    found = invariscope.find_factors(
        Net(functional.dropout), (PICTURES, labels), operations="rotate=90", pairs=1
    )
    assert any("random in eval mode" in line for line in found.manifest["warnings"])


def test_inside_the_modes_of_a_caller():
    with torch.inference_mode():
        assert unsteady(load_model(Net()), PICTURES) == ()
    torch.use_deterministic_algorithms(True)
    try:
        assert unsteady(load_model(Net()), PICTURES) == ()
        assert "random in eval mode" in only(Net(functional.dropout))
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_probe_is_checked_as_it_is():
    probe = load_model(Net())
    assert isinstance(probe, Probe)
    assert probe.networks == (probe.module,)
