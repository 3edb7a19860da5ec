"""Augerino against closed forms, SciPy's exponential and finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scipy.linalg import expm
from torch import nn
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.training.augerino import (
    GENERATORS,
    Augerino,
    AugerinoSettings,
    Widths,
    basis,
    inverse_warp,
    motions,
)

NAMES = list(GENERATORS)


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def smooth(count=3, side=12, seed=0):
    noise = np.random.default_rng(seed).random((count, 2, side, side))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5), mode="wrap"))


def network(side=12, classes=3):
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * (side - 2) ** 2, classes)
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("names", [[name] for name in NAMES] + [NAMES, ["tx", "rot", "shear"]])
def test_matrices_are_scipys(names):
    weights = 3 * drawn(20, len(names)) - 1.5
    ours = motions(weights, basis(names))
    for k in range(20):
        total = sum(float(w) * g.numpy() for w, g in zip(weights[k], basis(names), strict=True))
        assert np.allclose(ours[k], expm(total), atol=1e-12)


@pytest.mark.parametrize("w", [-0.7, 0.4])
def test_matrices_in_closed_form(w):
    def matrix(name):
        return motions(torch.tensor([[w]], dtype=torch.float64), basis([name]))[0].tolist()

    grow, shrink, one = math.exp(w), math.exp(-w), 1.0
    expected = {
        "tx": [[1, 0, w], [0, 1, 0], [0, 0, one]],
        "ty": [[1, 0, 0], [0, 1, w], [0, 0, one]],
        "rot": [[math.cos(w), -math.sin(w), 0], [math.sin(w), math.cos(w), 0], [0, 0, one]],
        "scale": [[grow, 0, 0], [0, grow, 0], [0, 0, one]],
        "stretch": [[grow, 0, 0], [0, shrink, 0], [0, 0, one]],
        "shear": [[math.cosh(w), math.sinh(w), 0], [math.sinh(w), math.cosh(w), 0], [0, 0, one]],
    }
    for name in NAMES:
        assert np.allclose(matrix(name), expected[name], atol=1e-12), name


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_uniform_within_the_width(name):
    augerino = Augerino(nn.Identity(), [name], start={name: 1.3})
    weights = augerino.weights(drawn(20_000, 1)).detach()[:, 0]
    assert stats.kstest(weights, stats.uniform(-0.65, 1.3).cdf).pvalue > 0.01


def test_zooming_in_draws_half_of_the_weights_of_scale_only():
    augerino = Augerino(
        nn.Identity(), ["scale", "tx"], start={"scale": 2.0, "tx": 1.0}, zoom_in=True
    )
    weights = augerino.weights(drawn(20_000, 2)).detach()
    assert stats.kstest(weights[:, 0], stats.uniform(-1, 1).cdf).pvalue > 0.01
    assert stats.kstest(weights[:, 1], stats.uniform(-0.5, 1).cdf).pvalue > 0.01
    # a negative weight reads closer to the centre: a dot two pixels off moves away from it
    image = torch.zeros(1, 1, 17, 17)
    image[..., 8, 10] = 1
    largest = augerino.moved(image, torch.tensor([[1.0, 0.5]])).detach()
    place = (largest.sum(dim=2)[0, 0] * torch.arange(17.0)).sum() / largest.sum()
    assert float(place) - 8 == pytest.approx(2 * math.e, abs=0.1)


@pytest.mark.parametrize(("matrix", "expected"), [
    ([[1, 0, 0.5], [0, 1, 0], [0, 0, 1]], lambda x: functional.pad(x, (0, 2))[..., 2:]),
    ([[1, 0, 0], [0, 1, -0.5], [0, 0, 1]], lambda x: functional.pad(x, (0, 0, 2, 0))[..., :9, :]),
    ([[0, -1, 0], [1, 0, 0], [0, 0, 1]], lambda x: torch.rot90(x, 1, (2, 3))),
])  # fmt: skip
def test_warps_are_index_paths_where_they_can_be(matrix, expected):
    image = drawn(1, 2, 9, 9)
    moved = inverse_warp(image, torch.tensor([matrix], dtype=torch.float64))
    assert torch.allclose(moved, expected(image), atol=1e-9)
    filled = inverse_warp(image, torch.tensor([matrix], dtype=torch.float64), fill=-1.0)
    outside = expected(torch.ones_like(image)) == 0
    assert torch.allclose(filled[outside], -torch.ones(int(outside.sum()), dtype=torch.float64))
    assert torch.allclose(filled[~outside], moved[~outside], atol=1e-9)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("copies", [1, 3])
def test_gradients_are_finite_differences(separate, copies):
    augerino = Augerino(
        network(), NAMES, separate=separate, zoom_in=separate, train_copies=copies, regulariser=0.3,
        start=dict.fromkeys(NAMES, 0.5),
    ).double()  # fmt: skip
    images, targets, draws = smooth(), torch.tensor([0, 2, 1]), drawn(3, copies, 6, seed=4)
    raw = augerino.widths.raw

    def loss():
        return augerino.loss(augerino(images, draws), targets)

    (gradient,) = torch.autograd.grad(loss(), raw)
    for k in range(len(NAMES)):
        ends = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                raw[k] += step
                ends.append(float(loss().detach()))
                raw[k] -= step
        numeric = (ends[0] - ends[1]) / 2e-6
        assert float(gradient[k]) == pytest.approx(numeric, rel=1e-4, abs=1e-7), NAMES[k]
        assert abs(numeric) > 1e-6


def test_translations_come_first_and_are_resampled_on_their_own():
    both = Augerino(nn.Identity(), ["scale", "tx"], separate=True).double()
    numbers = drawn(4, 2, seed=2)
    weights = both.weights(numbers)
    image = smooth(4)
    shift = motions(weights[:, 1:], basis(["tx"]))
    zoom = motions(weights[:, :1], basis(["scale"]))
    expected = inverse_warp(inverse_warp(image, shift), zoom)
    assert torch.allclose(both.moved(image, numbers), expected)
    together = Augerino(nn.Identity(), ["scale", "tx"]).double().moved(image, numbers)
    assert not torch.allclose(together, expected, atol=1e-3)


def test_a_test_averages_log_softmax_over_copies_and_draws_alike():
    augerino = Augerino(network(), ["tx", "rot"], copies=3).double().eval()
    images, numbers = smooth(5), drawn(5, 3, 2)
    singles = [
        functional.log_softmax(augerino.model(augerino.moved(images, numbers[:, k])), dim=1)
        for k in range(3)
    ]
    found = augerino(images, numbers)
    assert torch.allclose(found, torch.stack(singles).mean(dim=0))
    whole = augerino.eval()(images)
    parts = [augerino.eval()(images[:2]), augerino(images[2:])]
    assert torch.allclose(whole, torch.cat(parts))
    augerino.test_seed = 1
    assert not torch.allclose(augerino.eval()(images), whole)
    augerino.enabled = False
    assert torch.equal(augerino(images), augerino.model(images))


def test_the_loss_is_linear_in_the_copies():
    augerino = Augerino(network(), ["tx"], train_copies=3, regulariser=0.0).double()
    images, targets, numbers = smooth(), torch.tensor([0, 1, 2]), drawn(3, 3, 1)
    each = [
        functional.cross_entropy(augerino.model(augerino.moved(images, numbers[:, k])), targets)
        for k in range(3)
    ]
    assert augerino.loss(augerino(images, numbers), targets).item() == pytest.approx(
        torch.stack(each).mean().item()
    )
    one = Augerino(augerino.model, ["tx"], regulariser=0.0).double()
    loss = one.loss(one(images, numbers[:, :1]), targets)
    assert loss.item() == pytest.approx(each[0].item())
    shares = functional.one_hot(targets, 3).double()
    assert one.loss(one(images, numbers[:, :1]), shares).item() == pytest.approx(loss.item())


def test_training_draws_from_the_generator_that_is_given():
    augerino = Augerino(network(), ["tx"]).double()
    images = smooth()
    one = augerino(images, generator=torch.Generator().manual_seed(3))
    again = augerino(images, generator=torch.Generator().manual_seed(3))
    assert torch.equal(one, again)
    torch.manual_seed(3)
    assert torch.equal(augerino(images), one)


def test_each_width_is_shut_down_on_its_own_and_taken_up_again():
    widths = Widths(["tx", "ty"], start={"tx": 1.0, "ty": 1.5}, shutdown={"ty": 1.4})
    assert widths.pushed().tolist() == [1, 0]
    assert widths.norm().item() == pytest.approx(1.0)
    (gradient,) = torch.autograd.grad(widths.norm(), widths.raw)
    assert gradient[0] > 0
    assert gradient[1] == 0
    with torch.no_grad():
        widths.raw[1] -= 0.3
    assert widths.pushed().tolist() == [1, 1]
    assert widths.norm().item() == pytest.approx(widths().norm().item())


def test_nothing_is_pushed_once_all_are_shut_down():
    widths = Widths(["tx", "ty"], start={"tx": 1.3, "ty": 1.3})
    norm = widths.norm()
    (gradient,) = torch.autograd.grad(norm, widths.raw)
    assert norm == 0
    assert gradient.tolist() == [0, 0]


def test_the_original_shuts_all_down_at_once():
    start = {"tx": 9.0, "ty": 10.5}
    assert Widths(["tx", "ty"], start=start, mode="all").norm() == 0
    widths = Widths(["tx", "ty"], start={"tx": 9.0, "ty": 2.0}, mode="all")
    assert widths.norm().item() == pytest.approx(math.hypot(9, 2))


def test_the_regulariser_widens_and_the_task_narrows():
    """Where is the bar? Shifts along x hurt, those along y do not matter."""
    images = torch.zeros(30, 2, 12, 12, dtype=torch.float64)
    targets = torch.arange(30) % 3
    for k in range(30):
        images[k, :, :, 1 + 4 * targets[k] : 3 + 4 * targets[k]] = 1

    def after(regulariser):
        torch.manual_seed(0)
        start = {"tx": 1.0, "ty": 1.0}
        linear = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12 * 12, 3))
        augerino = Augerino(linear, ["tx", "ty"], regulariser=regulariser, start=start).double()
        groups = augerino.parameter_groups(0.2, 0.0)
        groups[1]["lr"] = 1.0
        optimizer = torch.optim.SGD(groups)
        generator = torch.Generator().manual_seed(0)
        for _ in range(40):
            optimizer.zero_grad()
            augerino.loss(augerino(images, generator=generator), targets).backward()
            optimizer.step()
        return augerino.widths.physical()

    task, pushed = after(0.0), after(0.5)
    assert task["tx"] < 0.1 < 0.15 < task["ty"]
    assert pushed["tx"] > task["tx"] + 0.05
    assert pushed["ty"] > 0.28


def test_parameter_groups():
    model = network()
    augerino = Augerino(model, ["tx"])
    one, two = augerino.parameter_groups(0.1, 1e-4)
    assert one == {"params": list(model.parameters()), "lr": 0.1, "weight_decay": 1e-4}
    assert two["params"][0] is augerino.widths.raw
    assert (two["lr"], two["weight_decay"]) == (pytest.approx(0.01), 0.0)
    control = Augerino(model, ["tx"], learned=False)
    assert len(control.parameter_groups(0.1, 0.0)) == 1
    assert control.regularisation() == 0
    assert not control.widths.raw.requires_grad


def test_widths_in_physical_units():
    start = {"tx": 1.2, "ty": 0.4, "rot": math.pi, "scale": 2 * math.log(3.57), "stretch": 1.0}
    found = Augerino(nn.Identity(), list(start), start=start).numbers()
    assert found == pytest.approx(
        {"augerino tx": 0.3, "augerino ty": 0.1, "augerino rot": 90, "augerino scale": 3.57,
         "augerino stretch": math.exp(0.5)}, rel=1e-5,
    )  # fmt: skip
    defaults = {
        name: generator.physical(generator.shutdown) for name, generator in GENERATORS.items()
    }
    assert defaults["tx"] == pytest.approx(0.3)
    assert defaults["scale"] == pytest.approx(1 / 0.28)


def test_settings_as_text():
    text = "tx, ty,scale; regulariser=0.4; zoom_in; separate; copies=2; shutdown.scale=1.5; fill=-1"
    augerino = AugerinoSettings.parse(text).wrap(nn.Identity())
    assert augerino.widths.generators == ("tx", "ty", "scale")
    assert (augerino.regulariser, augerino.copies, augerino.fill) == (0.4, 2, -1.0)
    assert augerino.zoom_in
    assert augerino.separate
    assert augerino.widths.shutdown.tolist() == pytest.approx([1.2, 1.2, 1.5])
    assert AugerinoSettings.parse("rot").wrap(nn.Identity()).learned


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tx,tz", "unknown generator 'tz': did you mean"),
        ("", "generators are none"),
        ("tx,tx", "each once"),
        ("tx; regularizer=1", "did you mean regulariser="),
        ("tx; copies=two", "copies is 'two'; a whole number works"),
        ("tx; regulariser=-1", "regulariser is -1"),
        ("tx; copies=0", "0 and 1 copies"),
        ("tx; zoom_in", "needs the generator scale"),
        ("tx; start.ty=1", "unknown generator 'ty'"),
        ("tx; start.tx=0", "start of tx is 0"),
        ("tx; mode=some", "unknown shutdown 'some'"),
        ("tx; fixed=1", "unknown setting of augerino"),
    ],
)
def test_messages(text, message):
    with pytest.raises(InputError, match=message):
        AugerinoSettings.parse(text).wrap(nn.Identity())
