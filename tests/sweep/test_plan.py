"""The plan: equal cells once, controls at a third, two thirds and all of the way, blocks of 32."""

import pytest

from invariscope.sweep import blocks, make_plan
from invariscope.transformations import IDENTITY, get_transformations


def plan_of(names=None, table="standard", twin=False, floor=False):
    return make_plan(get_transformations(names, table), twin=twin, floor=floor)


def test_the_default_sweep():
    plan = plan_of()
    assert len(plan.entries) == 130
    # 13 × 9 levels beyond the identity, which is one cell; posterize shows two levels twice
    assert len(plan.cells) == 1 + 13 * 9 - 2 == 116
    assert plan.cells[0].key == IDENTITY
    assert plan.passes == 116


def test_every_entry_has_its_cell():
    plan = plan_of("all", "search")
    keys = [cell.key for cell in plan.cells]
    assert len(keys) == len(set(keys))
    assert {entry.cell for entry in plan.entries} == set(keys)


def test_controls_at_three_levels():
    plan = plan_of("rotate,solarize,invert", twin=True, floor=True)
    twins = {cell.key for cell in plan.cells if cell.twin}
    assert twins == {
        IDENTITY, "rotate=±60", "rotate=±120", "rotate=±180", "solarize=0.666667",
        "solarize=0.333333", "solarize=0", "invert=1",
    }  # fmt: skip
    floors = [cell.key for cell in plan.cells if cell.there_and_back]
    assert floors == ["rotate=±60", "rotate=±120", "rotate=±180"]
    assert plan.passes == len(plan.cells) + len(twins)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(2, [2]), (32, [32]), (33, [33]), (34, [32, 2]), (64, [32, 32]), (97, [32, 32, 33])],
)
def test_blocks(count, sizes):
    parts = blocks(range(count))
    assert [len(part) for part in parts] == sizes
    assert [index for part in parts for index in part] == list(range(count))
