"""The tops against loops, chance against the held-out half, and a thousand classes in bounds."""

import numpy as np
import pytest

from invariscope.search import get_operations, rank
from invariscope.search.operations import unique_operations
from invariscope.search.rows import DRAWN, PairRows, Pairs, pair_table
from invariscope.search.table import relative_changes, tabulate
from oracles.factors import reference_raising, reference_tops


def table_of(means, pool, pairs=30, noise=0.05, seed=0):
    """The table of classes whose changes are drawn about means [class, computed operation]."""
    rng = np.random.default_rng(seed)
    unique = list(unique_operations(pool))
    entries = [
        {**op.as_dict(), "column": unique.index(op.key) if op.acting else None} for op in pool
    ]
    classes = [{"name": f"c{k}", "images": 2 * pairs, "pairs": pairs} for k in range(len(means))]
    count = len(unique)
    number = np.repeat(np.arange(len(means)), pairs)
    change = means[number] + noise * rng.normal(size=(len(number), len(unique)))
    before = np.where(np.isnan(change).all(axis=1), np.nan, rng.uniform(0.3, 0.9, len(number)))
    names = [str(k) for k in range(len(number))]
    tables = []
    for k in range(len(means)):
        mine = slice(k * pairs, (k + 1) * pairs)
        own = Pairs(DRAWN, names[mine], names[mine], before[mine], change[mine], np.arange(pairs))
        tables.append(pair_table(k, [own], count))
    rows = PairRows(tables, [1] * len(means), count)
    return tabulate(rows, classes, entries, seed=0)


@pytest.fixture(scope="module")
def pool():
    return get_operations("all")


@pytest.fixture(scope="module")
def frame(pool):
    unique = unique_operations(pool)
    means = np.random.default_rng(1).normal(-0.02, 0.03, (8, len(unique)))
    return table_of(means, pool)


def distinct(pool):
    """The first name of each set of equal operations."""
    first = {}
    for operation in pool:
        first.setdefault(operation.key, operation)
    return list(first.values())


def test_tops_are_those_of_loops(frame, pool):
    ranks = rank(frame)
    moves = {"translate_x", "translate_y", "rescale"}
    groups = {
        "all": distinct(pool),
        "geometric": [op for op in distinct(pool) if op.kind in ("geometric", "identity")],
        "appearance": [op for op in distinct(pool) if op.kind in ("appearance", "identity")],
        "no shift or zoom": [
            op for op in distinct(pool)
            if op.kind == "identity" or not moves & set(op.families.split("+"))
        ],
    }  # fmt: skip
    for by in ("change", "relative_change", "proportion_boosted", "weighted_boost"):
        for among, operations in groups.items():
            rows = ranks.tops.query("by == @by and among == @among")
            found = {
                row["class"]: (row["operation"], row["value"]) for row in rows.to_dict("records")
            }
            assert found == reference_tops(frame, by, {op.name for op in operations}), (by, among)


def test_halves_shares_and_the_ten_best_are_those_of_loops(frame, pool):
    ranks = rank(frame)
    names = {op.name for op in distinct(pool)}
    active = {op.name for op in distinct(pool) if op.kind != "identity"}
    classes = frame[frame["class"] != ""]
    at = classes.set_index(["class", "operation"])
    for chosen, tested in (("first_half", "second_half"), ("second_half", "first_half")):
        rows = ranks.held_out.query("chosen_on == @chosen")
        for name, (operation, value) in reference_tops(classes, chosen, names).items():
            row = rows[rows["class"] == name].iloc[0]
            assert (row["operation"], row["in_sample"]) == (operation, value)
            assert row["held_out"] == at.loc[(name, operation), tested]
    tops = reference_tops(classes, "change", names)
    values = np.array([value for _, value in tops.values()])
    assert np.isclose(ranks.per_class.value, values.mean())
    assert ranks.per_class.n == 8
    assert ranks.above_zero.value == (values > 0).mean()
    kind = {op.name: op.kind for op in pool}
    for row in ranks.shares.to_dict("records"):
        of_tops = np.mean([kind[operation] == row["kind"] for operation, _ in tops.values()])
        assert row["tops"] == of_tops
        if row["kind"] != "identity":
            assert np.isclose(row["pool"], np.mean([kind[name] == row["kind"] for name in active]))
    counts = reference_raising(classes, "change", "change", active)
    assert ranks.raising.value == np.mean(list(counts.values()))
    there = reference_raising(classes, "first_half", "second_half", active)
    back = reference_raising(classes, "second_half", "first_half", active)
    assert ranks.raising_held_out.value == np.mean([*there.values(), *back.values()])
    best = reference_tops(frame[frame["class"] == ""], "change", names)[""]
    assert np.isclose(ranks.overall.value, best[1])


def test_the_best_of_many_is_above_zero_by_luck_and_the_other_half_says_so(pool):
    """No operation does anything; every class has a top above zero, but not held out."""
    ranks = rank(table_of(np.zeros((60, len(unique_operations(pool)))), pool))
    assert ranks.above_zero.value == 1
    assert ranks.per_class.low > 0.01
    assert ranks.per_class_held_out.low < 0 < ranks.per_class_held_out.high
    assert 0.3 < ranks.above_zero_held_out.value < 0.7
    assert ranks.above_zero_everywhere == ()
    assert ranks.null == 0


def test_an_operation_that_helps_everywhere_is_found_and_holds(pool):
    unique = unique_operations(pool)
    means = np.full((10, len(unique)), -0.02)
    means[:, list(unique).index(get_operations("equalize 1")[0].key)] = 0.1
    frame = table_of(means, pool, noise=0.005)
    ranks = rank(frame)
    assert ranks.above_zero_everywhere == ("equalize 1",)  # and not under its seven other names
    assert set(ranks.tops.query("among == 'all'")["operation"]) == {"equalize 1"}
    assert ranks.per_class_held_out.low > 0.09
    assert ranks.shares.set_index("kind")["tops"].to_dict() == {
        "geometric": 0, "appearance": 1, "mixed": 0, "identity": 0,
    }  # fmt: skip
    geometric = ranks.tops.query("among == 'geometric' and by == 'change'")
    assert set(geometric["kind"]) == {"identity"}
    assert ranks.identity_on_top.value == 1
    rows = frame.query("operation == 'equalize 1' and `class` != ''")
    assert (rows["q"] < 0.001).all()


def test_classes_without_numbers_have_no_top(pool):
    unique = unique_operations(pool)
    means = np.zeros((3, len(unique)))
    means[1] = np.nan  # and so the similarities before
    ranks = rank(table_of(means, pool))
    assert set(ranks.tops.query("by == 'change'")["class"]) == {"", "c0", "c2"}
    assert ranks.per_class.n == 2


def test_a_similarity_of_one_millionth_still_counts():
    before = np.array([1e-6, -1e-6, 0.999e-6, 0.0])
    relative = relative_changes(np.full((4, 1), 2e-6), before)
    np.testing.assert_allclose(relative[:, 0], [2, -2, np.nan, np.nan])


def test_the_null_is_the_largest_change_of_what_changes_nothing(pool, frame):
    moved = frame.copy()
    identities = moved.index[moved["kind"] == "identity"]
    moved.loc[identities[0], "change"] = -0.2
    moved.loc[identities[1], "change"] = 0.1
    assert rank(moved).null == 0.2
