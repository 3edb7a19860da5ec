"""Class hierarchy against ranks: naive loops, planted relations, chance, messages."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import invariscope
from invariscope.effects.wordnet import MEASURES, WordNet
from invariscope.errors import InputError
from invariscope.search import hierarchy as module
from invariscope.search.hierarchy import OUTCOMES, class_hierarchy
from oracles.hierarchy import reference_interval, reference_outcomes, reference_p
from small_searches import Small

#: Three kinds of four: similar within, dissimilar between.
KINDS = {
    "entity": [], "ghost": [],
    **{kind: ["entity"] for kind in ("beast", "tool", "food")},
    "bird": ["beast"], "fowl": ["bird"], "hen": ["fowl"], "cock": ["fowl"], "owl": ["bird"],
    "saw": ["tool"], "hammer": ["tool"], "gavel": ["hammer"], "mallet": ["hammer"],
    "bread": ["food"], "bun": ["bread"], "loaf": ["bread"], "soup": ["food"],
}  # fmt: skip
CLASSES = ["hen", "cock", "owl", "gavel", "mallet", "saw", "bun", "loaf", "soup"]


@pytest.fixture
def nouns(tmp_path, write_nouns):
    write_nouns(tmp_path, KINDS)
    return WordNet(tmp_path)


def table(values, by="relative_change", types=3):
    """A table of factors from {class: [value of each operation]}, with an identity that leads."""
    rows = [
        {
            "class": name,
            "operation": f"op {number}",
            "kind": "geometric",
            "families": f"type {number % types}",
            by: value,
        }
        for name, row in values.items()
        for number, value in enumerate(row)
    ]
    extra = [
        {"class": name, "operation": "identity", "kind": "identity", "families": "none", by: 99.0}
        for name in values
    ]
    everything = [{**row, "class": "", by: 0.0} for row in rows[: len(next(iter(values.values())))]]
    return pd.DataFrame(everything + extra + rows)


def random_values(seed, classes=CLASSES, operations=30):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=operations).round(1) for name in classes}  # rounded: some tie


@pytest.mark.parametrize("ranks", ["operations", "types"])
@pytest.mark.parametrize("by", ["relative_change", "proportion_boosted"])
def test_every_pair_is_the_naive_one(nouns, ranks, by):
    values = random_values(0)
    found = class_hierarchy(table(values, by, types=7), nouns, by=by, ranks=ranks, permutations=9)
    named = {n: {f"op {k}": v for k, v in enumerate(row)} for n, row in values.items()}
    types = {f"op {k}": f"type {k % 7}" if ranks == "types" else k for k in range(30)}
    expected = reference_outcomes(named, types)
    pairs = found.pairs.set_index(["class_a", "class_b"])
    assert len(pairs) == len(expected) == 36
    for a, b in pairs.index:
        naive = expected[a, b] if (a, b) in expected else expected[b, a]
        np.testing.assert_allclose(
            pairs.loc[(a, b), list(OUTCOMES)].astype(float), naive, atol=1e-9
        )
        for measure in MEASURES:
            own = nouns.similarity([found.synsets[a]], [found.synsets[b]], measure)
            assert pairs.loc[(a, b), measure] == own[0]


def test_p_and_interval_are_the_naive_ones(nouns, monkeypatch):
    monkeypatch.setattr(module, "REPLICATES", 60)
    chosen = ["hen", "cock", "gavel", "saw", "bun"]
    found = class_hierarchy(table(random_values(1, chosen)), nouns, permutations=119, seed=3)
    pairs = found.pairs.set_index(["class_a", "class_b"])
    classes = list(found.synsets)
    rows = {(r["outcome"], r["measure"]): r for r in found.correlations.to_dict("records")}
    for outcome in OUTCOMES:
        for measure in MEASURES:
            row = rows[outcome, measure]
            one, other = pairs[measure].to_dict(), pairs[outcome].to_dict()
            assert row["p"] == pytest.approx(reference_p(one, other, classes), abs=1e-12)
            low, high = reference_interval(one, other, classes, 3, 60)
            assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-9)
    assert {row["n_pairs"] for row in rows.values()} == {10}
    assert {row["n_classes"] for row in rows.values()} == {5}


def test_a_sample_of_pairs_is_tested_as_all_of_them_are(nouns):
    """Ranks are sorted anew for a sample: asking for all pairs but one must not change the test."""
    frame = table(random_values(2))
    whole = class_hierarchy(frame, nouns, permutations=200)
    sample = class_hierarchy(frame, nouns, pairs=35, permutations=200)
    assert (len(whole.pairs), len(sample.pairs)) == (36, 35)
    assert not sample.pairs.duplicated(["class_a", "class_b"]).any()
    merged = sample.pairs.merge(whole.pairs)
    assert len(merged) == 35
    np.testing.assert_allclose(
        sample.correlations["spearman"], whole.correlations["spearman"], atol=0.15
    )
    np.testing.assert_allclose(sample.correlations["p"], whole.correlations["p"], atol=0.25)


def planted(seed, strength):
    """Values whose order follows the kind, more or less."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(3, 30))
    return {n: strength * own[k // 3] + rng.normal(size=30) for k, n in enumerate(CLASSES)}


def test_a_planted_relation_is_found(nouns):
    found = class_hierarchy(table(planted(0, 2.0)), nouns)
    row = found.correlations.to_dict("records")[0]
    assert (row["outcome"], row["measure"]) == ("rank_correlation", "wup")
    assert row["spearman"] > 0.5
    assert row["ci_low"] > 0
    assert row["p"] < 0.01  # kinds may be exchanged: three in a thousand orders are as good
    group = found.groups.to_dict("records")[0]
    wup = found.pairs["wup"]
    assert group["n_similar"] == (wup >= 0.75).sum() > 0
    assert group["n_dissimilar"] == (wup <= 0.25).sum() > 0
    for row in found.groups.to_dict("records"):
        outcome = found.pairs[row["outcome"]]
        assert row["similar"] == pytest.approx(outcome[wup >= 0.75].mean())
        assert row["dissimilar"] == pytest.approx(outcome[wup <= 0.25].mean())
        assert row["difference"] == pytest.approx(row["similar"] - row["dissimilar"])
        for name in ("similar", "dissimilar", "difference"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_chance_is_found_as_often_as_p_says(nouns):
    """200 tables without a relation: p is uniform, and the interval holds 0."""
    p, held = [], []
    for seed in range(200):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "REPLICATES", 50)
            found = class_hierarchy(table(random_values(seed)), nouns, permutations=39, seed=seed)
        row = found.correlations.iloc[0]
        p.append(row["p"])
        held.append(row["ci_low"] <= 0 <= row["ci_high"])
    assert 2 <= (np.array(p) <= 0.05).sum() <= 20
    assert 0.4 < np.mean(p) < 0.6
    assert np.mean(held) > 0.75  # nine classes are few for a bootstrap


def test_order_of_rows_and_renaming_change_nothing(nouns):
    values = planted(1, 1.0)
    frame = table(values)
    one = class_hierarchy(frame, nouns, permutations=19)
    shuffled = frame.sample(frac=1, random_state=0)
    other = class_hierarchy(shuffled.assign(families="x"), nouns, permutations=19)
    assert one.correlations.loc[:2, "spearman"].to_list() == pytest.approx(
        other.correlations.loc[:2, "spearman"].to_list()
    )
    wnids = {name: nouns.synset_of(name) for name in values}
    renamed = frame.assign(**{"class": frame["class"].replace(wnids)})
    third = class_hierarchy(renamed, nouns, permutations=19)
    assert third.correlations["spearman"].to_list() == pytest.approx(
        one.correlations["spearman"].to_list()
    )
    assert third.synsets == {wnid: wnid for wnid in third.synsets}


def test_who_is_left_out_is_named(nouns):
    values = {**random_values(4), "T-shirt/top": np.zeros(30), "owlet": np.arange(30.0)}
    values["saw"][3] = np.nan
    values["soup"][:] = 0.1
    found = class_hierarchy(table(values), nouns, synsets={"owlet": nouns.synset_of("owl") or ""})
    assert found.left_out == {
        "T-shirt/top": "no synset: it is no wnid, no class of ImageNet and no noun",
        "saw": "an operation has no value for it",
        "soup": "its operations are all tied",
    }
    assert found.synsets["owlet"] == found.synsets["owl"]
    assert len(found.pairs) == 28


def test_what_cannot_be_said_is_nan(nouns):
    """One order for all classes, and no more operations than tops: nothing varies."""
    found = class_hierarchy(table({name: np.arange(5.0) for name in CLASSES}), nouns)
    assert found.correlations[["spearman", "ci_low", "ci_high", "p"]].isna().all(axis=None)
    assert (found.pairs[list(OUTCOMES)] == 1).all(axis=None)
    # One type of operation has no order; a second root makes a pair without a common ancestor.
    one_type = class_hierarchy(table(random_values(5), types=1), nouns, ranks="types")
    assert one_type.pairs["rank_correlation"].isna().all()
    assert one_type.correlations["p"].isna().all()
    ghost = table({**random_values(5, CLASSES[:4]), "ghost": np.arange(30.0)})
    apart = class_hierarchy(ghost, nouns)
    assert apart.pairs["wup"].isna().sum() == 4
    assert apart.correlations["spearman"].isna().all()


def test_a_real_search_is_read(wordnet, labelled):
    """The table that `find_factors` makes: real pictures through a network, classes by name."""
    names = np.array(["dog", "cat", "n03481172", "crane", "class 7"]).repeat(6)
    search = invariscope.find_factors(
        Small(), (labelled[0][:30], names), operations="rotate,brightness_down,posterize", pairs=3
    )
    for by in ("relative_change", "proportion_boosted"):
        found = class_hierarchy(search.frame, wordnet, by=by, permutations=23)
        assert len(found.pairs) == 6
        assert wordnet.name(found.synsets["n03481172"]) == "hammer.n.02"
        assert list(found.left_out) == ["class 7"]
        assert found.correlations["p"].iloc[0] in np.arange(1, 25) / 24
        wide = search.frame[search.frame["kind"] != "identity"].pivot(
            index="operation", columns="class", values=by
        )
        pairs = found.pairs.to_dict("records")
        for pair in pairs:
            ranks = wide[[pair["class_a"], pair["class_b"]]].rank()
            rho = ranks[pair["class_a"]].corr(ranks[pair["class_b"]])
            assert pair["rank_correlation"] == pytest.approx(rho, abs=1e-9)


def test_sampled_pairs_stand_in_the_order_of_all():
    rows, columns = module._sample(9, 12, seed=0)
    places = rows * 9 + columns
    assert len(places) == 12
    assert (np.diff(places) > 0).all()
    assert (rows < columns).all()


def test_the_seed_is_0_unless_another_is_given(nouns, monkeypatch):
    monkeypatch.setattr(module, "REPLICATES", 60)
    frame = table(random_values(2))
    seeds: tuple[dict[str, Any], ...] = ({}, {"seed": 0}, {"seed": 1}, {"seed": -1})
    unsaid, *said = (
        class_hierarchy(frame, nouns, permutations=99, **seed).correlations for seed in seeds
    )
    assert [unsaid.equals(other) for other in said] == [True, False, False]


def test_messages(nouns):
    frame = table(random_values(0))
    with pytest.raises(InputError, match=r"no column 'boost': it has class, operation, kind"):
        class_hierarchy(frame, nouns, by="boost")
    with pytest.raises(InputError, match=r"class 'hen' has 'op 0' twice: keep one row"):
        class_hierarchy(pd.concat([frame, frame]), nouns)
    with pytest.raises(InputError, match=r"ranks 'families': operations or types work"):
        class_hierarchy(frame, nouns, ranks="families")
    with pytest.raises(InputError, match=r"pairs=0, permutations=999: give 1 or more of each"):
        class_hierarchy(frame, nouns, pairs=0)
    few = table(random_values(0, ["hen", "cock", "owl", "class 3"]))
    with pytest.raises(
        InputError, match=r"3 classes have a synset and values, 4 are needed \(left o"
    ):
        class_hierarchy(few, nouns)
    with pytest.raises(InputError, match=r"'n00000001' is no noun synset"):
        class_hierarchy(frame, nouns, synsets={"hen": "n00000001"})
