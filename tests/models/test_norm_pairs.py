"""Which batch norms are folded: those that alone read a convolution, unseen by anybody."""

import pytest
import torch
from torch import Tensor, nn

from invariscope.models.norm_pairs import Pair, norm_pairs

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A convolution, a norm, and what the test wants between the two."""

    def __init__(self, between=lambda conv, x: x, norm: nn.Module | None = None, after=None):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4) if norm is None else norm
        self.head = nn.Linear(4, 2)
        self.between, self.after = between, after
        self.eval()

    def forward(self, images):
        maps = self.between(self.conv, self.conv(images))
        out = self.head(self.norm(maps).relu().mean((2, 3)))
        return out if self.after is None else self.after(maps, out)


def pairs(net: nn.Module, watched=()) -> tuple[Pair, ...]:
    return norm_pairs(net, net, IMAGES, watched)


FOUND = (Pair("conv", "norm"),)


def test_a_norm_that_alone_reads_a_convolution_is_found():
    assert pairs(Net()) == pairs(Net(), ["head"]) == FOUND
    assert pairs(Net(norm=nn.BatchNorm2d(4, affine=False))) == FOUND


@pytest.mark.parametrize("watched", ["conv", "norm"])
def test_not_where_either_is_watched(watched):
    assert pairs(Net(), [watched]) == ()


@pytest.mark.parametrize(
    "net",
    [
        Net(after=lambda maps, out: out + maps.mean()),  # read twice
        Net(after=lambda maps, out: {"out": out, "maps": maps}),  # part of the output
        Net(after=lambda maps, out: (out, [maps])),
        Net(between=lambda conv, x: x.mul_(2)),  # changed in place
        Net(between=lambda conv, x: x * 2),
        Net(between=lambda conv, x: conv(IMAGES + 1) + x),  # the convolution runs twice
        Net(after=lambda maps, out: out + maps.detach().flatten()[0]),
    ],
)
def test_not_where_something_else_reads_what_lies_between(net):
    assert pairs(net) == ()


class Forced(nn.BatchNorm2d):
    """A norm of somebody's own, of which nobody knows what else it does."""


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(4, track_running_stats=False),
        Forced(4),
        nn.InstanceNorm2d(4, track_running_stats=True),
        nn.GroupNorm(2, 4),
        nn.Identity(),
    ],
)
def test_not_a_norm_of_another_kind_or_of_the_batch(norm):
    assert pairs(Net(norm=norm)) == ()


def test_not_a_norm_in_training_mode():
    net = Net()
    net.norm.train()
    assert pairs(net) == ()


@pytest.mark.parametrize("name", ["conv", "norm"])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_not_where_somebody_has_hung_a_hook(name, kind):
    net = Net()
    getattr(net.get_submodule(name), kind)(lambda *seen: None)
    assert pairs(net) == ()


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.norm = nn.Sequential(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)
        self.eval()

    def forward(self, images):
        return self.norm(self.inner(images)).relu()


def test_not_where_a_module_around_the_convolution_is_watched_or_hooked():
    assert pairs(Wrapped()) == (Pair("inner.0", "norm"),)
    assert pairs(Wrapped(), ["inner"]) == ()
    hooked = Wrapped()
    hooked.inner.register_forward_hook(lambda *seen: None)
    assert pairs(hooked) == ()


def test_not_a_convolution_whose_weight_is_computed():
    net = Net()
    nn.utils.parametrizations.weight_norm(net.conv)
    assert pairs(net) == ()


class WithoutBias(nn.Conv2d):
    def forward(self, input):
        return self._conv_forward(input, self.weight, None)


def test_not_a_convolution_that_leaves_its_bias_out():
    net = nn.Sequential(WithoutBias(3, 4, 3), nn.BatchNorm2d(4)).eval()
    assert pairs(net) == ()


class Shared(nn.Module):
    """One convolution before two norms, or one norm after two convolutions."""

    def __init__(self, convs: int, norms: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 4, 3) for _ in range(convs))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(norms))
        self.eval()

    def forward(self, images) -> Tensor:
        first, second = self.convs[0](images), self.convs[-1](images + 1)
        return self.norms[0](first) + self.norms[-1](second)


def test_not_what_runs_twice():
    assert pairs(Shared(1, 2)) == pairs(Shared(2, 1)) == ()
    assert len(pairs(Shared(2, 2))) == 2


def test_padding_and_groups_and_other_dimensions_do_not_matter():
    same = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding="same", padding_mode="reflect", groups=3), nn.BatchNorm2d(6)
    ).eval()
    assert pairs(same) == (Pair("0", "1"),)
    line = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)).eval()
    assert norm_pairs(line, line, torch.rand(2, 3, 9), []) == (Pair("0", "1"),)


def test_addresses_that_are_used_again_hide_no_pair():
    body = [nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(12)]
    net = nn.Sequential(nn.Conv2d(3, 8, 1), *body).eval()
    assert len(pairs(net, [str(k) for k in range(13)])) == 12
