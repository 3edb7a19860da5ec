"""Which images meet in the control of shuffled pairs, and which images of an orbit count."""

import numpy as np
import pytest
import torch

from invariscope.metrics import OrbitMetric, VectorMetric
from invariscope.results import RowBuilder
from invariscope.sweep.plan import MEASUREMENT, SHUFFLED, Cell, Orbit
from invariscope.sweep.scores import Scores

FIRST = VectorMetric(
    name="first", label="First number", paragraph="",
    evaluate=lambda reference, transformed, pairing, labels: (transformed[:, :, 0], None),
)  # fmt: skip
PARTNER = VectorMetric(
    name="partner", label="First number of the partner", paragraph="",
    evaluate=lambda reference, transformed, pairing, labels: (transformed[:, pairing, 0], None),
)  # fmt: skip


def of_orbit(seen):
    """A metric of orbits: the first numbers, of weight 2; keeps how many images it was given."""

    def evaluate(orbit):
        seen.append(orbit.shape[1])
        return orbit[:, :, 0].double(), torch.full(orbit.shape[:2], 2.0)

    return OrbitMetric(name="orbit", label="Orbit", paragraph="", evaluate=evaluate)


def values(rows, **which):
    """Values and weights by metric and cell, of a control."""
    table = rows.table().to_pandas()
    for column, value in which.items():
        table = table[table[column] == value]
    order = table.sort_values("image", kind="stable")
    return order["value"].tolist(), order["weight"].tolist()


@pytest.mark.parametrize(
    ("count", "strangers"), [(2, [1, 0]), (3, [2, 0, 1]), (4, [2, 3, 0, 1]), (5, [2, 3, 4, 0, 1])]
)
def test_a_stranger_is_another_image_and_not_the_partner_where_there_is_a_third(count, strangers):
    rows = RowBuilder([str(number) for number in range(count)])
    scores = Scores([FIRST, PARTNER], rows, count, None, None)
    moved = torch.arange(float(count))[None, :, None]
    for control in (MEASUREMENT, SHUFFLED):
        scores.add(control, [Cell("c")], "a", moved[0], moved)
    assert values(rows, metric="first", control=MEASUREMENT)[0] == list(range(count))
    assert values(rows, metric="first", control=SHUFFLED)[0] == strangers
    partners = [*range(1, count), 0]
    assert values(rows, metric="partner", control=MEASUREMENT)[0] == partners
    assert values(rows, metric="partner", control=SHUFFLED)[0] == [strangers[p] for p in partners]


@pytest.mark.parametrize(
    ("wrong", "counted"), [([], 3), ([1], 2), ([0, 1], 0), ([0, 1, 2], 0)]
)  # fmt: skip
def test_an_orbit_needs_two_images_that_are_finite_at_every_element(wrong, counted):
    seen = []
    rows = RowBuilder(["0", "1", "2"])
    scores = Scores([of_orbit(seen)], rows, 3, None, None)
    moved = torch.arange(6.0).reshape(2, 3, 1) + 1
    for number, image in enumerate(wrong):
        moved[number % 2, image] = torch.nan if number else torch.inf
    scores.add_orbit(Orbit(True, (Cell("a"), Cell("b")), ("g: a", "g: b")), {"layer": moved})
    assert seen == ([counted] if counted else [])
    for number, key in enumerate(("g: a", "g: b")):
        found, weights = values(rows, cell=key)
        expected = [np.nan if image in wrong or not counted else 3.0 * number + image + 1
                    for image in range(3)]  # fmt: skip
        assert np.array_equal(found, expected, equal_nan=True)
        if counted:
            assert weights == [0.0 if image in wrong else 2.0 for image in range(3)]
