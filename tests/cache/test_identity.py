"""What a pass is known by: every change that can move a number makes another identity."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from invariscope.cache import Shown
from invariscope.cache.identity import (
    NoIdentity,
    drawn_for,
    identify_network,
    identify_operation,
)
from invariscope.models import Preprocessing, load_model
from invariscope.transformations import (
    Family,
    Operation,
    Resampling,
    Transformation,
    get_transformation,
)

FRAME = (3, 8, 8)
HOW = Preprocessing(size=(8, 8), mean=(0.5,) * 3, std=(0.2,) * 3)


class Net(nn.Module):
    """A small network; the seed draws its weights."""

    def __init__(self, seed=0, act=torch.relu):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)
        self.act = act

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


def of(module, how=HOW, layers=("embedding", "logits"), frame=FRAME):
    return identify_network(load_model(module, preprocessing=how), layers, frame)


class Scaled(Net):
    """It has a number that is neither a parameter nor a buffer."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return super().forward(x) * self.scale


def test_the_same_network_is_the_same():
    assert of(Net()) == of(Net())
    names = of(Net()).layers
    assert of(Net(), layers=("embedding", "conv", "logits")).layers.items() >= names.items()


def test_every_change_of_the_network_is_another():
    known = {
        "net": of(Net()),
        "weights": of(Net(seed=1)),
        "code": of(Net(act=nn.functional.gelu)),
        "type": of(Net().double()),
        "hidden number": of(Scaled(2.0)),
        "another hidden number": of(Scaled(3.0)),
        "mean": of(Net(), replace(HOW, mean=(0.4,) * 3)),
        "std": of(Net(), replace(HOW, std=(0.3,) * 3)),
        "order": of(Net(), replace(HOW, channel_order="bgr")),
        "size": of(Net(), frame=(3, 9, 9)),
    }
    for (one, a), (other, b) in itertools.combinations(known.items(), 2):
        assert (a.name, a.layers["logits"]) != (b.name, b.layers["logits"]), (one, other)


def test_the_number_of_threads_is_part_of_it():
    before = torch.get_num_threads()
    known = of(Net())
    try:
        torch.set_num_threads(before + 1)
        assert of(Net()).name != known.name
    finally:
        torch.set_num_threads(before)


class Bright(Net):
    """Its second weight shows on pictures that are brighter than noise."""

    def __init__(self, weight):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(weight))

    def forward(self, x):
        return super().forward(x) + self.gain * (x.mean((1, 2, 3)) > 2)[:, None]


def test_weights_count_where_the_noise_does_not_show_them():
    one, other = of(Bright(1.0)), of(Bright(2.0))
    assert one.layers == other.layers
    assert one.name != other.name


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


class Decided(Net):
    """Its answer is a decision, which tells little of what was before."""

    def __init__(self, factor):
        super().__init__()
        self.times = Times(factor)

    def forward(self, x):
        return (super().forward(self.times(x)) > 0).float()


def test_code_counts_where_the_answer_does_not_show_it():
    one, other = (
        identify_network(
            load_model(Decided(factor), preprocessing=HOW, embedding="times"), ["logits"], FRAME
        )
        for factor in (2.0, 2.000001)
    )
    assert one.layers == other.layers
    assert one.name != other.name


def test_a_layer_that_is_read_in_another_way_is_another():
    probe = load_model(Net(), preprocessing=HOW)
    named = load_model(Net(), preprocessing=HOW, embedding="conv")
    plain, other = (identify_network(p, ["conv", "embedding"], FRAME) for p in (probe, named))
    assert plain.layers["embedding"] != other.layers["embedding"]
    assert plain.layers["conv"] == other.layers["conv"]


class Dropping(Net):
    def forward(self, x):
        return super().forward(nn.functional.dropout(x))


class Counting(Net):
    def forward(self, x):
        self.count = getattr(self, "count", 0) + 1
        return super().forward(x) + self.count


class Picky(Net):
    def forward(self, x):
        if len(x) == 2 and float(x.std()) > 1e-3:
            raise ValueError("not noise")
        return super().forward(x)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda x: x.flatten(1), "a plain callable has no weights"),
        (Dropping(), "two passes over the same pictures differ"),
        (Counting(), "two passes over the same pictures differ"),
        (Picky(), "it fails on pictures of noise"),
    ],
)
def test_networks_without_an_identity(model, reason):
    state = torch.get_rng_state()
    probe = load_model(model, preprocessing=HOW)
    with pytest.raises(NoIdentity, match=reason):
        identify_network(probe, ["embedding", "logits"], FRAME)
    assert torch.equal(state, torch.get_rng_state())


def step(name, level=3, **changes):
    return replace(get_transformation(name), **changes), level


def family(change):
    return Transformation(
        Family("mine", "appearance", "", 0.0, "mine", change=change), (0.0, 1.0), False, (0, 1),
        Resampling(),
    )  # fmt: skip


def test_every_change_of_an_operation_is_another():
    turn, how = get_transformation("rotate"), Resampling(interpolation="nearest")
    known = [
        Operation("identity"),
        Operation("a", (step("rotate", 2),)),
        Operation("a", (step("rotate", 3),)),
        Operation("a", (step("rotate", 3),), there_and_back=True),
        Operation("a", ((replace(turn, resampling=how), 3),)),
        Operation("a", ((replace(turn, resampling=Resampling(fill=0.5001)), 3),)),
        Operation("a", ((replace(turn, resampling=Resampling(fill=0.5002)), 3),)),
        Operation("a", (step("posterize"), step("rotate", 3))),
        Operation("a", (step("rotate", 3), step("posterize"))),
        Operation("a", ((family(lambda x, m: 1 - x), 1),)),
        Operation("a", ((family(lambda x, m: x * 0.5), 1),)),
    ]
    assert len({identify_operation(operation, FRAME) for operation in known}) == len(known)
    same = [Operation(name, (step("rotate", 3), step("shear_x", 0))) for name in ("a", "b")]
    assert {identify_operation(operation, FRAME) for operation in (*same, known[2])} == {
        identify_operation(known[2], FRAME)
    }


def noisy(x, m):
    return (x + 0.1 * torch.rand_like(x)).clamp(0, 1)


def numpy_noise(x, m):
    return x * float(np.random.rand())  # noqa: NPY002


def broken(x, m):
    raise KeyError("no")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (noisy, "draws random"),
        (numpy_noise, "draws random"),
        (broken, "fails on pictures of noise"),
    ],
)
def test_operations_without_an_identity(change, reason):
    with pytest.raises(NoIdentity, match=reason):
        identify_operation(Operation("a", ((family(change), 1),)), FRAME)


def test_what_is_drawn_depends_on_seed_and_ids():
    turn = Operation("a", (step("rotate"), step("zoom_in")))
    pixels, ids = torch.zeros(20, 3, 8, 8), [str(number) for number in range(20)]
    drawn = [drawn_for(turn, Shown(pixels, ids, seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    (turned, _), (zoomed, seeds) = drawn[0]
    assert set(turned) == {60.0, -60.0}
    assert len(zoomed) == 1  # one direction only
    assert not seeds
    assert drawn_for(turn, Shown(pixels, ids[::-1], 0))[0][0] == turned[::-1]


def test_a_corruption_is_known_by_what_its_images_draw_from():
    fog = Operation("a", ((get_transformation("corruption:fog"), 2),))
    pixels, ids = torch.zeros(3, 3, 8, 8), ["a", "b", "c"]
    ((_, seeds),) = drawn_for(fog, Shown(pixels, ids, 0))
    assert len(set(seeds)) == 3
    assert drawn_for(fog, Shown(pixels, ids[::-1], 0))[0][1] == seeds[::-1]
    assert not set(drawn_for(fog, Shown(pixels, ids, 1))[0][1]) & set(seeds)


def test_images_are_known_by_their_pixels_in_order():
    pixels = torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(2, 3, 2, 2)
    shown = [pixels, pixels.flip(0), pixels.float() / 255, pixels[:1], pixels.flip(3)]
    digests = {Shown(p, ["a", "b"], 0).digest for p in shown}
    assert len(digests) == len(shown)
    assert Shown(pixels, ["a", "b"], 0).digest == Shown(pixels.clone(), ["x", "y"], 1).digest
    assert Shown(pixels, ["a", "b"], 0).frame == (3, 2, 2)
