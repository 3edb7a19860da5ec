"""The bootstrap, one resample at a time."""

import numpy as np


def reference_bootstrap(values, weights, replicates, seed):
    """Percentile interval of sum(w·v) / sum(w), images drawn one by one with replacement."""
    rng = np.random.default_rng(seed)
    count = len(values)
    means = []
    for _ in range(replicates):
        drawn = rng.integers(0, count, count)
        means.append((values[drawn] * weights[drawn]).sum() / weights[drawn].sum())
    return np.quantile(means, [0.025, 0.975])
