"""Numbers from (seed, key, counter): uniform, unrelated, and a function of nothing else."""

import numpy as np
from scipy import stats

from invariscope.seeding import draws


def test_draws_are_a_function_of_seed_key_and_counter_only():
    counters = [7, 0, 123_456_789_012, 3]
    whole = draws(1, "crop", counters, 5)
    for place, counter in enumerate(counters):
        np.testing.assert_array_equal(draws(1, "crop", [counter], 5)[0], whole[place])
    np.testing.assert_array_equal(draws(1, "crop", counters, 2), whole[:, :2])
    assert len(np.unique(whole)) == whole.size


def test_draws_of_other_seeds_keys_counters_and_columns_are_uniform_and_unrelated():
    samples = {
        "columns": draws(0, "crop", [0], 20_000)[0],
        "counters": draws(0, "crop", range(20_000), 1)[:, 0],
        "next column": draws(0, "crop", range(20_000), 2)[:, 1],
        "next counter": draws(0, "crop", range(1, 20_001), 1)[:, 0],
        "seed": draws(1, "crop", range(20_000), 1)[:, 0],
        "key": draws(0, "flip", range(20_000), 1)[:, 0],
    }
    for name, values in samples.items():
        assert 0 <= values.min()
        assert values.max() < 1
        assert stats.kstest(values, "uniform").pvalue > 1e-3, name
    correlations = np.corrcoef(np.stack(list(samples.values())))
    assert np.abs(correlations - np.eye(len(samples))).max() < 4 / np.sqrt(20_000)
