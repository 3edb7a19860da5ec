from itertools import pairwise

import numpy as np
import pytest

from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.studies.paper004.synthetic_tasks import (
    CATEGORIES,
    SMOKE,
    Learner,
    Task,
    Tasks,
    drawn_objects,
    drawn_transformations,
    num_prototypes,
    recipe_of,
)


def test_the_categories_are_those_of_the_data():
    transforms2d = pytest.importorskip("invariscope.data.transforms2d")
    assert set(CATEGORIES) == set(transforms2d.PAPER)


def test_transformations_are_disjoint_and_each_is_drawn_as_often():
    counts: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
    firsts = set()
    for seed in range(400):
        one, other = (names.split("+") for names in drawn_transformations(seed, 3))
        assert len({*one, *other}) == 6
        assert "translation" not in one[:-1] + other[:-1]
        assert drawn_transformations(seed, 3)[0] == "+".join(one)
        firsts.add(one[0])
        for name in one:
            counts[name] += 1
    # 400 draws with probability 3/8: 150 ± 5 standard deviations of 9.7
    assert all(100 < count < 200 for count in counts.values())
    assert firsts == set(CATEGORIES) - {"translation"}
    with pytest.raises(InputError, match="transformations=5: 2 sets of 1 to 4 categories"):
        drawn_transformations(0, 5)


@pytest.mark.parametrize(("classes", "sets"), [(50, 2), (30, 2), (7, 3), (100, 1)])
def test_objects_are_disjoint_and_there(classes, sets):
    settings = Tasks(prototypes="shapes", classes=classes)
    seen = []
    for seed in range(60):
        starts = drawn_objects(settings, seed, sets=sets)
        ordered = sorted(starts)
        assert all(b - a >= classes for a, b in pairwise(ordered))
        assert ordered[0] >= 0
        assert ordered[-1] + classes <= 100
        seen.append(tuple(starts))
    if classes * sets < 100:
        assert len(set(seen)) > 10
    if sets == 2:
        assert 10 < sum(a < b for a, b in seen) < 50


def test_too_few_prototypes():
    with pytest.raises(
        InputError, match="classes=60: shapes has 100 prototypes; 2 sets of up to 50"
    ):
        drawn_objects(Tasks(prototypes="shapes", classes=60), 0)
    assert num_prototypes("shapes") == 100


def test_a_recipe_trains_on_its_task_and_tests_on_other_images_of_it():
    settings = Tasks(**SMOKE)
    task = Task("rotation", 3, 4, seed=1)
    recipe = recipe_of(settings, Learner(settings.models[0], task, {}))
    train, test = open_source(recipe.data), open_source(recipe.test)
    assert (len(train), len(test)) == (96, 48)
    assert train.class_names == test.class_names
    assert not np.array_equal(np.asarray(train.load(0)), np.asarray(test.load(0)))
    assert recipe.seed == 1
    assert train.load(0).size == (12, 12)
