"""Sample i is a function of (seed, split, i): pixels, twins, order, an oracle from end to end."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from invariscope.data.transforms2d import PAPER, PUBLISHED, prototypes, scenes
from invariscope.data.transforms2d.generator import Transforms2D, paste
from invariscope.errors import InputError
from oracles.transforms2d import reference_sample

ALL = ("shear", *PUBLISHED[:4], *PUBLISHED[5:], "color_jitter")


@pytest.fixture(scope="module")
def objects():
    return prototypes("shapes", classes=12)


@pytest.fixture(scope="module")
def clouds():
    return scenes("drawn")


def test_a_sample_is_that_of_the_oracle(objects, clouds):
    names = ("scale", "rotation", "horizontal_flip", "translation", "blur")
    data = Transforms2D(objects, clouds, names, seed=3)
    indices = list(range(40, 46))
    drawn = {name: values.numpy() for name, values in data.parameters(indices).items()}
    behind = clouds.pixels[data.backgrounds(indices).numpy()] / 255
    found = data.pixels(indices).numpy().astype(float)
    assert 0 < drawn["horizontal_flip"].mean() < 1
    for row, index in enumerate(indices):
        expected = reference_sample(
            objects.pictures[index % 12].astype(float), behind[row],
            scale=drawn["scale"][row, 0], degrees=drawn["rotation"][row, 0],
            mirrored=drawn["horizontal_flip"][row, 0] > 0, share=drawn["translation"][row],
            sigma=drawn["blur"][row, 0],
        )  # fmt: skip
        apart = np.abs(found[row] - expected)
        # the outline has 64 points, so the box may be some hundredths of a pixel smaller
        assert apart.mean() < 0.2
        assert apart.max() <= 12


@pytest.mark.parametrize("names", [PAPER, ALL, (("noise", "shear"), ("elastic", "scale"))])
def test_pixels_do_not_depend_on_batch_or_order(objects, clouds, names):
    data = Transforms2D(objects, clouds, names, seed=1)
    whole = data.pixels(range(60))
    for size, count in ((1, 10), (2, 10), (7, 60), (59, 60)):
        parts = [data.pixels(range(count)[at : at + size]) for at in range(0, count, size)]
        assert torch.equal(torch.cat(parts), whole[:count]), size
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert torch.equal(data.pixels(order), whole[order])
    assert torch.equal(data.pixels([5, 5, 3]), whole[[5, 5, 3]])
    one, _ = data.images([17])
    assert torch.equal(one[0], whole[17].float() / 255)


@pytest.mark.parametrize("name", ["noise", "elastic", "pixelate", "erase", "invert"])
def test_what_is_applied_to_some_leaves_the_others(objects, clouds, name):
    data, plain = Transforms2D(objects, clouds, (name,)), Transforms2D(objects, clouds, ())
    applied = data.parameters(range(40))[name][:, 0] > 0
    same = (data.pixels(range(40)) == plain.pixels(range(40))).flatten(1).all(1)
    assert 10 < int(applied.sum()) < 30
    assert bool(same[~applied].all())
    # a square may be cut from where nothing is
    assert int(same[applied].sum()) <= (10 if name == "erase" else 0)


def test_pixels_do_not_depend_on_what_else_there_is(objects, clouds):
    """More classes than asked for, a pickled copy, loader processes: the same samples."""
    data = Transforms2D(objects, clouds, PAPER)
    whole = data.pixels(range(24))
    assert torch.equal(pickle.loads(pickle.dumps(data)).pixels(range(24)), whole)
    loader = DataLoader(_Pixels(data), batch_size=5, num_workers=2)
    assert torch.equal(torch.cat(list(loader)), whole)
    again = Transforms2D(prototypes("shapes", first=0, classes=12), scenes("drawn"), PAPER)
    assert torch.equal(again.pixels([23]), whole[[23]])
    torch.set_num_threads(2)
    assert torch.equal(data.pixels(range(24)), whole)


class _Pixels(torch.utils.data.Dataset):
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return 24

    def __getitem__(self, index):
        return self.data.pixels([index])[0]


def test_seeds_and_splits_share_nothing_that_is_drawn(objects, clouds):
    data = Transforms2D(objects, clouds, ("rotation",))
    angles = data.parameters(range(500))["rotation"]
    for other in (
        Transforms2D(objects, clouds, ("rotation",), seed=1),
        Transforms2D(objects, clouds, ("rotation",), split="val"),
    ):
        assert not (other.parameters(range(500))["rotation"] == angles).any()
        assert (other.backgrounds(range(500)) == data.backgrounds(range(500))).float().mean() < 0.02


def test_fewer_categories_draw_the_same_parameters(objects, clouds):
    few = Transforms2D(objects, clouds, ("rotation",)).parameters(range(9))
    many = Transforms2D(objects, clouds, PAPER).parameters(range(9))
    assert torch.equal(few["rotation"], many["rotation"])
    others = Transforms2D(prototypes("shapes", first=50, classes=12), clouds, PAPER)
    assert torch.equal(others.parameters(range(9))["blur"], many["blur"])


def test_twins_differ_in_one_thing(objects, clouds):
    data = Transforms2D(objects, clouds, PAPER, seed=2)
    indices = list(range(100))
    first = data.parameters(indices)
    for what in ("transformation", "background", "object"):
        twin = data.twin(**{what: 1})
        same_parameters = all(
            torch.equal(first[name], values) for name, values in twin.parameters(indices).items()
        )
        same_background = torch.equal(data.backgrounds(indices), twin.backgrounds(indices))
        same_object = torch.equal(data.labels(indices), twin.labels(indices))
        assert (same_parameters, same_background, same_object) == (
            what != "transformation", what != "background", what != "object"
        )  # fmt: skip
        assert not torch.equal(data.pixels([0]), twin.pixels([0]))
    sprites = data.sprites(torch.tensor(indices))
    assert torch.equal(sprites, data.twin(background=1).sprites(torch.tensor(indices)))
    angles = [data.twin(transformation=k).parameters([0])["rotation"].item() for k in range(5)]
    assert len(set(angles)) == 5
    assert data.twin(transformation=0).pixels([4]).equal(data.pixels([4]))


def test_lists_go_to_shares_of_the_classes(objects, clouds):
    """T₁ ⊕ T₂: the first half of the classes is as under T₁ alone, the other as under T₂."""
    first, second = ("rotation", "blur"), ("translation", "hue")
    both = Transforms2D(objects, clouds, (first, second)).pixels(range(48))
    alone = [Transforms2D(objects, clouds, names).pixels(range(48)) for names in (first, second)]
    in_first = torch.arange(48) % 12 < 6
    assert torch.equal(both[in_first], alone[0][in_first])
    assert torch.equal(both[~in_first], alone[1][~in_first])


def test_order_matters_only_where_transformations_do_not_commute(objects, clouds):
    def pixels(*names):
        return Transforms2D(objects, clouds, names).pixels(range(30)).float()

    assert (pixels("scale", "rotation") - pixels("rotation", "scale")).abs().max() <= 1
    assert (pixels("rotation", "hue") - pixels("hue", "rotation")).abs().mean() < 1
    assert (pixels("blur", "sharpening") - pixels("sharpening", "blur")).abs().max() > 10


def test_classes_are_balanced_and_backgrounds_uniform(objects, clouds):
    data = Transforms2D(objects, clouds, ())
    assert torch.bincount(data.labels(range(1200))).tolist() == [100] * 12
    counts = torch.bincount(data.backgrounds(range(88_200)), minlength=len(clouds)).double()
    chi = ((counts - 100) ** 2 / 100).sum().item()
    assert abs(chi - 881) < 5 * (2 * 881) ** 0.5


def test_nothing_applied_is_the_object_on_its_background(objects, clouds):
    data = Transforms2D(objects, clouds, ())
    picture = torch.from_numpy(objects.pictures[5:6])
    behind = torch.from_numpy(clouds.pixels)[data.backgrounds([5])].float() / 255
    assert torch.equal(data.pixels([5]), paste(picture, behind))
    corner = data.pixels(range(12))[:, :, 0, 0]
    assert torch.equal(
        corner, torch.from_numpy(clouds.pixels)[data.backgrounds(range(12)), :, 0, 0]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transformations": ("rotate",)}, "unknown Transforms-2D transformation 'rotate': did"),
        ({"twins": {"objects": 1}}, "unknown twin 'objects': did you mean object"),
        ({"transformations": ((),) * 13}, "13 lists of transformations for 12 classes"),
        ({"scenes": scenes("black", 16)}, "objects of a frame of 32 and backgrounds of 16"),
    ],
)
def test_messages(objects, clouds, change, message):
    given: dict[str, Any] = {"prototypes": objects, "scenes": clouds, "transformations": ()}
    with pytest.raises(InputError, match=message):
        Transforms2D(**given | change)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_gives_the_same_samples(objects, clouds):
    data = Transforms2D(objects, clouds, ALL)
    here, there = data.pixels(range(500)), data.pixels(range(500), "cuda").cpu()
    apart = (here.int() - there.int()).abs()
    assert (apart > 1).float().mean() < 1e-3
    for name, values in data.parameters(range(500)).items():
        assert values.shape == (500, len(values[0])), name
