"""The linear probes against scikit-learn, against a naive Adam, and against each other."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.seeding import draws, generator
from invariscope.training.probes import fit_adam, fit_logistic


def made_up(seed, images=600, features=12, classes=5, noise=1.0, scale=1.0):
    """Overlapping clusters whose features have very different scales and offsets."""
    random = np.random.default_rng(seed)
    centres, offset = random.normal(size=(2, max(classes, features), features))
    labels = random.integers(classes, size=images)
    x = centres[labels] + noise * random.normal(size=(images, features))
    x = scale * (x * np.geomspace(0.1, 30, features) + offset[0])
    return torch.from_numpy(x).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_scikit_learns_logistic_regression(seed, strength):
    linear_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = made_up(seed, noise=1.5)
    more, theirs = made_up(seed, images=4000, noise=1.5)
    probe = fit_logistic(x, y, num_classes=5, strength=strength)
    reference = make_pipeline(
        StandardScaler(),
        linear_model.LogisticRegression(C=strength, tol=1e-8, max_iter=5000),
    ).fit(x.double().numpy(), y.numpy())
    ours = (probe.predict(more) == theirs).double().mean().item()
    assert 0.3 < ours < 0.99
    assert abs(ours - reference.score(more.double().numpy(), theirs.numpy())) <= 1e-3
    np.testing.assert_allclose(
        probe.logits(more).softmax(1).numpy(),
        reference.predict_proba(more.double().numpy()),
        atol=2e-3 * min(1, strength),
    )
    assert probe.converged


def test_the_gradient_vanishes_at_the_optimum():
    """Naive form of the objective, differentiated by torch."""
    x, y = made_up(3)
    probe = fit_logistic(x, y, num_classes=5, strength=0.5)
    z = (x.double() - x.double().mean(0)) / x.double().std(0, correction=0)
    weight = (probe.weight * x.double().std(0, correction=0)).requires_grad_()
    bias = (probe.bias + probe.weight @ x.double().mean(0)).requires_grad_()
    loss = sum(
        -(weight @ z[i] + bias).log_softmax(0)[y[i]] for i in range(len(x))
    ) + weight.square().sum() / (2 * 0.5)
    loss.backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.grad.abs().max() < 1e-3
    assert bias.grad.abs().max() < 1e-3


def test_scale_offset_and_dead_features_do_not_matter():
    x, y = made_up(4)
    probe = fit_logistic(x, y, num_classes=5)
    moved = fit_logistic(x * 1000 - 7, y, num_classes=5)
    dead = fit_logistic(torch.cat([x, torch.full((len(x), 2), 0.3)], 1), y, num_classes=5)
    expected = probe.logits(x)
    torch.testing.assert_close(moved.logits(x * 1000 - 7), expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(
        dead.logits(torch.cat([x, torch.full((len(x), 2), 0.3)], 1)), expected, atol=1e-3, rtol=0
    )


def test_classes_without_images_are_improbable():
    x, y = made_up(5, classes=3)
    probe = fit_logistic(x, y, num_classes=6)
    assert probe.predict(x).max() <= 2
    assert probe.logits(x).softmax(1)[:, 3:].max() < 0.05


def test_one_class_is_always_predicted():
    x, y = made_up(6)
    probe = fit_logistic(x, torch.zeros_like(y), num_classes=2)
    assert probe.predict(x).unique().tolist() == [0]


def reference_adam(x, y, classes, epochs, batch, rate, seed):
    """The last layer as a module, Adam written out (Kingma and Ba 2015, algorithm 1)."""
    width = x.shape[1]
    first = torch.from_numpy(draws(seed, "probe", np.arange(classes), width + 1) * 2 - 1)
    first = (first / math.sqrt(width)).float()
    layer = nn.Linear(width, classes)
    with torch.no_grad():
        layer.weight.copy_(first[:, :width])
        layer.bias.copy_(first[:, width])
    moments = [[torch.zeros_like(p), torch.zeros_like(p)] for p in layer.parameters()]
    step = 0
    for epoch in range(epochs):
        order = generator(seed, f"probe order {epoch}").permutation(len(x))
        for start in range(0, len(x), batch):
            chosen = order[start : start + batch]
            layer.zero_grad()
            nn.CrossEntropyLoss()(layer(x[chosen]), y[chosen]).backward()
            step += 1
            with torch.no_grad():
                for p, moment in zip(layer.parameters(), moments, strict=True):
                    assert p.grad is not None
                    moment[0] = 0.9 * moment[0] + 0.1 * p.grad
                    moment[1] = 0.999 * moment[1] + 0.001 * p.grad**2
                    unbiased = (moment[1] / (1 - 0.999**step)).sqrt() + 1e-8
                    p -= rate * (moment[0] / (1 - 0.9**step)) / unbiased
    return layer


def test_adam_is_adam():
    x, y = made_up(7, images=100, scale=0.1)
    probe = fit_adam(x, y, num_classes=5, epochs=3, batch_size=32, learning_rate=0.01, seed=4)
    layer = reference_adam(x, y, 5, 3, 32, 0.01, 4)
    torch.testing.assert_close(probe.weight, layer.weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(probe.bias, layer.bias.detach(), rtol=1e-4, atol=1e-5)
    assert probe.iterations == 12
    other = fit_adam(x, y, num_classes=5, epochs=3, batch_size=32, learning_rate=0.01, seed=5)
    assert not torch.allclose(other.weight, probe.weight)


def test_adam_and_lbfgs_agree_within_their_interval():
    """Paired over test images; features of unit scale, as those of a network are."""
    random = np.random.default_rng(8)
    centres = random.normal(size=(6, 32))

    def task(images):
        labels = random.integers(6, size=images)
        x = np.maximum(centres[labels] + 2 * random.normal(size=(images, 32)), 0)
        return torch.from_numpy(x).float(), torch.from_numpy(labels)

    (x, y), (more, theirs) = task(4000), task(4000)
    right = [
        (probe.predict(more) == theirs).double().numpy()
        for probe in (
            fit_logistic(x, y, num_classes=6),
            fit_adam(x, y, num_classes=6, epochs=10, batch_size=64, learning_rate=3e-3),
        )
    ]
    difference = right[0] - right[1]
    half = 1.96 * difference.std() / math.sqrt(len(difference))
    assert 0.5 < right[0].mean() < 0.95
    assert abs(difference.mean()) <= max(half, 1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(4)}, r"floats \[image, feature\] work"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"shape \[3\] came for 4 images"),
        ({"features": torch.full((4, 2), math.nan)}, "some are not finite"),
        ({"labels": torch.tensor([0, 1, 2, 1])}, "0 to 2 came for 2 classes"),
        ({"labels": torch.tensor([0, 1, -1, 1])}, "-1 to 1 came for 2 classes"),
        ({"num_classes": 1, "labels": torch.zeros(4, dtype=torch.int64)}, "for 1 classes"),
    ],
)
@pytest.mark.parametrize("fit", [fit_logistic, fit_adam])
def test_messages(fit, change, message):
    given = {"features": torch.zeros(4, 2), "labels": torch.tensor([0, 1, 0, 1]), "num_classes": 2}
    with pytest.raises(InputError, match=message):
        fit(**{**given, **change})


def test_messages_of_settings():
    x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(InputError, match="strength is 0; a number above 0"):
        fit_logistic(x, y, num_classes=2, strength=0)
    with pytest.raises(InputError, match="epochs is 0; 1 or more"):
        fit_adam(x, y, num_classes=2, epochs=0)
