import pytest
import torch

from invariscope.studies.lab.lab import Lab
from invariscope.studies.paper002 import designed_symmetry
from invariscope.studies.paper002.designed_symmetry import corner_cut_network, isotropic_network
from networks import toys
from smoke import run_smoke


def test_the_networks_are_those_of_the_oracles():
    for own, oracle in (
        (isotropic_network(), toys.isotropic_network()),
        (corner_cut_network(), toys.corner_cut_network()),
    ):
        for name in ("conv1", "conv2", "conv3"):
            assert torch.equal(
                own.get_parameter(f"{name}.weight"), oracle.get_parameter(f"{name}.weight")
            )


def test_smoke_finds_the_designed_symmetry(tmp_path):
    pytest.importorskip("skimage")
    run = run_smoke("designed-symmetry", tmp_path)
    assert run.findings.claims[0].verdict == "not run"
    settings = designed_symmetry.Settings(num_images=24, size=33)
    found = designed_symmetry.designed_symmetry(Lab(tmp_path / "out" / "cells"), settings)
    assert found.claims[0].verdict == "supported"


def test_a_network_without_the_symmetry_is_found_out(tmp_path, monkeypatch):
    pytest.importorskip("skimage")
    monkeypatch.setattr(designed_symmetry, "INVARIANT", "corner_cut_network")
    monkeypatch.setattr(designed_symmetry, "EQUIVARIANT", "isotropic_network")
    found = designed_symmetry.designed_symmetry(
        Lab(tmp_path), designed_symmetry.Settings(num_images=4, size=33)
    )
    assert found.claims[0].verdict == "contradicted"
