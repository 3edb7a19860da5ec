import math

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from invariscope.errors import InputError, RunError
from invariscope.training import cross_validate, mean_over_seeds, train, train_seeds
from invariscope.training.splits import HELD_OUT_NAME, open_splits


def test_the_mean_over_seeds_is_scipys():
    values = np.random.default_rng(0).normal(0.7, 0.1, 5)
    found = mean_over_seeds(values)
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (found.value, found.n) == (pytest.approx(values.mean()), 5)
    assert found.sem == pytest.approx(stats.sem(values), rel=1e-12)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    alone = mean_over_seeds([0.5])
    assert alone.value == 0.5
    assert math.isnan(alone.sem)
    assert math.isnan(alone.low)


def test_seeds_are_the_trainings_one_by_one(tiny, tmp_path):
    runs = train_seeds(tiny, 2, output=tmp_path)
    assert [run.recipe.seed for run in runs] == [0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed-0", "seed-1"]
    alone = train(tiny.with_(seed=1))
    assert alone.correct.equals(runs[1].correct)
    assert set(runs[1].correct["seed"]) == {1}
    for seeds in ([], [1, 1]):
        with pytest.raises(InputError, match="give at least one, and each once"):
            train_seeds(tiny, seeds)


def test_cross_validation_picks_the_best_and_survives_what_diverges(tiny, tmp_path):
    """Planted: the class is the bright side; a tiny rate cannot learn it, a huge one diverges."""
    draw = np.random.default_rng(0)
    for number in range(60):
        picture = draw.integers(0, 100, (12, 12, 3), dtype=np.uint8)
        side = number % 2
        picture[:, 6 * side : 6 * side + 6] += 120
        path = tmp_path / ("left", "right")[side] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    tried = []

    def trainer(recipe, output):
        assert recipe.test == HELD_OUT_NAME
        tried.append((recipe.learning_rate, recipe.weight_decay))
        return train(recipe, output=output)

    recipe = tiny.with_(data=str(tmp_path), model="small:vgg11?width=0.05", size=32, epochs=12)
    found = cross_validate(recipe, [1e-9, 0.05, 1e15], [1e-4, 1e-3], trainer=trainer)
    assert tried == [(rate, decay) for rate in (1e-9, 0.05, 1e15) for decay in (1e-4, 1e-3)]
    assert found.best.learning_rate == 0.05
    assert found.best.test is None
    table = found.table.set_index(["learning_rate", "weight_decay"])["accuracy"]
    assert table[0.05].max() > table[1e-9].max() + 0.2
    assert table[1e15].isna().all()
    with pytest.raises(RunError, match="diverges for every learning rate"):
        cross_validate(recipe, [1e15], [1e-4])


def test_the_choice_never_sees_the_test_images(tiny):
    recipe = tiny.with_(data="fashion-mnist?split=train", num_train=None)
    fit, held_out, _ = open_splits(recipe.with_(test=HELD_OUT_NAME))
    train_split, test, _ = open_splits(recipe)
    assert len(train_split) == 60_000
    assert len(test) == 10_000
    assert set(fit.ids).isdisjoint(held_out.ids)
    assert set(fit.ids) | set(held_out.ids) == set(train_split.ids)
    assert len(held_out) == 12_000
    assert np.bincount(held_out.labels).tolist() == [1_200] * 10


def test_a_network_that_gives_nan_is_not_right_about_class_0(tiny):
    """Its loss was a number before the only step; argmax takes NaN for the highest score."""
    with pytest.raises(RunError, match="gives NaN for every test image: a smaller learning rate"):
        train(tiny.with_(learning_rate=1e30, epochs=0.01))
