import pytest
import torch

import invariscope
from invariscope.studies.lab.lab import Lab
from invariscope.studies.paper003.self_supervision import (
    BIT,
    DINO,
    GROUP,
    RESNET,
    SIMCLR,
    Settings,
    self_supervision,
    supervision_claim,
)
from smoke import run_smoke


def deviating(share, offset=0.0):
    """The symmetric half of the pixels, less an offset, and a share of the antisymmetric half.

    What is shared by all images (0.5 − offset) is their mean similarity, by which the deviation in
    cosine is divided: the smaller, the lower that deviation.
    """

    def model(images):
        mirrored = images.flip(3)
        symmetric, rest = (images + mirrored) / 2, (images - mirrored) / 2
        return (symmetric - offset + share * rest).flatten(1)

    return invariscope.measure(
        model,
        torch.rand(24, 3, 12, 12, generator=torch.Generator().manual_seed(0)),
        groups=GROUP,
        metrics=["latent_eed", "latent_eed:cosine"],
    )


def test_claim():
    others = {RESNET: deviating(1.0), BIT: deviating(1.5), DINO: deviating(2.0)}
    found = supervision_claim({**others, SIMCLR: deviating(0.05, 0.4)}, [], "toys")
    assert found.verdict == "supported"
    assert len(found.parts) == 6
    assert all(part.value < 0 for part in found.parts)
    turned = supervision_claim({**others, SIMCLR: deviating(30.0)}, [], "toys")
    assert turned.verdict == "contradicted"


def test_missing_weights_are_named(tmp_path):
    pytest.importorskip("skimage")
    settings = Settings(data="samples", resnet="timm:no_such_net", bit=None, num_images=4)
    found = self_supervision(Lab(tmp_path), settings)
    assert found.claims[0].verdict == "not run"
    assert "unknown timm model 'no_such_net'" in found.notes[0]
    only = supervision_claim({RESNET: deviating(1.0)}, [BIT, DINO, SIMCLR], "toys")
    assert "SimCLR (--set simclr=SPEC)" in only.note


@pytest.mark.slow
def test_smoke(tmp_path):
    pytest.importorskip("skimage")
    run = run_smoke("self-supervision", tmp_path)
    assert run.findings.claims[0].verdict == "not run"
    assert set(run.findings.tables["deviations"]["metric"]) == {"latent_eed", "latent_eed:cosine"}
