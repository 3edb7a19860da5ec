"""Lists of paths, in Python and in text files, and patterns."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import invariscope
from invariscope.data import PathsSource, UnreadableImage, open_source
from invariscope.errors import InputError

from .conftest import encoded, greys


def test_a_list_of_paths(pictures):
    for kind in (str, Path):
        source = open_source([kind(f"photos/{k}.png") for k in (2, 0)])
        assert list(source.ids) == ["photos/2.png", "photos/0.png"]
        assert greys(source) == [20, 0]
        assert source.labels is None
    assert greys(open_source(np.array(["photos/1.png", "photos/3.png"]))) == [10, 30]


def test_labels_beside_a_list_and_in_pairs(pictures):
    paths = [f"photos/{k}.png" for k in range(3)]
    for given in ((paths, ["b", "a", "b"]), list(zip(paths, "bab", strict=True))):
        source = open_source(given)
        assert source.labels == [1, 0, 1]
        assert source.class_names == ["a", "b"]
    with pytest.raises(InputError, match=r"labels of shape .* for 3 images|2 labels"):
        open_source((paths, [0, 1]))


def test_a_path_that_comes_twice_counts_once(pictures):
    source = open_source((["photos/1.png", "photos/0.png", "photos/1.png"], [1, 0, 1]))
    assert list(source.ids) == ["photos/1.png", "photos/0.png"]
    assert source.labels == [1, 0]
    assert source.notes == ["1 paths are named more than once; each counts once"]
    with pytest.raises(InputError, match=r"'photos/1.png' has two labels"):
        open_source((["photos/1.png", "photos/1.png"], [1, 0]))


def test_files_that_are_not_there(pictures):
    with pytest.raises(InputError, match=r"none of the first files exists, such as 'a.png'"):
        open_source(["a.png", "b.png"])
    with pytest.raises(InputError, match=r"but 'photos/1.png' does: add \?suffix=.png"):
        open_source(["photos/1"])
    source = open_source(["photos/1.png", "photos/gone.png"])  # one is skipped, not all
    with pytest.raises(UnreadableImage, match="the file is gone"):
        source.load(1)


@pytest.mark.parametrize(
    ("text", "labels", "names"),
    [
        ("photos/2.png\nphotos/1.png\n", None, None),
        ("photos/2.png 65\r\nphotos/1.png 970\r\n", [65, 970], None),
        ("photos/2.png\t1\nphotos/1.png\t0", [1, 0], None),
        ("photos/2.png, cat\nphotos/1.png, big dog\n\n", [1, 0], ["big dog", "cat"]),
    ],
)
def test_text_files(pictures, text, labels, names):
    Path("val.txt").write_text(text)
    source = open_source("val.txt")
    assert greys(source) == [20, 10]
    assert source.labels == labels
    assert source.class_names == names
    assert source.name == "val.txt"


def test_root_suffix_and_blanks_in_text_files(pictures):
    Path("lists").mkdir()
    Path("lists/bare.txt").write_text("1 a\n2 b\n")
    source = open_source("lists/bare.txt?root=photos&suffix=.png")
    assert greys(source) == [10, 20]
    assert source.labels == [0, 1]
    Path("photos/my cat 3.png").write_bytes(encoded(77))
    Path("blank.txt").write_text("photos/my cat 3.png\n")
    assert greys(open_source("blank.txt")) == [77]
    Path("blank.txt").write_text("photos/my cat 3.png 4\n")
    assert open_source(Path("blank.txt")).labels == [4]
    with pytest.raises(InputError, match="name the folder with root=FOLDER"):
        open_source("lists/bare.txt?suffix=.png")
    Path("mixed.txt").write_text("photos/1.png 3\nphotos/2.png\n")
    with pytest.raises(InputError, match=r"'photos/2.png' has no label, other lines have"):
        open_source("mixed.txt")
    with pytest.raises(InputError, match="unknown option of paths 'rot': did you mean root"):
        open_source("mixed.txt?rot=photos")


def test_patterns(pictures):
    source = open_source("photos/[1-3].png")
    assert list(source.ids) == ["1.png", "2.png", "3.png"]
    assert greys(source) == [10, 20, 30]
    assert source.labels is None
    for name, grey in (("cat/1.png", 50), ("dog/1.png", 60), ("dog/2.png", 70)):
        Path("classes", name).parent.mkdir(parents=True, exist_ok=True)
        Path("classes", name).write_bytes(encoded(grey))
    source = open_source("classes/*/*.png")
    assert source.labels == [0, 1, 1]
    assert source.class_names == ["cat", "dog"]
    assert greys(source) == [50, 60, 70]
    assert open_source(str(Path("classes").absolute()) + "/**/*.png").labels == [0, 1, 1]
    with pytest.raises(InputError, match=r"'photos/\*.jpg': no file matches"):
        open_source("photos/*.jpg")


def test_a_copy_reads_the_same(pictures):
    source = PathsSource(["1", "2"], root="photos", suffix=".png")
    assert greys(pickle.loads(pickle.dumps(source))) == greys(source)


def test_a_list_of_paths_is_measured(pictures):
    paths = ([f"photos/{k}.png" for k in range(6)], [0, 1, 0, 1, 0, 1])
    result = invariscope.measure(
        lambda x: x.flatten(1), paths, transformations="invert", preprocessing={"size": 4},
        metrics="relative_invariance",
    )  # fmt: skip
    assert result.manifest["images"]["used"] == 6
