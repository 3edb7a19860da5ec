"""The law of every parameter, against SciPy's distributions; draws against NumPy's."""

import numpy as np
import pytest
import torch
from scipy import stats

from invariscope.data.transforms2d import PAPER, PUBLISHED, TRANSFORMS2D, prototypes, scenes
from invariscope.data.transforms2d.generator import Transforms2D
from invariscope.data.transforms2d.laws import transformation_list
from invariscope.data.transforms2d.numbers import device_draws
from invariscope.errors import InputError
from invariscope.seeding import draws, hashed

COUNT = 20_000
#: Low and high end of each uniform parameter; None: applied with probability one half.
ENDS = {
    "translation": [(0, 1), (0, 1)],
    "rotation": [(0, 360)],
    "scale": [(0.4, 1)],
    "horizontal_flip": [None],
    "vertical_flip": [None],
    "blur": [(0.1, 1.5)],
    "sharpening": [None],
    "color_jitter": [(0.5, 1.5), (0.5, 1.5), (0.5, 1.5), (-0.5, 0.5)],
    "shear": [(-50, 50), (-50, 50)],
    "hue": [(-0.5, 0.5)],
    "brightness": [(0, 2)],
    "contrast": [(0, 2)],
    "grayscale": [None],
    "posterize": [None],
    "invert": [None],
    "noise": [None],
    "pixelate": [None],
    "elastic": [None],
    "erase": [None, (0, 1), (0, 1)],
}


@pytest.fixture(scope="module")
def drawn():
    data = Transforms2D(prototypes("shapes", classes=2), scenes("black"), tuple(TRANSFORMS2D))
    return {name: values.numpy() for name, values in data.parameters(range(COUNT)).items()}


def test_there_are_the_eight_of_the_paper_and_the_18_of_the_code():
    assert set(ENDS) == set(TRANSFORMS2D)
    assert len(PAPER) == 8
    assert len(PUBLISHED) == len(set(PUBLISHED)) == 18
    assert set(TRANSFORMS2D) == set(PUBLISHED) | {"color_jitter"}


@pytest.mark.parametrize("name", ENDS)
def test_parameters_follow_their_laws(drawn, name):
    values = drawn[name]
    assert values.dtype == np.float64
    assert values.shape == (COUNT, len(ENDS[name])) == (COUNT, len(TRANSFORMS2D[name].parameters))
    for column, ends in zip(values.T, ENDS[name], strict=True):
        if ends is None:
            assert set(np.unique(column)) == {0.0, 1.0}
            assert stats.binomtest(int(column.sum()), COUNT, 0.5).pvalue > 1e-3
        else:
            low, high = ends
            assert stats.kstest(column, "uniform", args=(low, high - low)).pvalue > 1e-3
            assert low <= column.min()
            assert column.max() < high


def test_parameters_of_different_categories_are_unrelated(drawn):
    columns = np.concatenate(list(drawn.values()), axis=1)
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 4.5 / np.sqrt(COUNT)


def test_draws_are_bit_for_bit_those_of_numpy():
    counters = torch.tensor([0, 1, 255, 2**40, -3])
    for count in (3, 20_000):  # the second is made by torch
        found = device_draws(5, "key", counters, count)
        assert np.array_equal(found.numpy(), draws(5, "key", counters.numpy(), count))


def test_draws_on_a_device_are_those_of_numpy_wherever_a_key_begins():
    """Hashes are of 64 bits without a sign; tensors hold them with one."""
    counters = torch.arange(1 << 16)
    quarters = set()
    for seed in range(8):
        quarters.add(hashed(seed, "key") >> 62)
        found = device_draws(seed, "key", counters, 1)
        assert np.array_equal(found.numpy(), draws(seed, "key", counters.numpy(), 1))
    assert quarters == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotation+spin", "unknown Transforms-2D transformation 'spin'"),
        ("blur+blur", "transformations=blur.blur: a name comes twice; give each once"),
        ("paper+blur", "transformations=paper.blur: a name comes twice"),
        ("", "unknown Transforms-2D transformation ''"),
    ],
)
def test_messages(text, message):
    with pytest.raises(InputError, match=message):
        transformation_list(text)
