"""X = C + O: relevance, availability, places, labels, and CIFAR-10 as torchvision has it."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from invariscope.data import open_source
from invariscope.data.fashion_mnist import DEBIAN_FOLDER
from invariscope.data.transforms2d import prototypes
from invariscope.data.transforms2d.pasted import NONE, PastedSource, choose_objects
from invariscope.errors import InputError

COUNT, CLASSES = 20_000, 10
LABELS = np.random.default_rng(0).integers(0, CLASSES, COUNT)
BASE = "pasted:transforms2d:shapes?num=60&classes=5&transformations=none&first_object=20"


def opened(spec):
    source = open_source(spec)
    assert isinstance(source, PastedSource)
    return source


def dependence(table):
    """The p-value of a χ² test of independence."""
    return float(stats.chi2_contingency(table)[1])


def chosen(alpha, beta=1.0, **options):
    return choose_objects(LABELS, CLASSES, alpha=alpha, beta=beta, **options)


def test_alpha_1_is_one_object_per_class_and_one_class_per_object():
    table = np.zeros((CLASSES, CLASSES), dtype=int)
    np.add.at(table, (LABELS, chosen(1.0)), 1)
    assert ((table > 0).sum(0) == 1).all()
    assert ((table > 0).sum(1) == 1).all()
    assert np.trace(table) == COUNT


def test_alpha_0_is_independence():
    table = np.zeros((CLASSES, CLASSES), dtype=int)
    np.add.at(table, (LABELS, chosen(0.0)), 1)
    assert dependence(table) > 1e-3
    assert stats.chisquare(table.sum(0)).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.2, 0.4, 0.6, 0.8, 0.85, 0.9, 0.95])
def test_alpha_is_the_share_of_the_classes_own(alpha):
    """The own object comes α of the time, and 1/10 of the rest; the others share the remainder."""
    found = chosen(alpha)
    own = int((found == LABELS).sum())
    assert stats.binomtest(own, COUNT, alpha + (1 - alpha) / CLASSES).pvalue > 1e-3
    others = np.bincount((found - LABELS)[found != LABELS] % CLASSES, minlength=CLASSES)[1:]
    assert stats.chisquare(others).pvalue > 1e-3


@pytest.mark.parametrize("beta", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_beta_is_the_share_that_has_an_object_whatever_its_class(beta):
    found = chosen(0.3, beta)
    there = found != NONE
    if beta in (0.0, 1.0):
        assert there.mean() == beta
        return
    assert stats.binomtest(int(there.sum()), COUNT, beta).pvalue > 1e-3
    per_class = np.array([np.bincount(LABELS[keep], minlength=10) for keep in (there, ~there)])
    assert dependence(per_class) > 1e-3
    # being there says nothing about which one it is
    own = (chosen(0.3) == LABELS)[there]
    assert stats.binomtest(int(own.sum()), len(own), 0.3 + 0.07).pvalue > 1e-3
    assert np.array_equal(found[there], chosen(0.3)[there])


def test_more_relevance_keeps_the_own_objects_and_another_seed_or_split_draws_anew():
    own = {alpha: chosen(alpha) == LABELS for alpha in (0.2, 0.6)}
    assert (own[0.6] | ~own[0.2]).all()
    assert (chosen(0.0) == chosen(0.0, seed=1)).mean() < 0.12
    assert (chosen(0.0) == chosen(0.0, split="test")).mean() < 0.12


def test_objects_are_pasted_in_the_upper_right_corner_and_nowhere_else():
    both, alone = opened(BASE), opened(f"{BASE}&input=class")
    black = opened(f"{BASE}&input=object")
    with_objects, without, objects = (each.pixels(range(60)) for each in (both, alone, black))
    changed = (with_objects != without).any(1).numpy()
    assert changed.any((1, 2)).all()
    rows, columns = np.flatnonzero(changed.any((0, 2))), np.flatnonzero(changed.any((0, 1)))
    assert rows.min() >= 1
    assert rows.max() <= 2 + 0.7 * 0.55 * 32 + 2
    assert columns.min() >= 32 - 0.7 * 0.55 * 32 - 2
    # on black it is the same object; over an image something of the image is added to it
    through = with_objects.int() - objects.int()
    assert through.min() >= -1
    assert (through - without.int()).max() <= 1
    covered = (through.abs() <= 1).all(1) & (objects.sum(1) > 0) & (without.sum(1) > 60)
    assert covered.sum((1, 2)).float().mean() > 10


def test_anywhere_is_anywhere():
    black = opened(f"{BASE.replace('60', '400')}&input=object&place=anywhere")
    seen = black.pixels(range(400)).sum(1) > 60
    for axis in (1, 2):
        line = seen.any(axis)
        assert line[:, :3].any()
        assert line[:, -3:].any()
        first = line.float().argmax(1)
        assert first.float().std() > 3


def test_labels_are_those_of_the_image_or_of_the_object():
    images = opened(f"{BASE}&alpha=0&beta=0.5")
    objects = opened(f"{BASE}&alpha=0&beta=0.5&label=object")
    chosen = images.chosen
    there = np.flatnonzero(chosen != NONE)
    assert images.labels == [number % 5 for number in range(60)]
    assert images.class_names == prototypes("shapes", classes=5).names
    assert objects.labels == chosen[there].tolist()
    assert objects.class_names == prototypes("shapes", first=20, classes=5).names
    assert objects.ids == [images.ids[position] for position in there.tolist()]
    assert 15 < len(objects) < 45
    kept = images.pixels(there.tolist())
    assert torch.equal(objects.pixels(range(len(objects))), kept)
    assert "α = 0, β = 0.5, corner; X: both, Y: object" in " ".join(objects.notes)


def test_twins_differ_in_one_thing():
    for options in ("", "&alpha=1&label=object&beta=0.7"):
        spec = f"{BASE}{options}"
        first, object_twin, picture_twin = (
            opened(spec + twin) for twin in ("", "&twin=object", "&twin=picture")
        )
        for twin in (object_twin, picture_twin):
            assert twin.ids == first.ids
            assert twin.labels == first.labels
        every = range(len(first))

        def shown(what, twin, spec=spec, every=every):
            return opened(f"{spec.replace('&label=object', '')}&input={what}{twin}").pixels(every)

        assert torch.equal(shown("class", "&twin=object"), shown("class", ""))
        assert torch.equal(shown("object", "&twin=picture"), shown("object", ""))
        for what, twin in (("object", "&twin=object"), ("class", "&twin=picture")):
            same = (shown(what, twin) == shown(what, "")).flatten(1).all(1).float().mean()
            assert same < 0.6  # another of five, or none as before
        assert picture_twin.chosen.tolist() == first.chosen.tolist()
        assert ((object_twin.chosen == NONE) == (first.chosen == NONE)).all()


def test_an_objects_twin_is_any_object_and_a_pictures_any_picture():
    many = BASE.replace("num=60", "num=4000")
    first, twin = opened(f"{many}&alpha=1"), opened(f"{many}&alpha=1&twin=object")
    table = np.zeros((5, 5), dtype=int)
    np.add.at(table, (first.chosen, twin.chosen), 1)
    assert dependence(table) > 1e-3
    assert stats.chisquare(table.sum(0)).pvalue > 1e-3
    classes = np.asarray(opened(many).labels)
    pictures = opened(f"{many}&twin=picture").pictures
    table = np.zeros((5, 5), dtype=int)
    np.add.at(table, (classes, classes[pictures]), 1)
    assert dependence(table) > 1e-3


def test_pixels_do_not_depend_on_batch_or_copy():
    source = opened(f"{BASE}&place=anywhere&beta=0.7")
    whole = source.pixels(range(60))
    parts = torch.cat([source.pixels(range(60)[at : at + 7]) for at in range(0, 60, 7)])
    assert torch.equal(parts, whole)
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(np.asarray(copy.load(33)), whole[33].permute(1, 2, 0).numpy())


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A root with CIFAR-10's files: 8 images in each of five batches, 10 to test."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "bus"]

    def write(name, count):
        images = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        labels = [number % 10 for number in range(count)]
        content = {"data": images, "labels": labels}
        (folder / name).write_bytes(pickle.dumps(content))
        return images

    batches = [write(f"data_batch_{number}", 8) for number in range(1, 6)]
    write("test_batch", 10)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    return tmp_path, np.concatenate(batches).reshape(-1, 3, 32, 32)


def test_cifar_10_is_read_by_torchvision(cifar):
    root, images = cifar
    spec = f"pasted:torchvision:CIFAR10?root={root}&split=train&alpha=1"
    source = opened(spec)
    assert len(source) == 40
    assert source.class_names is not None
    assert source.class_names[0] == "airplane"
    assert source.chosen.tolist() == source.labels
    plain = opened(f"{spec}&input=class").pixels(range(40))
    assert np.array_equal(plain.numpy(), images)
    assert np.array_equal(source.pixels(range(40))[:, :, 16:].numpy(), images[:, :, 16:])
    assert len(opened(spec.replace("train", "test"))) == 10


@pytest.mark.skipif(
    not __import__("pathlib").Path(DEBIAN_FOLDER).is_dir(), reason="needs dataset-fashion-mnist"
)
def test_fashion_mnist_has_two_colours_that_say_nothing_about_the_class():
    grey = opened("pasted:fashion-mnist?input=class&colours=own")
    coloured = opened("pasted:fashion-mnist?input=class")
    chosen = list(range(0, 10_000, 25))
    before, after = (each.pixels(chosen).float() / 255 for each in (grey, coloured))
    assert torch.equal(before[:, 0], before[:, 2])
    # linear in the grey value, per image and channel
    for number in (0, 9):
        share, seen = before[number, 0].flatten(), after[number].flatten(1)
        line = seen[:, share == 0][:, :1] * (1 - share) + seen[:, share == 1][:, :1] * share
        if (share == 1).any() and (share == 0).any():
            assert (line - seen).abs().max() < 0.01
    corner = after[:, :, 0, 0]
    assert coloured.labels is not None
    classes = torch.tensor([coloured.labels[index] for index in chosen])
    groups = [corner[classes == label].mean(1).numpy() for label in range(10)]
    assert stats.kruskal(*groups).pvalue > 1e-3
    assert corner.std(0).min() > 0.2


def test_other_sizes_are_framed_or_reduced(tmp_path):
    from invariscope.data.transforms2d.pasting import framed

    small = np.full((1, 20, 10, 3), 200, dtype=np.uint8)
    large = np.full((1, 80, 40, 3), 200, dtype=np.uint8)
    for images in (small, large):
        found = framed(open_source((images, [0])), [0], 32)
        assert found.shape == (1, 3, 32, 32)
        height, width = (20, 10) if images is small else (32, 16)
        assert (found == 200).sum().item() == 3 * height * width
        assert found[0, 0, 16, 16] == 200
    floats = framed(open_source(np.full((2, 3, 32, 32), 0.5, dtype=np.float32)), [1, 0], 32)
    assert (floats == 128).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pasted", "pasted: on what"),
        ("pasted:samples", "pasted:samples: it has no parts to train and to test on"),
        ("pasted:fashion", "unknown source of pasted 'fashion': did you mean fashion-mnist"),
        (f"{BASE}&beta=-1", "pasted: beta='-1'; a number from 0 to 1 works"),
        (f"{BASE}&alpha=nan", "pasted: alpha='nan'; a number"),
        (f"{BASE}&label=both", "unknown label of pasted 'both'"),
        (f"{BASE}&input=class&label=object", "label=object with input=class: the objects are not"),
        (BASE.replace("=20", "=97"), "shapes has 100 classes: first=97 and classes=5 ask for 102"),
        (f"{BASE}&twin=objects", "unknown twin of pasted 'objects': did you mean object"),
        (f"{BASE}&split=all", "unknown pasted split 'all'"),
        (f"{BASE}&beta=0&label=object", "no image has an object; give beta above 0"),
        (f"{BASE}&colors=own", "unknown option of transforms2d 'colors'"),
    ],
)
def test_messages(spec, message):
    with pytest.raises(InputError, match=message) as error:
        open_source(spec)
    assert "\n" not in str(error.value)


def test_pictures_are_rgb():
    image = opened(BASE).load(3)
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (32, 32))
