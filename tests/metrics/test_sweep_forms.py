"""The forms of a sweep, element by element and image by image, against the metrics themselves."""

import numpy as np
import pytest
import torch

from invariscope.metrics import (
    class_distance_ratio,
    latent_eed,
    latent_normalizer,
    normalized_variance,
    response_alignment,
    softmax_eed_from_logits,
)
from invariscope.metrics.class_distance_ratio import per_image as distances_per_image
from invariscope.metrics.latent_eed import per_element as latent_per_element
from invariscope.metrics.normalized_variance import per_element as variance_per_element
from invariscope.metrics.response_alignment import per_image as alignment_per_image
from invariscope.metrics.softmax_eed import per_element as softmax_per_element
from oracles.orbits import (
    reference_latent_eed,
    reference_latent_normalizer,
    reference_softmax,
    reference_softmax_eed,
)
from oracles.representations import (
    reference_class_distance_ratio,
    reference_normalized_variance,
    reference_response_alignment,
)


def orbit(seed=0, elements=4, images=7, size=5, mean=1.0):
    """[element, image, size]."""
    generator = torch.Generator().manual_seed(seed)
    still = torch.randn(1, images, size, generator=generator)
    return still + 0.4 * torch.randn(elements, images, size, generator=generator) + mean


def ratio(values, weights):
    """What the summary makes of the rows of one cell: [element]."""
    values, weights = values.numpy(), weights.numpy()
    known = np.isfinite(values) & np.isfinite(weights)
    return np.array([
        (v[k] * w[k]).sum() / w[k].sum() if k.any() else np.nan
        for v, w, k in zip(values, weights, known, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("distance", ["l2", "cosine"])
@pytest.mark.parametrize("images", [2, 7, 33])
def test_latent_eed(distance, images):
    """The mean over elements of Σ value·weight / Σ weight is the metric, M over the block."""
    moved = orbit(images=images, mean=3.0)
    found = ratio(*latent_per_element(moved, distance))
    assert found.shape == (4,)
    by_image = moved.transpose(0, 1)
    scale = reference_latent_normalizer(moved[0].numpy(), distance)
    oracle = reference_latent_eed(by_image.numpy(), scale, distance).mean()
    assert found.mean() == pytest.approx(oracle, abs=1e-6)
    same = latent_eed(
        by_image, normalizer=latent_normalizer(moved[0], distance=distance), distance=distance
    )
    assert found.mean() == pytest.approx(float(same.mean()), abs=1e-6)


def test_latent_eed_of_each_element():
    moved = orbit(1)
    found = ratio(*latent_per_element(moved, "l2"))
    z = moved.double().numpy()
    scale = reference_latent_normalizer(z[0], "l2")
    oracle = np.linalg.norm(z - z.mean(0), axis=-1).mean(1) / scale
    assert np.allclose(found, oracle, rtol=0, atol=1e-9)


def test_latent_eed_of_what_does_not_move():
    constant = torch.full((4, 6, 3), 0.3)
    values, weights = latent_per_element(constant, "l2")
    assert (values == 0).all()
    assert (ratio(values, weights.float()) == 0).all()  # weights survive float32
    still = orbit(2)[:1].expand(4, -1, -1)
    assert (ratio(*latent_per_element(still, "l2")) == 0).all()
    # all images alike, but not under the group: nothing to compare with
    alike = orbit(3)[:, :1].expand(-1, 6, -1)
    assert np.isnan(ratio(*latent_per_element(alike, "l2"))).all()
    opposite = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]] * 2)  # mean cosine below 0
    assert np.isnan(ratio(*latent_per_element(opposite, "cosine"))).all()


def test_near_rounding_counts_the_length_of_an_embedding_and_not_how_many_elements_there_are():
    """Embeddings of length 1 that are a millionth apart: float32 tells a half of that."""
    away = torch.arange(3.0, dtype=torch.float64)[:, None] * torch.tensor([0.0, 1.0])
    for apart, usable in ((1e-6, True), (1e-7, False)):
        images = torch.tensor([1.0, 0.0]) + apart * away
        for elements in (2, 16):
            moves = 1e-7 * torch.arange(float(elements), dtype=torch.float64)[:, None, None]
            values, _ = latent_per_element(images + moves, "l2")
            assert bool(values.isfinite().all()) == usable, (apart, elements)


def test_softmax_eed():
    logits = 3 * orbit(5, size=4)
    found = softmax_per_element(logits)
    assert found.shape == (4, 7)
    probabilities = [
        [reference_softmax(row) for row in image]
        for image in logits.transpose(0, 1).double().tolist()
    ]
    oracle = reference_softmax_eed(probabilities)
    assert np.allclose(found.mean(0), oracle, rtol=0, atol=1e-9)
    same = softmax_eed_from_logits(logits.transpose(0, 1).double())
    assert torch.allclose(found.mean(0), same, rtol=0, atol=1e-12)
    p = torch.tensor(probabilities, dtype=torch.float64).transpose(0, 1)
    one = (p * (p / p.mean(0)).log()).sum(-1)  # each element's own term
    assert torch.allclose(found, one, rtol=0, atol=1e-9)
    assert (softmax_per_element(logits[:1].expand(4, -1, -1)) == 0).all()


def test_normalized_variance_has_no_bias():
    """A fifth of the variance over images: the plain ratio of 32 says 4 % more."""
    values, plain = [], []
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(1, 32, 40, generator=generator, dtype=torch.float64)
        moved = images + 0.5 * torch.randn(4, 32, 40, generator=generator, dtype=torch.float64)
        values.append(variance_per_element(moved).mean())
        plain.append(normalized_variance(moved.transpose(0, 1)).mean())
    assert float(torch.stack(values).mean()) == pytest.approx(0.2, rel=0.01)
    assert float(torch.stack(plain).mean()) > 0.206


def test_normalized_variance():
    moved = orbit(6)
    moved[..., 2] = 0.7  # a dead unit
    found = variance_per_element(moved)
    assert found.shape == (4, 7)
    responses = moved.transpose(0, 1)[..., [0, 1, 3, 4]].double().numpy()
    whole = reference_normalized_variance(responses).mean()
    without = [reference_normalized_variance(np.delete(responses, i, 0)).mean() for i in range(7)]
    oracle = [7 * whole - 6 * rest for rest in without]
    assert np.allclose(found.mean(0), oracle, rtol=1e-6, atol=1e-6)
    same = normalized_variance(moved.transpose(0, 1))
    assert same.isnan().tolist() == [False, False, True, False, False]
    assert whole == pytest.approx(float(same.nanmean()), abs=1e-6)
    two = variance_per_element(moved[:, :2])  # too few to leave one out
    pair = normalized_variance(moved[:, :2].transpose(0, 1))
    assert float(two.mean()) == pytest.approx(float(pair.nanmean()), rel=1e-6)
    assert (variance_per_element(moved[:1].expand(4, -1, -1)) == 0).all()
    assert variance_per_element(torch.ones(4, 7, 5)).isnan().all()


def test_response_alignment():
    reference, moved = orbit(8)[0], orbit(9, elements=3)
    pairing = torch.arange(7).roll(-1)
    found = alignment_per_image(reference, moved, pairing)
    assert found.shape == (3, 7)
    shuffle = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)).argsort(0)
    assert (shuffle.sort(0).values == torch.arange(7)[:, None]).all()
    for cell in range(3):
        oracle = reference_response_alignment(
            reference.numpy(), moved[cell].numpy(), pairing.numpy(), shuffle.numpy()
        )
        assert np.allclose(found[cell], oracle, rtol=0, atol=1e-6)
        same = response_alignment(reference, moved[cell], pairing=pairing, shuffle=shuffle)
        assert torch.allclose(found[cell].float(), same, rtol=0, atol=1e-6)
    assert alignment_per_image(reference, reference[None], pairing).isnan().all()


def test_class_distance_ratio():
    moved, labels = orbit(10, elements=3, images=9), torch.arange(9) % 3
    found = ratio(*distances_per_image(moved, labels))
    for cell in range(3):
        oracle = reference_class_distance_ratio(moved[cell].numpy(), labels.numpy(), "l2")
        assert found[cell] == pytest.approx(oracle, abs=1e-6)
        assert float(class_distance_ratio(moved[cell], labels)) == pytest.approx(oracle, abs=1e-6)


def test_class_distance_ratio_of_images_alone_in_their_class_and_without_a_label():
    moved, labels = orbit(11, elements=1, images=9), torch.arange(9) % 3
    labels[4] = 7  # alone
    values, weights = distances_per_image(moved, labels)
    used = np.isfinite((values * weights).numpy())[0]
    assert np.flatnonzero(~used).tolist() == [4]
    labels[4] = -1
    labels[5] = -1  # two images of unknown class are no class
    values, weights = distances_per_image(moved, labels)
    assert values[0, 4:6].isnan().all()
    left = [0, 1, 2, 3, 6, 7, 8]
    oracle = reference_class_distance_ratio(moved[0, left].numpy(), labels[left].numpy(), "l2")
    assert ratio(values, weights)[0] == pytest.approx(oracle, abs=1e-6)
    nobody = distances_per_image(moved, torch.arange(9))  # no pair within
    assert np.isnan(ratio(*nobody)).all()


def test_class_distance_ratio_leaves_out_images_that_are_not_finite():
    moved, labels = orbit(12, elements=1, images=9), torch.arange(9) % 3
    spoilt = moved.clone()
    spoilt[0, 4, 2] = torch.nan
    values, weights = distances_per_image(spoilt, labels)
    assert values[0, 4].isnan()
    left = [0, 1, 2, 3, 5, 6, 7, 8]
    wanted = ratio(*distances_per_image(moved[:, left], labels[left]))
    assert np.allclose(ratio(values, weights), wanted, atol=1e-9)
