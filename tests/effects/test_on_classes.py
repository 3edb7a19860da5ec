"""Effects of an augmentation by class: naive loops, theorems, planted classes, chance, messages."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from invariscope.effects import helped_samples as helped_module
from invariscope.effects import on_classes as module
from invariscope.effects.correctness import arrange
from invariscope.effects.on_classes import class_effects
from invariscope.effects.power import detectable
from invariscope.effects.relabelling import hurt_by_chance, is_lower, relabel, relabellings
from invariscope.effects.wordnet import WordNet
from invariscope.errors import InputError
from oracles.class_effects import (
    reference_class,
    reference_intervals,
    reference_iou,
    reference_relabelling,
)

COLUMNS = ["image", "class", "method", "seed", "correct"]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(module, "REPLICATES", 60)
    monkeypatch.setattr(helped_module, "_REPLICATES", 60)


def random_answers(seed=0, seeds=(3, 3, 2), sizes=(7, 7, 5, 4), lift=0.0):
    """({method: {seed: {image: right}}}, {image: class}): a method lifts the odd classes."""
    rng = np.random.default_rng(seed)
    classes = {f"{c}/{k}": f"class {c}" for c, size in enumerate(sizes) for k in range(size)}
    answers = {}
    for method, count in zip(("none", "rrc", "t30"), seeds, strict=False):
        gain = 0.0 if method == "none" else lift
        answers[method] = {
            str(run): {
                image: bool(rng.random() < 0.6 + gain * (int(image[0]) % 2)) for image in classes
            }
            for run in range(count)
        }
    return answers, classes


def table(answers, classes):
    rows = [
        (image, classes[image], method, seed, int(right))
        for method, runs in answers.items()
        for seed, run in runs.items()
        for image, right in run.items()
    ]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


@pytest.mark.parametrize("seed", [0, 1])
def test_every_class_is_the_naive_one(seed):
    answers, classes = random_answers(seed, lift=0.2)
    effects = class_effects(table(answers, classes), "none", threshold=0.6, seed=seed)
    assert len(effects.classes) == 8
    for method in ("rrc", "t30"):
        p = reference_relabelling(answers, classes, "none", method, 0.6)["p"]
        for row in effects.classes[effects.classes["method"] == method].to_dict("records"):
            name = row["class"]
            expected = reference_class(answers, classes, name, "none", method)
            assert {key: row[key] for key in expected} == pytest.approx(expected, nan_ok=True)
            assert row["p"] == pytest.approx(p[name])
            assert row["hurt"] == (expected["share_hurt"] > 0.6)
            assert row["helped"] == (expected["share_helped"] > 0.6)
            assert row["n_images"] == list(classes.values()).count(name)
            ends = reference_intervals(answers, classes, name, "none", method, 60, seed)
            for key, interval in ends.items():
                own = [row[f"{key}_low"], row[f"{key}_high"]]
                assert own == pytest.approx(list(interval), abs=1e-9, nan_ok=True), key


def test_the_summary_is_the_naive_one():
    answers, classes = random_answers(2, lift=-0.4)
    effects = class_effects(table(answers, classes), "none", threshold=0.5)
    for row in effects.summary.to_dict("records"):
        part = effects.classes[effects.classes["method"] == row["method"]]
        null = reference_relabelling(answers, classes, "none", row["method"], 0.5)
        assert row["hurt"] == part["hurt"].sum()
        assert row["helped"] == part["helped"].sum()
        assert row["n_relabellings"] == len(null["scores"])
        lower = part[part["difference"] < 0]
        chances = [null["chance"][name] for name in lower["class"]]
        law = naive_law(chances)
        count = int(lower["hurt"].sum())
        assert row["hurt_expected"] == pytest.approx(sum(chances))
        assert row["excess"] == pytest.approx(count - sum(chances))
        assert row["excess_low"] == count - np.flatnonzero(np.cumsum(law) >= 0.975)[0]
        assert row["excess_high"] == count - np.flatnonzero(np.cumsum(law) >= 0.025)[0]
        scores, own = np.array(null["scores"]), null["own"]
        reached = (scores >= own - 1e-9).sum()
        expected = max(sum(law[count:]), (reached + 1) / (len(scores) + 1))
        assert row["hurt_p"] == pytest.approx(min(1.0, expected))
        assert row["mean_share_hurt"] == pytest.approx(part["share_hurt"].mean())
        for side, method in (("without", "none"), ("with", row["method"])):
            mean = np.mean([list(run.values()) for run in answers[method].values()])
            assert row[f"accuracy_{side}"] == pytest.approx(mean)
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        tied = 1 - part["share_hurt"] - part["share_helped"]
        rng = np.random.default_rng(0)
        simulated = (
            rng.random((20000, len(part), row["n_pairs"])) < ((1 - tied) / 2).to_numpy()[:, None]
        )
        above = (simulated.mean(axis=2) > 0.5).sum(axis=1)
        assert row["binomial"] == pytest.approx(above.mean(), abs=0.03)


def naive_law(chances):
    """How likely each number of successes is, over all outcomes."""
    law = np.zeros(len(chances) + 1)
    for outcome in itertools.product((0, 1), repeat=len(chances)):
        law[sum(outcome)] += np.prod(
            [c if o else 1 - c for o, c in zip(outcome, chances, strict=True)]
        )
    return law


def test_helped_samples_are_the_naive_ones():
    answers, classes = random_answers(3)
    frame = class_effects(table(answers, classes), "none").helped_samples
    rows = {(r["method_a"], r["method_b"], r["shared"]): r for r in frame.to_dict("records")}
    kinds = {"rrc": 4, "t30": 4, ("rrc", "t30"): 3}
    assert len(rows) == sum(kinds.values())
    for (a, b, shared), row in rows.items():
        iou, chance, count = reference_iou(answers, "none", a, b, shared)
        assert (row["iou"], row["chance"], row["n_pairs"]) == pytest.approx((iou, chance, count))
        assert row["iou_low"] <= iou <= row["iou_high"]


def test_resampled_runs_count_as_their_copies():
    answers, classes = random_answers(6)
    lists = helped_module._Lists(arrange(table(answers, classes)), "none", ["rrc", "t30"])
    base, run = np.array([2, 0, 1]), np.array([1, 2, 0, 1, 1])
    iou, _ = lists.ious(lists.copies)
    values = {(a, b): v for a, b, v in zip(lists.first, lists.second, iou, strict=True)}
    found = lists.means(iou, base, run).reshape(3, 4)
    methods = {"rrc": range(3), "t30": range(3, 5)}
    for row, (a, b) in enumerate(lists.pairs):
        held = {kind: ([], []) for kind in ("without", "with", "none")}
        for (i, j), value in values.items():
            s, t, other_s, other_t = lists.base[i], lists.run[i], lists.base[j], lists.run[j]
            if t in methods[a] and other_t in methods[b]:
                kind = {(1, 0): "without", (0, 1): "with", (0, 0): "none"}
                runs = [base[k] for k in {s, other_s}] + [run[k] for k in {t, other_t}]
                pair = held[kind[int(s == other_s), int(t == other_t)]]
                pair[0].append(value)
                pair[1].append(np.prod(runs))
        means = [np.average(v, weights=copies) for v, copies in held.values() if v]
        sizes = [len(v) for v, _ in held.values() if v]
        expected = [np.average(means, weights=sizes), *means]
        known = found[row][~np.isnan(found[row])]
        np.testing.assert_allclose(known, expected)


def test_the_same_runs_on_both_sides_hurt_nothing():
    answers, classes = random_answers(4, seeds=(4,))
    answers["rrc"] = {f"again {seed}": run for seed, run in answers["none"].items()}
    effects = class_effects(table(answers, classes), "none")
    assert (effects.classes["difference"] == 0).all()
    assert (effects.classes["p"] == 1).all()
    assert (effects.classes["share_hurt"] == effects.classes["share_helped"]).all()
    assert not effects.classes[["hurt", "helped"]].any(axis=None)
    one = {"none": dict.fromkeys("12", answers["none"]["0"])}
    one["rrc"] = one["none"]
    identical = class_effects(table(one, classes), "none")
    assert (identical.classes[["share_hurt", "share_helped"]] == 0).all(axis=None)
    assert identical.classes["drop_when_hurt"].isna().all()
    assert identical.summary["hurt_expected"].tolist() == [0]
    assert identical.helped_samples["iou"].isna().all()  # nothing is helped


def planted(seed, hurt=(0,), drop=0.5, classes=30, images=20, seeds=5):
    """Classes of equal runs, some of which the augmentation hurts."""
    rng = np.random.default_rng(seed)
    names = {f"{c}/{k}": f"class {c:02}" for c in range(classes) for k in range(images)}
    hard = {image: rng.normal() for image in names}
    answers = {}
    for method in ("none", "rrc"):
        right = {
            image: 0.8 - (9 * drop if method == "rrc" and int(image.split("/")[0]) in hurt else 0.0)
            for image in names
        }
        answers[method] = {
            str(run): {i: bool(right[i] > hard[i] + 0.5 * rng.normal()) for i in names}
            for run in range(seeds)
        }
    return table(answers, names)


def test_a_planted_class_is_found():
    effects = class_effects(planted(0), "none")
    row = effects.classes.set_index("class").loc["class 00"].to_dict()
    assert row["hurt"]
    assert row["share_hurt"] == 1
    assert row["p"] == pytest.approx(2 / 252)
    assert row["difference_high"] < -0.4
    assert row["drop_when_hurt"] == pytest.approx(-row["difference"])
    summary = effects.summary.to_dict("records")[0]
    assert (summary["n_pairs"], summary["n_classes"], summary["n_images"]) == (25, 30, 600)
    assert "class 00" in effects.to_text()


def test_many_planted_classes_are_more_than_chance_and_none_are_not():
    many = class_effects(planted(1, hurt=range(12)), "none").summary.to_dict("records")[0]
    assert many["excess_low"] > 0
    assert many["hurt_p"] == pytest.approx(1 / 253)
    none = class_effects(planted(1, hurt=()), "none").summary.to_dict("records")[0]
    assert none["excess_low"] <= 0
    assert none["hurt_p"] > 0.05


def effects_on(effect, seed, classes=30, images=50, seeds=5, shared=0.0):
    """Numbers of right answers [run, class] and what relabelling says of them."""
    rng = np.random.default_rng(seed)
    share = 0.7 + shared * rng.normal(size=(2 * seeds, 1)) + np.zeros((2 * seeds, classes))
    share[seeds:] += effect
    right = rng.binomial(images, share.clip(0, 1)).astype(np.int64)
    before, after = right[:seeds], right[seeds:]
    enough = int(0.7 * seeds**2) + 1
    hurt = (before[:, None] > after[None]).sum(axis=(0, 1)) >= enough
    return hurt_by_chance(hurt, is_lower(before, after), relabel(right, seeds, enough, 0))


def supported(found):
    return found.count > found.high and 2 * found.p <= 0.05


FOUR_OF_THIRTY = np.r_[np.full(4, -0.2), np.full(26, 0.1)]


def test_four_of_thirty_are_more_than_chance_where_the_others_are_helped():
    found = [effects_on(FOUR_OF_THIRTY, seed) for seed in range(20)]
    assert np.mean([supported(one) for one in found]) >= 0.8
    assert {one.count for one in found} <= {3, 4, 5}
    more_seeds = [effects_on(0.75 * FOUR_OF_THIRTY, seed, seeds=8) for seed in range(3)]
    assert all(supported(one) for one in more_seeds)


@pytest.mark.parametrize("shared", [0.0, pytest.param(0.03, marks=pytest.mark.long)])
@pytest.mark.parametrize("effect", [0.0, pytest.param(0.03, marks=pytest.mark.long)])
def test_no_effect_and_an_effect_that_helps_all_are_seldom_more_than_chance(effect, shared):
    found = [effects_on(effect, seed, shared=shared) for seed in range(120)]
    assert np.mean([supported(one) for one in found]) <= 0.06


def test_what_is_detectable_is_found_in_80_of_100():
    rng = np.random.default_rng(0)
    runs = 0.8 + 0.03 * rng.normal(size=(10, 4000))
    loss = detectable(runs[:5], runs[5:], enough=18)
    assert loss.mean() == pytest.approx(0.03 * 1.07, rel=0.15)
    lost = 0.03 * rng.normal(size=(10, 4000))
    lost[5:] -= np.sqrt((loss**2).mean())
    hurt = (lost[:5, None] > lost[None, 5:]).sum(axis=(0, 1)) >= 18
    assert hurt.mean() == pytest.approx(0.8, abs=0.04)


def test_chance_is_met_on_average():
    """60 data sets without an effect: as many are hurt as expected, and p is seldom small."""
    rows = [
        class_effects(planted(seed, (), classes=12, seeds=3), "none").summary.to_dict("records")[0]
        for seed in range(60)
    ]
    hurt, expected = (np.array([row[key] for row in rows]) for key in ("hurt", "hurt_expected"))
    assert hurt.mean() == pytest.approx(expected.mean(), abs=4 * hurt.std() / np.sqrt(60))
    assert np.mean([row["hurt_p"] <= 0.1 for row in rows]) < 0.25
    assert np.mean([row["binomial"] for row in rows]) < hurt.mean()  # pairs are not independent


def test_swapping_the_sides_swaps_hurt_and_helped():
    frame = planted(3, hurt=(0, 1))
    one, other = class_effects(frame, "none"), class_effects(frame, "rrc")
    assert one.classes["share_hurt"].tolist() == other.classes["share_helped"].tolist()
    np.testing.assert_allclose(one.classes["difference"], -other.classes["difference"])
    assert one.classes["p"].tolist() == other.classes["p"].tolist()


def test_q_is_corrected_over_the_classes_of_all_methods():
    answers, classes = random_answers(5, lift=0.3)
    own = class_effects(table(answers, classes), "none").classes
    assert sorted(set(own["method"])) == ["rrc", "t30"]
    assert np.allclose(own["q"], stats.false_discovery_control(own["p"]))
    assert list(own.columns).index("q") == list(own.columns).index("p") + 1


def test_order_of_rows_and_types_change_nothing():
    answers, classes = random_answers(5)
    frame = table(answers, classes)
    one = class_effects(frame, "none")
    shuffled = frame.sample(frac=1, random_state=0).sort_values("method", kind="stable")
    shuffled["correct"] = shuffled["correct"].map({1: "True", 0: "false"})
    shuffled["seed"] = shuffled["seed"].astype(int)
    other = class_effects(shuffled, "none", ["rrc", "t30"])
    columns = ["class", "share_hurt", "difference", "p", "q"]
    pd.testing.assert_frame_equal(one.classes[columns], other.classes[columns])
    seeds = one.seeds.set_index(["method", "seed", "class"])["accuracy"]
    for method, runs in answers.items():
        for seed, run in runs.items():
            right = [run[image] for image in run if classes[image] == "class 1"]
            assert seeds[method, seed, "class 1"] == pytest.approx(np.mean(right))


def test_relabellings():
    ways = relabellings(10, 5, seed=0)
    assert len(ways) == 252
    assert list(range(5, 10)) in ways.tolist()
    many = relabellings(20, 10, seed=0)
    assert many.shape == (5000, 10)
    assert many[0].tolist() == list(range(10, 20))
    assert all(len(set(way)) == 10 for way in many.tolist())
    np.testing.assert_array_equal(many, relabellings(20, 10, seed=0))
    counts = np.bincount(many.ravel())
    assert counts.min() > 2300
    assert counts.max() < 2700


KINDS = {
    "entity": [], "beast": ["entity"], "tool": ["entity"],
    **{f"beast{k}": ["beast"] for k in range(8)}, **{f"tool{k}": ["tool"] for k in range(8)},
}  # fmt: skip
LEAVES = [name for name in KINDS if name[-1].isdigit()]


def hurt_table(hurt, names, helped=()):
    """Three images a class: hurt ones are right without and wrong with, helped ones the reverse."""
    rows = [
        (
            f"{name}/{k}",
            name,
            method,
            seed,
            0 if name in (hurt if method == "rrc" else helped) else 1,
        )
        for name in names
        for k in range(3)
        for method in ("none", "rrc")
        for seed in (1, 2)
    ]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def test_hurt_classes_that_are_alike_are_found(tmp_path, write_nouns):
    write_nouns(tmp_path, KINDS)
    nouns = WordNet(tmp_path)
    beasts = [name for name in LEAVES if name.startswith("beast")]
    frame = hurt_table(beasts[:5], LEAVES, helped=["tool0", "tool1"])
    effects = class_effects(frame, "none", wordnet=nouns)
    assert effects.classes["hurt"].sum() == 5
    assert effects.classes["helped"].sum() == 2
    rows = {row["group"]: row for row in effects.similarity.to_dict("records")}
    wnids = [nouns.synset_of(name) or "" for name in ("beast0", "beast1", "tool0")]
    alike, unlike = nouns.similarity([wnids[0]] * 2, wnids[1:])
    assert rows["hurt"]["similarity"] == pytest.approx(alike)
    assert rows["helped"]["similarity"] == pytest.approx(unlike)
    assert rows["rest"]["similarity"] == pytest.approx((3 * alike + 6 * unlike) / 9)
    assert (rows["rest"]["n_hurt"], rows["rest"]["n_other"]) == (5, 9)
    # Over all classes 7 of 15 pairs are of one kind; five of eight beasts: 2 C(8,5) / C(16,5).
    assert rows["hurt"]["expected"] == pytest.approx((7 * alike + 8 * unlike) / 15, abs=0.01)
    assert rows["hurt"]["p"] == pytest.approx(2 * 56 / 4368, abs=0.015)
    assert rows["hurt"]["expected_low"] < rows["hurt"]["expected"] < rows["hurt"]["similarity"]


def test_random_hurt_classes_are_not_alike(tmp_path, write_nouns):
    write_nouns(tmp_path, KINDS)
    nouns = WordNet(tmp_path)
    found = []
    for seed in range(40):
        hurt = np.random.default_rng(seed).choice(LEAVES, 4, replace=False).tolist()
        effects = class_effects(hurt_table(hurt, LEAVES), "none", wordnet=nouns, seed=seed)
        found.append(effects.similarity.set_index("group").loc["hurt", "p"])
    assert np.mean(np.array(found, dtype=float) <= 0.05) < 0.2
    assert effects.similarity.set_index("group").loc["helped", "n_other"] == 0
    assert effects.similarity.set_index("group").loc[["helped"], "similarity"].isna().all()


def test_who_is_left_out_is_named(tmp_path, write_nouns):
    write_nouns(tmp_path, KINDS)
    frame = hurt_table(["beast0", "T-shirt/top"], ["beast0", "beast1", "tool0", "T-shirt/top"])
    frame = frame.drop(index=0)  # one image is not in every run
    effects = class_effects(frame, "none", wordnet=WordNet(tmp_path))
    assert effects.notes == [
        "1 of 12 images are left out: not in every run",
        "without a synset, so not compared in WordNet: T-shirt/top",
    ]
    assert effects.summary["n_images"].tolist() == [11]
    text = effects.to_text()
    assert "note: 1 of 12 images are left out" in text
    assert max(map(len, text.splitlines())) <= 80


def test_messages():
    frame = table(*random_answers())
    with pytest.raises(InputError, match=r"no method 'mixup': there are none, rrc, t30"):
        class_effects(frame, "none", ["mixup"])
    with pytest.raises(InputError, match=r"methods none, rrc, rrc: name each once"):
        class_effects(frame, "none", ["rrc", "rrc"])
    with pytest.raises(InputError, match=r"threshold 70: give a share from 0 to below 1, such as"):
        class_effects(frame, "none", threshold=70)
    with pytest.raises(
        InputError, match=r"there is no method but 'none': give one with an augment"
    ):
        class_effects(frame[frame["method"] == "none"], "none")
    single = frame[(frame["method"] != "t30") | (frame["seed"] == "0")]
    with pytest.raises(
        InputError, match=r"method 't30' has one seed: two or more of each are need"
    ):
        class_effects(single, "none")
