"""The selection and its order: theorems over arbitrary ids, labels, sizes and seeds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from invariscope.data import ImageSource, fingerprint, open_source, select, selection
from invariscope.errors import InputError


class Named(ImageSource):
    name = "named"

    def __init__(self, ids, labels=None):
        self.ids, self.labels = ids, labels

    def load(self, index: int) -> Image.Image:
        return Image.new("RGB", (1, 1))


IDS = st.lists(st.text(min_size=1, max_size=5), unique=True, min_size=1, max_size=40).filter(
    lambda ids: all(name.isprintable() for name in ids)
)
LABELLED = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(IDS, st.integers(0, 5), st.randoms())
def test_order_depends_on_the_ids_alone(ids, seed, shuffler):
    other = list(ids)
    shuffler.shuffle(other)
    first = [ids[i] for i in select(Named(ids), None, seed)]
    second = [other[i] for i in select(Named(other), None, seed)]
    assert first == second
    assert sorted(first) == sorted(ids)


@given(IDS, st.integers(1, 40), st.integers(0, 5))
def test_fewer_unlabelled_images_are_a_prefix(ids, count, seed):
    assert select(Named(ids), count, seed) == select(Named(ids), None, seed)[:count]


@given(LABELLED, st.integers(1, 70), st.integers(0, 5))
def test_classes_get_their_share(labels, count, seed):
    source = Named([f"i{k}" for k in range(len(labels))], labels)
    chosen = select(source, count, seed)
    taken = min(count, len(labels))
    assert len(set(chosen)) == len(chosen) == taken
    sizes, found = Counter(labels), Counter(labels[i] for i in chosen)
    quotas = {label: taken * size / len(labels) for label, size in sizes.items()}
    if taken >= len(sizes):
        assert min(found[label] for label in sizes) >= 1
    if taken < len(sizes) or min(quotas.values()) >= 1:
        for label, quota in quotas.items():
            assert abs(found[label] - quota) < 1
    # the order is that of the whole set, and each class gives its first ones
    whole = select(source, None, seed)
    assert chosen == [i for i in whole if i in set(chosen)]
    for label in sizes:
        of_class = [i for i in whole if labels[i] == label]
        assert [i for i in chosen if labels[i] == label] == of_class[: found[label]]


@given(LABELLED, st.integers(1, 70), st.randoms())
def test_stratified_choice_ignores_the_order_of_the_source(labels, count, shuffler):
    pairs = [(f"i{k}", label) for k, label in enumerate(labels)]
    other = list(pairs)
    shuffler.shuffle(other)

    def chosen(rows):
        source = Named([row[0] for row in rows], [row[1] for row in rows])
        return [source.ids[i] for i in select(source, count, 3)]

    assert chosen(pairs) == chosen(other)


def test_proportional_by_largest_remainder():
    source = Named([str(k) for k in range(100)], [0] * 60 + [1] * 30 + [2] * 10)
    labels = np.array(source.labels)
    assert np.bincount(labels[select(source, 10, 0)]).tolist() == [6, 3, 1]
    assert np.bincount(labels[select(source, 3, 0)]).tolist() == [1, 1, 1]
    assert np.bincount(labels[select(source, 8, 0)]).tolist() == [5, 2, 1]  # 4.8, 2.4, 0.8


def test_a_rare_class_takes_from_the_one_furthest_above_its_share():
    source = Named([str(k) for k in range(104)], [0] * 100 + [1, 2, 3, 4])
    found = np.bincount(np.array(source.labels)[select(source, 6, 0)])
    assert found.tolist() == [2, 1, 1, 1, 1]


def test_equal_classes_are_not_chosen_by_their_index():
    labels = [k // 10 for k in range(1000)]
    source = Named([str(k) for k in range(1000)], labels)
    chosen = {labels[i] for i in select(source, 10, 0)}
    assert len(chosen) == 10
    assert max(chosen) > 50


def test_seeds_differ_and_repeat():
    source = Named([str(k) for k in range(50)])
    assert select(source, 10, 0) == select(source, 10, 0)
    assert select(source, 10, 0) != select(source, 10, 1)


def test_equal_hashes_are_ordered_by_id(monkeypatch):
    monkeypatch.setattr(selection, "uniform", lambda seed, key, ids: np.zeros(len(ids)))
    assert select(Named(["b", "c", "a"]), None, 0) == [2, 0, 1]


@pytest.mark.parametrize("count", [0, -3])
def test_too_few(count):
    with pytest.raises(InputError, match=f"num_images is {count}; it must be at least 1"):
        select(Named(["a"]), count, 0)


def test_fingerprint_covers_ids_labels_and_order():
    plain = Named(["a", "b", "c"])
    seen = {
        fingerprint(plain, [0, 1]),
        fingerprint(plain, [1, 0]),
        fingerprint(plain, [0, 2]),
        fingerprint(plain, [0]),
        fingerprint(Named(["ab", "c"]), [0, 1]),
        fingerprint(Named(["a", "bc"]), [0, 1]),
        fingerprint(Named(["a", "b"], [0, 1]), [0, 1]),
        fingerprint(Named(["a", "b"], [1, 0]), [0, 1]),
    }
    assert len(seen) == 8
    assert fingerprint(plain, [0, 1]) == fingerprint(Named(["a", "b"]), [0, 1])
    assert all(len(value) == 64 for value in seen)


@pytest.mark.parametrize("count", ["all", 2.5, [3]])
def test_a_count_is_a_whole_number(count):
    refused = r"num_images is .*; it must be a whole number, or None for all"
    with pytest.raises(InputError, match=refused):
        select(Named(["a"]), count)
    with pytest.raises(InputError, match=refused):
        open_source((image for image in [Image.new("RGB", (4, 4))]), num_images=count)
