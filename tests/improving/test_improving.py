"""A network that fails a rule keeps to it afterwards; or the reason why not is said."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

import invariscope
from invariscope.errors import InputError, RunError
from invariscope.files import write_parquet
from invariscope.improving import Watching, improving
from invariscope.models.improved import read_improved
from invariscope.models.state_hash import hash_state
from invariscope.transformations import from_function, transformation_from


def improved(*asked: Any, **settings: Any) -> Any:
    return invariscope.improve(*asked, **settings)


DIMMER = "brightness_down@>=0.6 prediction_consistency >= 90%"
HOLDS = "brightness_down@>=0.9 prediction_consistency >= 10%"
QUICK = {"epochs": 6, "lr": 0.02, "tuning_batch": 32, "margin": 0.05, "device": "cpu",
         "workers": 0}  # fmt: skip


def test_a_failed_rule_holds_afterwards(network, pictures, tmp_path):
    before = hash_state(network.state_dict())
    found = improved(network, pictures, DIMMER, output=tmp_path, **QUICK)
    assert (found.before.outcome, found.after.outcome) == ("failed", "held")
    assert (found.outcome, found.exit_code, found.reasons) == ("improved", 0, [])
    assert found.accuracy.outcome == "kept"
    assert found.accuracy.n == 120
    # the user's own is as it was; the result is another, in eval mode
    assert hash_state(network.state_dict()) == before != hash_state(found.module.state_dict())
    assert not network.training
    assert not found.module.training
    # an independent check, on pictures that nothing has seen, of what was handed back
    new, labels = pictures[0][:, ::-1], pictures[1]
    assert invariscope.check(found.module, DIMMER, (new, labels)).outcome == "held"
    assert invariscope.check(network, DIMMER, (new, labels)).outcome == "failed"
    weights = torch.load(tmp_path / "improved" / "weights.pt", weights_only=True)
    assert hash_state(weights) == hash_state(found.module.state_dict())
    table = pd.read_parquet(tmp_path / "held-out.parquet")
    assert len(table) == 120
    assert table["after"].mean() == found.accuracy.after
    record = json.loads((tmp_path / "improve.json").read_text())
    assert record["outcome"] == "improved"
    assert record["accuracy"]["n"] == 120
    assert record["augmentation"][0]["magnitudes"][-1] == 0.6


def test_no_image_is_tuned_on_and_held_out(network, pictures, tmp_path, monkeypatch):
    seen = {}

    def tune(probe, example, parts, *rest, **how):
        seen["tuned"] = {parts.tuning.digest(k) for k in range(len(parts.tuning))}
        return real(probe, example, parts, *rest, **how)

    real = improving.tune
    monkeypatch.setattr(improving, "tune", tune)
    found = improved(network, pictures, DIMMER, **{**QUICK, "epochs": 0.1})
    held = pd.concat([run.rows for run in (*found.runs_before, *found.runs_after)])
    assert set(held["image"]) == set(found.correct["image"])
    numbers = {int(i) for i in found.correct["image"]}
    from invariscope.data import open_source

    source = open_source(pictures)
    assert not seen["tuned"] & {source.digest(k) for k in numbers}
    labels = np.array(pictures[1])[sorted(numbers)]
    assert len(numbers) == 120
    assert labels.sum() == 60


def test_what_holds_already_is_not_tuned(network, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(improving, "tune", None)
    found = improved(network, pictures, [HOLDS], output=tmp_path, **QUICK)
    assert (found.outcome, found.exit_code, found.after) == ("held already", 0, None)
    assert not (tmp_path / "improved").exists()
    assert "The rule holds already, so nothing was tuned." in found.to_text()


def test_a_loss_of_accuracy_is_a_failure_and_a_reason(network, pictures):
    ruin = {**QUICK, "lr": 100.0, "epochs": 0.2, "margin": 0.01}
    found = improved(network, pictures, DIMMER, **ruin)
    assert found.accuracy.after < 0.8
    assert (found.outcome, found.exit_code) == ("not improved", 1)
    assert "the accuracy fell by more than 1 point" in " ".join(found.reasons)


def test_few_images_do_not_show_that_accuracy_was_kept(network, pictures):
    few = {**QUICK, "margin": 0.001}
    found = improved(network, pictures, DIMMER, **few)
    assert found.after.outcome == "held"
    assert (found.outcome, found.exit_code) == ("undecided", 3)
    assert "120 images do not show whether the accuracy fell by less than 0.1 points" in (
        " ".join(found.reasons)
    )


def test_an_interrupted_tuning_goes_on_to_the_same_weights(network, pictures, tmp_path):
    short = {**QUICK, "epochs": 2}
    whole = improved(network, pictures, DIMMER, **short)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == 5

    cut = tmp_path / "cut"
    with pytest.raises(RunError, match="stopped at iteration 5 of 16"):
        improved(network, pictures, DIMMER, output=cut, stop=stop, **short)
    assert not (cut / "improve.json").exists()
    steps = []
    watching = invariscope_watching(steps)
    again = improved(network, pictures, DIMMER, output=cut, watching=watching, **short)
    assert steps[0] == 6
    assert len(steps) == 11
    assert hash_state(again.module.state_dict()) == hash_state(whole.module.state_dict())
    assert not list(cut.rglob("checkpoint.pt"))
    # and a third time nothing is tuned
    third = improved(network, pictures, DIMMER, output=cut, watching=watching, **short)
    assert len(steps) == 11
    assert third.accuracy == again.accuracy
    with pytest.raises(InputError, match=r"holds another improvement, by its model.json"):
        improved(network, pictures, DIMMER, output=cut, **{**short, "lr": 0.01})
    # the history of another tuning is not taken for its own; the weights open all the same
    write_parquet(cut / "improved" / "history.parquet", third.history.iloc[:-1])
    read_improved(cut / "improved")
    with pytest.raises(InputError, match=r"history.parquet is not as it was .*: delete the folder"):
        improved(network, pictures, DIMMER, output=cut, **short)


def test_rows_of_another_search_are_refused_and_not_gone_without(network, pictures, tmp_path):
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        found = improved(
            network, pictures, DIMMER, output=folder, seed=seed, **{**QUICK, "epochs": 1}
        )
        assert found.data
    rows = Path("factors", "rows", "block-00000.parquet")
    shutil.copy(tmp_path / "0" / rows, tmp_path / "1" / rows)
    with pytest.raises(InputError, match=r"factors.*block-00000.parquet holds rows of another run"):
        improved(network, pictures, DIMMER, output=folder, seed=1, **{**QUICK, "epochs": 1})


def test_one_image_of_each_class_is_tuned_on_without_a_search(pictures):
    torch.manual_seed(0)
    four = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4)).eval()
    few = pictures[0][:8], [0, 1, 2, 3] * 2
    found = improved(four, few, "invert prediction_consistency >= 99%", held_out=0.5, **QUICK)
    assert not found.data
    assert any("no search for factors: " in note and "no pairs" in note for note in found.notes)


def invariscope_watching(steps):
    class Counting(Watching):
        def step(self, iteration, total, values):
            steps.append(iteration)

    return Counting()


def test_frozen_parts_stay_and_the_rest_is_tuned(network, pictures):
    network.norm.requires_grad_(False)
    found = improved(network, pictures, DIMMER, **QUICK)
    assert hash_state(found.module.norm.state_dict()) == hash_state(network.norm.state_dict())
    assert hash_state(found.module.fc.state_dict()) != hash_state(network.fc.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "unlabelled"}, "has no labels, and a network is tuned on them"),
        (
            {"rules": "rotate@<=15deg lie_derivative <= 1"},
            "lie_derivative is taken at the identity",
        ),
        ({"rules": []}, "there is no rule to improve by"),
        ({"model": lambda x: x.flatten(1)[:, :2]}, "whose weights cannot be trained"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(192, 1))}, "no class scores to train"),
        ({"margin": 1.5}, "margin is 1.5: give a share"),
        ({"held_out": 1.0}, "held_out is 1: give a share between 0 and 1, such as 0.3"),
        ({"num_images": 6}, "is tuned on 4 or more of two classes"),
        ({"rules": "rotat@<=15deg accuracy >= 1%"}, "did you mean rotate"),
        ({"lr": 0.0}, "`lr` is 0; it must be above 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(network, pictures, changes, message):
    asked = {"model": network, "images": pictures, "rules": DIMMER, **QUICK, **changes}
    asked["images"] = pictures[0] if asked["images"] == "unlabelled" else asked["images"]
    model, images, rules = (asked.pop(name) for name in ("model", "images", "rules"))
    with pytest.raises(InputError, match=message) as raised:
        improved(model, images, rules, **asked)
    assert "\n" not in str(raised.value)


def test_what_draws_for_itself_cannot_be_augmented_with(network, pictures):
    grain = transformation_from(v2.GaussianNoise(sigma=0.2), name="grain")
    with pytest.raises(InputError, match=r"grain draws for itself.*: those of `invariscope list"):
        improved(network, pictures, "grain prediction_consistency >= 50%", transformations=[grain])


def test_a_transformation_of_your_own(network, pictures):
    dim = from_function("dim", lambda images, k: images * (1 - 0.1 * k), (0, 1, 2, 3, 4))
    rule = "dim@<=4 prediction_consistency >= 90%"
    found = improved(network, pictures, rule, transformations=[dim], **QUICK)
    assert found.outcome == "improved"
    assert found.ingredients[0].transformation.magnitudes == (0, 1, 2, 3, 4)


def test_groups_and_orbits_are_rules_as_well(network, pictures):
    rules = ["flip_vertical prediction_consistency >= 99%", "C4 latent_eed <= 0.0001", DIMMER]
    found = improved(network, pictures, rules, **{**QUICK, "epochs": 0.2})
    assert [one.transformation.name for one in found.ingredients] == [
        "flip_vertical", "brightness_down", "C4",
    ]  # fmt: skip
    for verdict in (found.before, found.after):
        assert [rule.text for rule in verdict.rules] == rules
