"""What metrics say of themselves: the ends of their ranges, as their definitions have them."""

import pytest

from invariscope.metrics import METRICS

CORRELATIONS = "channel_invariance channel_equivariance channel_eed channel_invariance:pooled"
RANGES = {
    (0.0, 1.0): "accuracy prediction_consistency dead_channels",
    (-1.0, 1.0): CORRELATIONS + " channel_equivariance:pooled channel_invariance:cosine"
    " channel_equivariance:cosine channel_invariance:literal",
    (-2.0, 2.0): "response_alignment",
    (0.0, None): "class_distance_ratio latent_eed lie_derivative lie_derivative:relative"
    " lie_derivative:softmax normalized_variance softmax_eed",
    (None, None): "latent_eed:cosine",
    (None, 1.0): "mean_relative_invariance mean_relative_invariance:l2 relative_invariance"
    " relative_invariance:l2",
}


@pytest.mark.parametrize("ends", RANGES, ids=str)
def test_the_ends_of_ranges(ends):
    for name in RANGES[ends].split():
        assert METRICS.get(name).as_dict()["range"] == list(ends), name
