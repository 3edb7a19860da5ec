import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.studies.paper002.augmentation_equivariance import (
    AUGMENTATIONS,
    SHIFTING,
    agreement_claim,
    augmentation_claim,
    mean_activations,
    similarity_claim,
)
from invariscope.studies.paper002.parts import EQUIVARIANCE
from invariscope.training import Recipe, train
from parts_tables import parts_table
from smoke import run_smoke


def table(gain=0.1, others=-0.1, gap=0.05):
    def value(augment, part, kind):
        raised = gain if augment in SHIFTING else others if augment != AUGMENTATIONS[0] else 0.0
        return 0.4 + raised + (gap if kind == EQUIVARIANCE else 0.0)

    return parts_table("augmentation", AUGMENTATIONS, value)


def test_augmentation_claim():
    assert augmentation_claim(table(), "toys").verdict == "supported"
    assert augmentation_claim(table(gain=-0.1), "toys").verdict == "contradicted"
    assert augmentation_claim(table(others=0.1), "toys").verdict == "contradicted"


def test_agreement_is_counted_from_chance():
    # in the toy tables shuffled pairs differ by 0.05
    assert agreement_claim(table(gap=0.05), "toys").verdict == "supported"
    assert agreement_claim(table(gap=0.15), "toys").verdict == "contradicted"
    assert agreement_claim(table(gap=-0.05), "toys").verdict == "contradicted"


def layers(swapped=False):
    draw = np.random.default_rng(0)
    tables = []
    for seed in range(4):
        mean = draw.random(20)
        follows, not_so = mean + 0.1 * draw.random(20), draw.random(20)
        pair = (not_so, follows) if swapped else (follows, not_so)
        facts = {"seed": seed, "mean_activation": mean, "cosine": pair[0], "pearson": pair[1]}
        tables.append(pd.DataFrame(facts))
    return pd.concat(tables)


def test_similarity_claim():
    assert similarity_claim(layers(), "toys").verdict == "supported"
    assert similarity_claim(layers(swapped=True), "toys").verdict == "contradicted"
    upside_down = layers()
    upside_down["cosine"] *= -1  # its size counts, not its sign
    assert similarity_claim(upside_down, "toys").verdict == "supported"


def test_mean_activations_are_those_of_the_layers():
    pytest.importorskip("sklearn")
    data = "mnist6:plain?of=digits"
    run = train(
        Recipe(data, "small:resnet44?width=0.1", size=16, num_train=32, num_test=8, epochs=1,
               batch_size=16, augment="whole image")
    )  # fmt: skip
    found = mean_activations(run, data, ["stages.0.0", "stages.2.6"])
    from invariscope.data import open_source, select

    source = open_source(data)
    images = [run.preprocessing.geometry(source.load(i)) for i in select(source, 32)]
    seen = {}
    hook = run.module.get_submodule("stages.2.6").register_forward_hook(
        lambda module, given, output: seen.update(mean=float(output.detach().mean()))
    )
    with torch.no_grad():
        run.module(run.preprocessing.normalise(torch.stack(images).float() / 255))
    hook.remove()
    assert found["stages.2.6"] == pytest.approx(seen["mean"], rel=1e-4)


@pytest.mark.long
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    run = run_smoke("augmentation-equivariance", tmp_path)
    assert len(run.findings.tables["similarities"]) == 2 * 21
