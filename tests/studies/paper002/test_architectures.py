from dataclasses import replace

import numpy as np
import pytest

from invariscope.models import PARTS
from invariscope.studies.lab.lab import Lab
from invariscope.studies.paper002.architectures import (
    Settings,
    Values,
    accuracy_claim,
    architectures,
    intermediate_claim,
    is_convolutional,
    kind_claim,
)
from smoke import run_smoke, verdict

CNNS = [f"small:resnet18?width={number}" for number in range(10)]
MODELS = (*CNNS, *[f"timm:vit_{number}" for number in range(6)])
INNER = np.linspace(0.4, 0.02, len(MODELS))
RISING = np.random.default_rng(1).permutation(10) / 25 + 0.1
RISING = np.concatenate([RISING, np.linspace(0.0, 0.05, 6)])


def values(unit="seeds", sign=1, cnn=1, inner=-1):
    """Accuracy rises with the shifts; CNNs have more; low inside, high in Final."""
    draw = np.random.default_rng(0)
    count = 4 if unit == "seeds" else 300
    noise = 0.002 if unit == "seeds" else 0.05

    def spread(numbers):
        return numbers[:, None] + noise * draw.standard_normal((len(numbers), count))

    equivariance = {}
    for part in PARTS:
        equivariance["shift", part] = spread(0.3 + sign * cnn * RISING)
        equivariance["turn", part] = spread(0.5 + cnn * INNER)
    equivariance["turn", "Final"] = spread(0.5 + inner * INNER)
    accuracy = spread(0.7 + cnn * RISING)
    return Values(MODELS, unit, accuracy, equivariance, "toys")


@pytest.mark.parametrize("unit", ["seeds", "images"])
def test_claims_follow_the_numbers(unit):
    assert kind_claim(values(unit)).verdict == "supported"
    assert kind_claim(values(unit, cnn=-1)).verdict == "contradicted"
    assert intermediate_claim(values(unit)).verdict == "supported"
    assert intermediate_claim(values(unit, inner=1)).verdict == "contradicted"
    assert accuracy_claim(values(unit, sign=-1)).verdict == "contradicted"
    parts = accuracy_claim(values(unit)).parts
    assert all(part.verdict == "supported" for part in parts[:3])
    assert {(part.unit, part.n) for part in parts} == {("models", len(MODELS))}


def test_what_is_missing_is_said():
    without = replace(values(), accuracy=None)
    assert accuracy_claim(without).verdict == "not run"
    assert "no labels" in accuracy_claim(without).note
    only = values()
    only = Values(
        MODELS[:2], "seeds", only.accuracy[:2] if only.accuracy is not None else None,
        {key: array[:2] for key, array in only.equivariance.items()}, "toys",
    )  # fmt: skip
    assert accuracy_claim(only).verdict == intermediate_claim(only).verdict == "not run"
    assert "no weights of networks of tokens" in kind_claim(only).note


def test_kinds():
    assert is_convolutional("torchvision:resnext101_32x8d")
    assert not is_convolutional("timm:mixer_b16_224")


def test_weights_that_cannot_be_had_are_left_out(tmp_path):
    pytest.importorskip("sklearn")
    settings = Settings(
        data="mnist6:plain?of=digits&split=test",
        models=("small:cnn7?width=0.1&size=20", "small:vit?width=0.1&size=20", "timm:no_such_net"),
        num_images=12,
        shifts="shift(5)",
    )
    found = architectures(Lab(tmp_path), settings)
    assert len(found.notes) == 1
    assert "left out: unknown timm model 'no_such_net'" in found.notes[0]
    assert verdict(list(found.claims), "002.c3") == "not run"
    assert verdict(list(found.claims), "002.c9") != "not run"
    nothing = architectures(Lab(tmp_path), replace(settings, models=("timm:no_such_net",)))
    assert {claim.verdict for claim in nothing.claims} == {"not run"}


@pytest.mark.long
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    run_smoke("architectures", tmp_path)
