"""Class distance ratio: the oracle, the theorems, degenerate labels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import class_distance_ratio
from oracles.representations import reference_class_distance_ratio

DISTANCES = ("l2", "cosine")


def clusters(seed, count=9, classes=3, size=4, apart=2.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    labels[:3] = torch.tensor([0, 0, 1])  # two classes, one with a pair
    centres = apart * torch.randn(classes, size, generator=generator)
    return centres[labels] + torch.randn(count, size, generator=generator), labels


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), count=st.integers(3, 12), classes=st.integers(2, 5))
def test_agrees_with_the_oracle(seed, count, classes, dtype, distance):
    z, labels = clusters(seed, count, classes)
    ours = class_distance_ratio(z.to(dtype), labels, distance=distance)
    assert ours.dtype == dtype
    theirs = reference_class_distance_ratio(z.numpy(), labels.tolist(), distance)
    assert np.isclose(ours.item(), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_random_labels_give_about_one_and_clusters_more(distance):
    z, _ = clusters(0, 800, apart=0.0)
    labels = torch.randint(0, 5, (800,), generator=torch.Generator().manual_seed(1))
    assert abs(class_distance_ratio(z, labels, distance=distance) - 1) < 0.02
    assert class_distance_ratio(*clusters(0, 800, apart=9.0), distance=distance) > 2


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_scale_and_origin_and_names_of_classes_do_not_matter(seed, scale):
    z, labels = clusters(seed)
    z = z.double()
    plain = class_distance_ratio(z, labels)
    assert torch.allclose(plain, class_distance_ratio(scale * (z + 1), 7 - 2 * labels), rtol=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_in_steps_the_same(monkeypatch, distance):
    z, labels = clusters(2, 50)
    whole = class_distance_ratio(z.double(), labels, distance=distance)
    for step in (1, 130, 700):
        monkeypatch.setattr("invariscope.metrics.memory.STEP", step)
        some = class_distance_ratio(z.double(), labels, distance=distance)
        assert torch.allclose(whole, some, rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_classes_that_are_points(distance):
    points = torch.tensor([[0.1, 0.7, 1 / 3], [-0.3, 0.2, 0.9]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    assert class_distance_ratio(points[labels], labels, distance=distance) == torch.inf
    assert class_distance_ratio(points[[0] * 5], labels, distance=distance).isnan()


def test_a_zero_embedding_has_no_cosine_distance():
    z, labels = clusters(3)
    z[1] = 0
    assert class_distance_ratio(z, labels, distance="cosine").isnan()
    assert class_distance_ratio(z, labels).isfinite()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 2]), "labels differ for every image: the ratio needs a class with"),
        (torch.tensor([4, 4, 4]), "labels hold 1 class: the ratio needs two or more"),
        (torch.tensor([0, 1]), r"labels has shape \[2\] but there are 3 embeddings"),
    ],
)
def test_labels_that_do_not_fit(labels, message):
    with pytest.raises(InputError, match=message):
        class_distance_ratio(torch.rand(3, 2), labels)


def test_other_messages():
    with pytest.raises(InputError, match=r"embeddings has shape \[3\]: it must be \[N, D\]"):
        class_distance_ratio(torch.ones(3), torch.zeros(3).long())
    with pytest.raises(InputError, match="distance must be one of cosine, l2, not 'dot'"):
        class_distance_ratio(*clusters(0), distance="dot")
