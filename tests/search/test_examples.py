"""Example pairs: which are chosen, what is on the pictures, and that they come back."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import invariscope
from invariscope.errors import InputError
from invariscope.search import Factors, get_operations
from invariscope.search.example_files import EXAMPLES, read_examples, write_examples
from invariscope.search.examples import CLASSES, SIDE, _roles, shown_classes
from oracles.searches import known_examples, known_search


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(24, 3, 12, 16, generator=generator), [0] * 12 + [1] * 12


def pixels(images):
    return images.flatten(1)


@pytest.fixture(scope="module")
def found(data):
    return invariscope.find_factors(pixels, data, operations="rotate=10/90,invert,solarize")


def test_they_are_the_extreme_and_the_median_pair_of_the_top_operation(found):
    shown = {}
    for example in found.examples:
        shown.setdefault(example.class_name, []).append(example)
    for name, examples in shown.items():
        top = found.ranks.tops.query(
            "by == 'relative_change' and among == 'all' and `class` == @name"
        ).iloc[0]["operation"]
        assert {example.operation for example in examples} == {top}
        pairs = found.pairs(name)
        ordered = pairs.sort_values(top, ascending=False, kind="stable")
        expected = {"helped": ordered.iloc[0], "middle": ordered.iloc[len(ordered) // 2]}
        if ordered.iloc[-1][top] < 0:
            expected["hurt"] = ordered.iloc[-1]
        assert [example.role for example in examples] == list(expected)
        for example in examples:
            row = expected[example.role]
            assert (example.first, example.second) == (row["first"], row["second"])
            assert example.before == row["before"]
            assert example.change == row[top]


def test_pictures_are_the_anchor_the_other_and_the_other_transformed(data, found):
    images = (data[0] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    names = {name for example in found.examples for name in (example.first, example.second)}
    position = {name: int("".join(c for c in name if c.isdigit())) for name in names}
    operations = {op.name: op for op in get_operations("rotate=10/90,invert,solarize")}
    assert found.examples
    for example in found.examples:
        assert example.pictures.shape == (3, 12, 16, 3)
        first, second = position[example.first], position[example.second]
        assert np.abs(example.pictures[0].astype(int) - images[first]).max() <= 1
        assert np.abs(example.pictures[1].astype(int) - images[second]).max() <= 1
        moved = operations[example.operation](data[0][[second]], 0, [example.second])
        expected = (moved[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(example.pictures[2].astype(int) - expected).max() <= 1


def test_large_pictures_are_made_smaller():
    top = torch.cat([torch.ones(3, 75, 300), 0.2 * torch.ones(3, 75, 300)], 1)
    images = torch.stack([top, top.flip(1), top, top.flip(1)])
    found = invariscope.find_factors(pixels, (images, [0] * 4), operations="flip_vertical", pairs=6)
    assert {example.pictures.shape for example in found.examples} == {(3, SIDE // 2, SIDE, 3)}
    helped = found.examples[0].pictures.astype(int)
    assert np.abs(helped[0] - helped[2]).max() <= 2  # what the flip makes of it is the anchor
    assert np.abs(helped[0] - helped[1]).max() > 200


def test_each_top_operation_is_shown_once_before_any_is_shown_again():
    operations = ["rotate 3", "rotate 9", "invert 3", "posterize 8"]
    best = {f"c{k}": operations[min(k // 3, 3)] for k in range(10)}

    def change(name, operation):
        return 0.1 - 0.001 * int(name[1:]) if operation == best[name] else -0.01

    shown = shown_classes(known_search(tuple(best), ",".join(operations), change))
    assert len(shown) == CLASSES
    # c0, c3, c6 and c9 bring the four operations; the rest goes to the largest changes.
    assert [name for name, _ in shown] == ["c0", "c3", "c6", "c9", "c1", "c2"]
    assert [operation for _, operation in shown] == [best[name] for name, _ in shown]


def test_what_is_found_is_shown_first_at_the_level_that_brings_pairs_closest(monkeypatch):
    def closed(name, family):
        return {"owl": 0.4, "dog": 0.2}.get(name, 0.0) if family == "rotate" else 0.0

    known = known_search(
        ("cat", "dog", "owl"), "rotate 3,rotate 9,invert 3", closed=closed,
        change=lambda name, operation: 0.3 if operation == "invert 3" else -0.1,
    )  # fmt: skip
    # Half of the pairs gain by the larger turn what the other half loses.
    changes = {"rotate 3": [0.1, 0.1], "rotate 9": [0.4, -0.9], "invert 3": [0.5, 0.5]}
    monkeypatch.setattr(known, "pairs", lambda name: pd.DataFrame(changes))
    assert shown_classes(known) == [("owl", "rotate 9"), ("dog", "rotate 9"), ("cat", "invert 3")]


def test_classes_that_nothing_helps_are_not_shown():
    assert shown_classes(known_search(change=lambda name, operation: -0.1)) == []


@pytest.mark.parametrize(
    ("changes", "roles"),
    [
        ([], []),
        ([np.nan, np.nan], []),
        ([0.1], [("helped", 0)]),
        ([0.1, 0.3], [("helped", 1), ("middle", 0)]),
        ([0.1, np.nan, 0.3, 0.2], [("helped", 2), ("middle", 3)]),
        ([-0.1, 0.3, 0.2, -0.4], [("helped", 1), ("middle", 0), ("hurt", 3)]),
    ],
)
def test_roles(changes, roles):
    assert list(_roles(np.array(changes))) == roles


def test_they_are_written_by_a_search_and_read_without_the_data(data, found, tmp_path):
    folder = tmp_path / "run"
    kept = invariscope.find_factors(
        pixels, data, operations="rotate=10/90,invert,solarize", output=folder
    )
    assert (folder / EXAMPLES).is_file()
    assert same(Factors.load(folder).examples, found.examples)
    (folder / EXAMPLES).unlink()
    assert Factors.load(folder).examples == ()  # an older folder
    again = invariscope.find_factors(
        pixels, data, operations="rotate=10/90,invert,solarize", output=folder
    )
    assert same(again.examples, kept.examples)
    assert (folder / EXAMPLES).is_file()
    found.save(tmp_path / "copy")
    assert same(Factors.load(tmp_path / "copy").examples, found.examples)


def same(some, others):
    assert some
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        fields = [(e.class_name, e.operation, e.role, e.first, e.second, e.before, e.change)
                  for e in (one, other)]  # fmt: skip
        assert fields[0] == fields[1]
        np.testing.assert_array_equal(one.pictures, other.pictures)
    return True


def test_damaged_files(tmp_path):
    path = write_examples(tmp_path, known_examples())
    assert len(read_examples(tmp_path)) == 3
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match=r"cannot read .*examples\.npz .*: give the search's command"
    ):
        read_examples(tmp_path)
    path.write_bytes(whole)
    with np.load(path) as file:
        arrays = dict(file)
    for change in ({"format": np.array(99)}, {"pictures": np.zeros((2, 3, 4, 4, 3), np.uint8)},
                   {"pictures": np.zeros((3, 2, 4, 4, 3), np.uint8)}):  # fmt: skip
        changed: dict[str, Any] = arrays | change
        np.savez(path, **changed)
        with pytest.raises(InputError, match=r"install a newer|cannot read"):
            read_examples(tmp_path)
    write_examples(tmp_path, [])
    assert read_examples(tmp_path) == ()
