"""Prediction consistency, accuracy and the running mean."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import ImageMean, accuracy, prediction_consistency
from invariscope.metrics.accuracy import first_answers
from invariscope.metrics.prediction_consistency import per_image_labels
from oracles.metrics import reference_accuracy, reference_prediction_consistency


@given(seed=st.integers(0, 10_000), count=st.integers(1, 9), classes=st.integers(2, 5))
def test_agree_with_the_oracles(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    # few distinct scores, so that ties happen
    logits = torch.randint(0, 3, (count, classes), generator=generator).float()
    moved = torch.randint(0, 3, (count, classes), generator=generator).float()
    labels = torch.randint(0, classes, (count,), generator=generator)
    ours = prediction_consistency(logits, moved)
    assert (ours.numpy() == reference_prediction_consistency(logits, moved)).all()
    right = accuracy(logits, labels)
    assert (right.numpy() == reference_accuracy(logits, labels.tolist())).all()
    several = torch.randint(-1, classes, (count, 3), generator=generator)
    several[:, 0] = labels
    singles = [reference_accuracy(logits, column) for column in several.T.tolist()]
    assert accuracy(logits, several).tolist() == np.max(singles, axis=0).tolist()


def test_no_right_output_is_unknown():
    labels = torch.tensor([[-1, -1], [1, -1]])
    assert accuracy(torch.eye(2), labels).tolist()[1] == 1.0
    assert accuracy(torch.eye(2), labels).isnan().tolist() == [True, False]


def test_the_identity_is_consistent_and_what_is_not_finite_is_undefined():
    logits = torch.eye(3)
    assert prediction_consistency(logits, logits).tolist() == [1, 1, 1]
    logits[1, 1] = torch.nan
    assert prediction_consistency(torch.eye(3), logits).isnan().tolist() == [False, True, False]
    assert accuracy(logits, torch.tensor([0, 1, -1])).isnan().tolist() == [False, True, True]


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"transformed has shape \[2, 4\] but logits has \[2, 3\]"):
        prediction_consistency(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(InputError, match=r"labels has shape \[3\] but logits has \[2, 3\]"):
        accuracy(torch.ones(2, 3), torch.zeros(3, dtype=torch.long))


@given(
    values=st.lists(st.floats(-5, 5), min_size=1, max_size=20),
    cut=st.integers(0, 20),
)
def test_merged_means_equal_the_whole(values, cut):
    tensor = torch.tensor([*values, float("nan")], dtype=torch.float64)
    whole, left, right = ImageMean(), ImageMean(), ImageMean()
    whole.update(tensor)
    right.update(tensor[cut:])
    left.update(tensor[:cut])
    left.merge(right)
    assert (left.count, left.undefined) == (len(values), 1) == (whole.count, whole.undefined)
    assert torch.allclose(left.compute(), whole.compute(), atol=1e-12)
    assert torch.allclose(whole.compute(), tensor[:-1].mean(), atol=1e-12)


def test_several_labels_are_kept_if_each_stays_on_its_side():
    """Cells and images may be as many as labels: the last axis is the labels."""
    reference = torch.tensor([[1.0, -1.0, 2.0], [-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    moved = torch.stack([reference, -reference, reference * torch.tensor([1.0, 1.0, -1.0])])
    moved[0, 1] = torch.tensor([-3.0, 0.5, 0.0])  # 0 is not above the threshold
    wanted = [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert per_image_labels(reference, moved).tolist() == wanted
    reference[2, 0] = torch.nan
    assert per_image_labels(reference, moved).isnan().tolist() == [[False, False, True]] * 3


def test_a_mean_of_nothing_is_undefined():
    assert ImageMean().compute().isnan()


def test_a_score_that_is_no_number_is_no_answer():
    scores = torch.tensor([[0.0, 1.0], [torch.nan, 1.0], [0.0, torch.inf], [-torch.inf, 0.0]])
    assert first_answers(scores).tolist() == [1, -1, 1, 1]
