"""The pool: 63 and 49 operations under their names, equal ones with equal keys."""

import itertools

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.search import get_operations
from invariscope.search.operations import LEVELS, first_key, unique_operations
from invariscope.transformations import Operation, from_function, get_transformation


def names(pool):
    return [operation.name for operation in pool]


def test_the_pool_of_the_paper():
    singles, policies, pool = (get_operations(what) for what in ("singles", "policies", "all"))
    assert len(singles) == 63
    assert len(policies) == 49 + 1  # none of them is an identity, so there is one beside them
    assert len(pool) == 63 + 49
    assert names(pool) == names(singles) + names(policies)[:-1]
    assert {"rotate 9", "shear_x 4 + invert 3", "rescale 8 + rescale 9"} < set(names(pool))
    assert [op.name for op in pool if op.kind == "identity"] == ["saturation 0", "rescale 0"]
    assert not any(op.policy for op in singles)
    assert all(op.policy for op in policies[:-1])


def test_equal_operations_share_a_key_and_are_computed_once():
    pool = {operation.name: operation for operation in get_operations("all")}
    assert pool["equalize 1"].key == pool["equalize 9"].key == pool["saturation 0 + equalize 3"].key
    assert pool["posterize 6"].key == pool["posterize 7"].key != pool["posterize 8"].key
    assert pool["rotate 8 + saturation 0"].key == pool["rotate 8"].key
    assert pool["rescale 0 + rescale 1"].key == pool["rescale 1"].key
    assert pool["rotate 8 + saturation 0"].families == "rotate+saturation"
    unique = unique_operations(tuple(pool.values()))
    assert len(unique) == len({op.key for op in pool.values() if op.acting})
    assert "identity" not in unique
    first = [first_key(operation) for operation in unique.values()]
    assert len([1 for a, b in itertools.pairwise(first) if a != b]) + 1 == len(set(first))


def test_kinds():
    pool = {operation.name: operation for operation in get_operations("all")}
    assert pool["rotate 8 + saturation 0"].kind == "geometric"
    assert pool["saturation 0 + equalize 3"].kind == "appearance"
    assert pool["shear_x 4 + invert 3"].kind == "mixed"
    assert pool["rescale 2 + rescale 3"].kind == "geometric"
    assert pool["rescale 0"].kind == "identity"
    assert pool["shear_x 4 + invert 3"].magnitude == "±7.59°, on"


def test_directions_of_a_sub_policy_are_those_of_its_steps_alone():
    images = torch.rand(6, 3, 12, 12)
    ids = [str(k) for k in range(6)]
    pool = {operation.name: operation for operation in get_operations("all")}
    alone = pool["shear_x 4"](images, 3, ids)
    both = pool["shear_x 4 + invert 3"](images, 3, ids)
    assert torch.equal(both, 1 - alone)
    assert not torch.equal(alone, pool["shear_x 4"](images, 4, ids))  # the seed counts


def test_what_the_shear_leaves_in_place():
    pixels = torch.zeros(1, 1, 21, 21)
    pixels[..., 10, :] = 1  # the middle row: about the centre it stays where it is
    images = pixels.expand(1, 3, 21, 21)
    corner, centre = (
        get_operations("shear_x 9", shear_centre=where)[0](images, 0, ["a"])
        for where in ("corner", "centre")
    )
    assert torch.allclose(centre[0, 0, 10], torch.ones(21), atol=1e-4)
    assert not torch.allclose(corner[0, 0, 10], torch.ones(21), atol=1e-1)
    with pytest.raises(InputError, match="shear_centre must be one of centre, corner, not 'top'"):
        get_operations("all", shear_centre="top")


def test_operations_of_ones_own():
    assert names(get_operations("rotate=5/10,rescale"))[:4] == [
        "rotate=5", "rotate=10", "rescale 1", "rescale 2",
    ]  # fmt: skip
    assert names(get_operations("solarize"))[:2] == ["solarize 2", "solarize 3"]
    turns = [f"rotate={angle}" for angle in (-40, -25, -12, 12, 25, 40, 90, 180, 270)]
    assert names(get_operations("rotate")) == [*turns, "identity"]
    assert set(turns) < set(names(get_operations("families")))
    assert names(get_operations("invert,flip_vertical")) == ["invert", "flip_vertical", "identity"]
    assert names(get_operations(" shear_x 4 + invert 3 , rescale 0")) == [
        "shear_x 4 + invert 3",
        "rescale 0",
    ]
    darken = from_function("darken", lambda x, f: x * f, (1.0, 0.5, 0.25))
    pool = get_operations(["singles", darken])
    assert names(pool)[-2:] == ["darken=0.5", "darken=0.25"]
    own = Operation("two", ((darken, 1), (get_transformation("invert"), 1)))
    assert get_operations([own])[0] is own
    images = torch.rand(2, 3, 4, 4)
    assert np.allclose(own(images, 0, ["a", "b"]), 1 - images / 2)


def test_turned_pictures_have_no_corners_of_one_colour():
    """A picture of one colour stays as it is under every motion of the pool of families."""
    images = torch.full((2, 3, 16, 16), 0.7)
    for operation in get_operations("families"):
        if operation.kind == "geometric":
            assert torch.allclose(operation(images, 0, ["a", "b"]), images, atol=1e-6)


def test_messages():
    for wrong, message in {
        "rotat": "unknown transformation 'rotat': did you mean rotate",
        "rotate 12": "rotate has the levels 0 to 9, not 12",
        "rotate 3 + invert": "operation 'rotate 3 \\+ invert': name a family and a level",
        " , ": "no operation is named; try all, singles, policies or rotate=5/10",
        "rotate=x": "rotate=x: magnitudes are numbers",
    }.items():
        with pytest.raises(InputError, match=message):
            get_operations(wrong)
    with pytest.raises(InputError, match="two operations are called 'rotate 3'"):
        get_operations(["singles", Operation("rotate 3", ((get_transformation("rotate"), 3),))])


def test_families_are_tried_as_far_in_both_directions():
    for name in ("shear_x", "shear_y", "translate_x", "translate_y"):
        assert [-level for level in LEVELS[name][::-1]] == list(LEVELS[name])
    turns, hues = set(LEVELS["rotate"]), set(LEVELS["hue"])
    assert turns - {-level for level in turns} == {90, 180, 270}  # -90 is 270
    assert hues - {-level for level in hues} == {0.5}  # half the circle either way
    assert np.allclose(np.mean(LEVELS["sharpness"]), 1)  # as much less as more
    for name, levels in LEVELS.items():
        assert get_transformation(name).family.identity not in levels
        assert len(set(levels)) == len(levels)
    assert sum(map(len, LEVELS.values())) == 61
