"""The claims of 004 §3.1, C.1, §4.2 and §4.3 on made-up transfers, and the smoke presets."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from invariscope.studies.paper004 import (
    between_classes,
    distance_ratios,
    single_transformations,
    supersets,
)
from invariscope.studies.paper004.between_classes import BOTH, EITHER, NAMES, ONE, OTHER
from invariscope.studies.paper004.invariance_vs_equivariance import (
    Settings,
    decide_claims,
    networks,
)
from invariscope.studies.paper004.single_transformations import HARD, NONE
from invariscope.studies.paper004.synthetic_tasks import CATEGORIES, Tasks
from smoke import run_smoke

SEEDS = range(4)
MODELS = ("small:resnet18", "small:vgg11")


def noise(seed):
    return 0.002 * np.random.default_rng(seed).normal()


def four_tasks(changes=None, models=MODELS, seeds=SEEDS):
    """Accuracies as figure 2 has them; `changes` by (model or None, target)."""
    means = {"all": 0.95, "transforms": 0.85, "objects": 0.35, "none": 0.30}
    rows = []
    for place, model in enumerate(models):
        for seed in seeds:
            for target, mean in means.items():
                more = sum((changes or {}).get(key, 0) for key in ((model, target), (None, target)))
                salt = 1000 * place + 10 * seed + len(target)
                rows.append((model, seed, target, mean + more + noise(salt)))
    return pd.DataFrame(rows, columns=["model", "seed", "target", "accuracy"])


def verdicts(table):
    return {claim.id: claim.verdict for claim in decide_claims(table, "made up")}


def test_what_figure_2_says_is_supported():
    assert verdicts(four_tasks()) == dict.fromkeys(("004.c1", "004.c2", "004.c3"), "supported")


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("004.c1", {(MODELS[1], "transforms"): -0.6}),
        ("004.c2", {(None, "transforms"): -0.35}),
        ("004.c2", {(None, "none"): 0.6}),
        ("004.c3", {(None, "objects"): 0.2}),
    ],
)
def test_each_claim_of_3_1_falls_when_its_numbers_turn(claim, changes):
    assert verdicts(four_tasks(changes))[claim] == "contradicted"


def test_c1_is_for_each_architecture_and_the_others_for_their_mean():
    changes = {(MODELS[0], "transforms"): -0.3, (MODELS[1], "transforms"): 0.05}
    assert verdicts(four_tasks(changes))["004.c2"] == "supported"
    claims = decide_claims(four_tasks(), "")
    assert [len(claim.parts) for claim in claims] == [2, 1, 1]
    assert claims[1].parts[0].value == pytest.approx(0.1 - 0.5 * 0.65, abs=0.01)
    assert claims[2].parts[0].value == pytest.approx(0.05 - 0.25 * 0.65, abs=0.01)


def test_one_seed_decides_nothing():
    assert set(verdicts(four_tasks(seeds=range(1))).values()) == {"undecided"}


def test_the_four_tasks_share_what_their_names_say():
    settings = Settings(
        prototypes="shapes", models=("a", "b"), classes=7, seeds=(0, 1, 2), crossed=True
    )
    found = networks(settings)
    assert len(found) == 3 * 2 * 2
    for network in found:
        own, targets = network.task, network.targets
        assert targets["all"] == own
        for name, task in targets.items():
            assert (task.transformations == own.transformations) == (name in ("all", "transforms"))
            assert (task.first == own.first) == (name in ("all", "objects"))
            disjoint = set(task.transformations.split("+")).isdisjoint(
                own.transformations.split("+")
            )
            assert disjoint == (name in ("objects", "none"))
            assert task.first == own.first or abs(task.first - own.first) >= 7
            assert task.seed == own.seed
    one, other = found[0], found[2]
    assert one.task.seed == other.task.seed
    assert one.targets["none"].transformations == other.task.transformations
    alone = networks(Settings(prototypes="shapes", models=("a",), classes=7, seeds=(0, 1)))
    assert len(alone) == 2


def nested(counts=(1, 2, 4, 8), surplus=0.0, missing=0.05, seeds=SEEDS):
    """Transfers between sets; what a surplus and what each missing transformation cost."""
    rows = []
    for seed in seeds:
        for count in counts:
            for needed in counts:
                lost = missing * max(needed - count, 0) + surplus * max(count - needed, 0)
                value = 0.9 - 0.01 * needed - lost + noise(100 * seed + 10 * count + needed)
                rows.append(("m", seed, count, str(needed), value))
        rows.append(("m", seed, counts[-1], supersets.REVERSED, 0.7))
    return pd.DataFrame(rows, columns=["model", "seed", "count", "target", "accuracy"])


def verdict_on_sets(**how):
    return supersets.decide_claim(supersets.differences(nested(**how)), "made up")


def test_supersets():
    found = verdict_on_sets()
    assert found.verdict == "supported"
    assert len(found.parts) == 6 + 1  # surpluses 1, 2, 3, 4, 6, 7 and the slope
    assert found.parts[-1].value == pytest.approx(0.05, abs=0.003)
    assert verdict_on_sets(surplus=0.02).verdict == "contradicted"
    assert verdict_on_sets(surplus=-0.02).verdict == "contradicted"
    assert verdict_on_sets(missing=-0.01).verdict == "contradicted"
    assert verdict_on_sets(surplus=0.004).verdict == "supported"


def test_sets_are_nested_and_other_orders_hold_the_same_transformations():
    settings = supersets.Settings(prototypes="shapes", models=("a",), classes=5, seeds=(0, 1))
    for seed in settings.seeds:
        found = [n for n in supersets.networks(settings) if n.task.seed == seed]
        lists = [network.task.transformations.split("+") for network in found]
        assert [len(names) for names in lists] == list(range(1, 9))
        for shorter, longer in pairwise(lists):
            assert set(longer) > set(shorter)
            still = [name for name in longer if name in shorter]
            assert still == shorter
        assert all("translation" not in names[:-1] for names in lists)
        assert {network.task.first for network in found} == {found[0].task.first}
        for name in (supersets.REVERSED, supersets.SHUFFLED):
            order = found[-1].targets[name].transformations.split("+")
            assert sorted(order) == sorted(CATEGORIES)
            assert order[-1] == "translation"
            assert order != lists[-1]
            assert all(name not in network.targets for network in found[:-1])


def between(changes=None, seeds=SEEDS):
    """Accuracies as figure 5 has them; `changes` by (learnt, target)."""
    means = dict.fromkeys([(learnt, target) for learnt in NAMES for target in NAMES], 0.4)
    means |= {(name, name): 0.95 for name in NAMES}
    means |= {(EITHER, ONE): 0.88, (EITHER, OTHER): 0.86, (BOTH, ONE): 0.9, (BOTH, OTHER): 0.9}
    rows = [
        (learnt, target, seed, mean + (changes or {}).get((learnt, target), 0) + noise(seed + k))
        for k, ((learnt, target), mean) in enumerate(means.items())
        for seed in seeds
    ]
    return pd.DataFrame(rows, columns=["learnt", "target", "seed", "accuracy"])


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "supported"),
        ({(EITHER, ONE): -0.6}, "contradicted"),
        ({(ONE, OTHER): 0.5}, "contradicted"),
        ({(EITHER, BOTH): 0.5}, "contradicted"),
        ({(EITHER, ONE): 0.1}, "supported"),
    ],
)
def test_between_classes(changes, verdict):
    assert between_classes.decide_claim(between(changes), "made up").verdict == verdict


def test_the_four_tasks_of_4_2():
    settings = Tasks(prototypes="shapes", models=("a",), classes=6, seeds=(3,))
    found = {n.about["learnt"]: n.task.transformations for n in between_classes.networks(settings)}
    one, other = found[ONE].split("+"), found[OTHER].split("+")
    assert set(one).isdisjoint(other)
    assert found[EITHER] == f"{found[ONE]}/{found[OTHER]}"
    both = found[BOTH].split("+")
    assert [name for name in both if name != "translation"] == [
        name for name in one + other if name != "translation"
    ]
    assert "translation" not in both[:-1]


def single(easy=0.9, hard=0.6, own=0.95, seeds=SEEDS):
    rows = []
    for seed in seeds:
        for trained_on in (*CATEGORIES, NONE):
            for target in CATEGORIES:
                value = own if trained_on == target else hard if target in HARD else easy
                value = 0.0 if trained_on == NONE else value
                salt = 100 * seed + len(target) + len(trained_on)
                rows.append((seed, trained_on, target, value + noise(salt)))
    return pd.DataFrame(rows, columns=["seed", "trained_on", "target", "accuracy"])


def test_single_transformations():
    found = single_transformations.decide_claim(single(), "made up")
    assert found.verdict == "supported"
    assert found.statistic == pytest.approx(
        -0.3, abs=0.005
    )  # neither the diagonal nor "none" counts
    assert single_transformations.decide_claim(single(hard=0.95), "").verdict == "contradicted"
    assert single_transformations.decide_claim(single(own=-9.0), "").verdict == "supported"


def ratios(sign=1.0, seeds=SEEDS):
    table = single(seeds=seeds).drop_duplicates(["seed", "trained_on", "target"])
    random = np.random.default_rng(5)
    spread = random.uniform(size=len(table))
    table = table.assign(accuracy=spread, ratio=2 + sign * spread + 0.05 * random.normal())
    for name in distance_ratios.MEASURES:
        table[name] = table.get(name, table["ratio"])
    lost = table.assign(trained_on=distance_ratios.UNTRAINED, accuracy=np.nan, ratio=99.0)
    return pd.concat([table, lost], ignore_index=True)


def test_distance_ratios():
    assert distance_ratios.decide_claim(ratios(), "made up").verdict == "supported"
    assert distance_ratios.decide_claim(ratios(sign=-1.0), "").verdict == "contradicted"
    found = distance_ratios.correlations(ratios())
    assert found["spearman"].between(0.99, 1).all()
    assert len(found) == len(SEEDS) * len(distance_ratios.MEASURES)


def test_relations():
    found = distance_ratios.relations(ratios())
    assert set(found["relation"]) == {"same", "other", "none"}
    assert (found[found["relation"] == "same"]["trained_on"]
            == found[found["relation"] == "same"]["target"]).all()  # fmt: skip
    assert (found["relation"] == "none").sum() == len(SEEDS) * len(CATEGORIES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "invariance-vs-equivariance", "supersets", "between-classes", "single-transformations",
        "distance-ratios",
    ],
)  # fmt: skip
def test_smoke(name, tmp_path):
    run = run_smoke(name, tmp_path)
    assert run.findings.notes
