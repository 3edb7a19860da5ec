"""Distances of features against naive loops, and what they must be where it is known."""

import math

import numpy as np
import pytest
import torch

from invariscope.training.distances import Distances, distances


def made_up(seed=0, classes=4, each=9, features=7):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(classes), each))
    centres = random.normal(size=(classes, features))
    one, other = (centres[labels] + random.normal(size=(len(labels), features)) for _ in range(2))
    return torch.from_numpy(one), torch.from_numpy(other), torch.from_numpy(labels)


def reference_ratio(z, labels, distance):
    between, within = [], []
    for i in range(len(z)):
        for j in range(i):
            (within if labels[i] == labels[j] else between).append(distance(z[i], z[j]))
    return np.mean(between) / np.mean(within)


def reference_cka(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return np.sum((b.T @ a) ** 2) / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)


def test_naive_loops_agree():
    z, t, y = made_up()
    found = distances(z, t, y)
    a, b, labels = z.numpy(), t.numpy(), y.tolist()
    pairs = [np.linalg.norm(a[i] - a[j]) for i in range(len(a)) for j in range(i)]
    expected = {
        "ratio": reference_ratio(a, labels, lambda x, y: np.linalg.norm(x - y)),
        "cosine_ratio": reference_ratio(
            a, labels, lambda x, y: 1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        ),
        "sensitivity": np.mean(np.linalg.norm(a - b, axis=1)) / np.mean(pairs),
        "cka_twins": reference_cka(a, b),
    }
    mates = np.empty(len(labels), dtype=int)
    for label in set(labels):
        own = [i for i in range(len(labels)) if labels[i] == label]
        mates[own] = own[1:] + own[:1]
    expected["cka_classmates"] = reference_cka(a, a[mates])
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9), name
    assert found.num_images == 36


def test_invariant_features_have_no_sensitivity_and_random_twins_have_one():
    z, _, y = made_up(each=200, features=50)
    assert distances(z, z, y).sensitivity == 0
    assert distances(z, z, y).cka_twins == pytest.approx(1)
    strangers = z[torch.from_numpy(np.random.default_rng(1).permutation(len(z)))]
    found = distances(z, strangers, y)
    assert found.sensitivity == pytest.approx(1, abs=0.02)
    assert found.cka_twins < 0.1
    assert distances(3 * z + 1, 3 * z + 1, y).ratio == pytest.approx(found.ratio)


def test_a_file_and_back(tmp_path):
    z, t, y = made_up()
    found = distances(z, t, y)
    found.save(tmp_path)
    assert Distances.load(tmp_path) == found
    Distances(math.inf, 1.5, 0.0, math.nan, 0.5, 4).save(tmp_path)
    again = Distances.load(tmp_path)
    assert (again.ratio, again.num_images) == (math.inf, 4)
    assert math.isnan(again.cka_twins)
