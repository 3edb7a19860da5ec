"""Other people's models: embedding, logits, maps and layers of every family that builds untrained.

A sixteenth, drawn with a fixed seed from the members that build quickly, runs always. The whole:

    pytest tests/models/test_zoo.py -m "zoo or not zoo"    # half an hour on one core
    python benchmarks/zoo.py                               # the same, and writes docs/zoo.md
"""

import random
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from networks.awake import awaken, pictures
from networks.examined import difference, examine
from networks.members import (
    Member,
    all_members,
    timm_members,
    torchvision_families,
    torchvision_members,
    transformers_members,
)
from oracles.embeddings import reference_embedding
from oracles.grids import RIGHT, TELLING, told, with_patches

SEED = 0
# Millions of parameters: larger members, and those in larger pictures, are left to the whole table.
LIGHT, SMALL = 16, 128

MEMBERS = all_members()
_LIGHT = [each for each in MEMBERS if each.cost <= LIGHT and each.side <= SMALL]
ALWAYS = set(random.Random(SEED).sample(_LIGHT, len(MEMBERS) // 16))


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks gain nothing by two, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _marks(member: Member) -> list[pytest.MarkDecorator]:
    return [] if member in ALWAYS else [pytest.mark.zoo]


@pytest.mark.parametrize("member", [pytest.param(m, id=str(m), marks=_marks(m)) for m in MEMBERS])
def test_a_member_is_read_as_its_library_reads_it(member: Member):
    assert examine(member).problems == []


def test_every_module_and_family_has_a_member():
    assert {member.family for member in timm_members()} == set(timm.list_modules())
    assert {member.family for member in torchvision_members()} == torchvision_families()
    pytest.importorskip("transformers")
    names = [member.name for member in transformers_members()]
    assert sum("Classification" in name for name in names) >= 12
    assert sum("Classification" not in name for name in names) >= 5


def test_the_choice_of_timm_is_the_smallest():
    from networks.members import choose

    chosen = {member.name for member in timm_members() if member.family == "levit"}
    assert chosen == {row["name"] for row in choose("levit")}


def maps_of(change) -> Tensor:
    """What a strided convolution makes of nine patches, and what is then done with it."""
    torch.manual_seed(0)
    base, others = pictures(2, 48, 1), pictures(2, 48, 2)
    with torch.no_grad():
        return change(nn.Conv2d(3, 16, 4, 4)(with_patches(base, others)))


def permuted(maps: Tensor) -> Tensor:
    order = torch.randperm(maps[0, 0].numel(), generator=torch.Generator().manual_seed(1))
    return maps.flatten(2)[..., order].unflatten(2, maps.shape[2:])


def windows(maps: Tensor) -> Tensor:
    """[window, cell of the window] one after the other, as NesT and Hiera keep them."""
    whole = maps.unflatten(3, (3, 4)).unflatten(2, (3, 4)).permute(0, 1, 2, 4, 3, 5)
    return whole.reshape(maps.shape)


@pytest.mark.parametrize(
    "wrong", [permuted, windows, lambda maps: maps.mT, lambda maps: maps.flip(3)]
)
def test_a_wrong_order_of_cells_is_no_map(wrong):
    telling, right = told(maps_of(lambda maps: maps), 2)
    assert telling > 0.5
    assert right == 1
    telling, right = told(maps_of(wrong), 2)
    assert telling > 0.5
    assert right < RIGHT


def test_channels_read_as_rows_tell_nothing_or_lie():
    telling, right = told(maps_of(lambda maps: maps.permute(0, 2, 3, 1)), 2)
    assert telling < TELLING or right < RIGHT


def test_the_same_everywhere_tells_nothing():
    telling, _ = told(maps_of(lambda maps: maps.mean((2, 3), keepdim=True).expand_as(maps)), 2)
    assert telling < TELLING


def test_a_reference_of_another_layer_differs():
    member = next(each for each in timm_members() if each.name == "resnet10t")
    module: Any = awaken(member.build(), pictures(4, member.side, 1))
    images = pictures(3, member.side, 2)
    expected, how = reference_embedding("timm", module, images)
    assert how == "pre-logits function"
    assert difference(expected.clone(), expected) is None
    module.layer4[-1].conv1.weight.data *= 1.1
    assert difference(reference_embedding("timm", module, images)[0], expected) is not None
