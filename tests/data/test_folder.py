"""Folders: layouts, what is left out and noted, and paths that cannot work."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invariscope.data import UnreadableImage, open_source
from invariscope.data.folder import FolderSource
from invariscope.errors import InputError


def write(root: Path, *names: str) -> None:
    for value, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (value, 0, 0)).save(root / name)


def test_flat_folder_is_unlabelled_and_sorted(tmp_path):
    write(tmp_path, "b.png", "a.JPG", "c.webp")
    source = open_source(tmp_path)
    assert list(source.ids) == ["a.JPG", "b.png", "c.webp"]
    assert source.labels is None
    assert source.class_names is None
    assert list(source.notes) == []
    assert tuple(np.asarray(source.load(1))[0, 0]) == (0, 0, 0)


def test_class_folders_take_the_name_of_the_top_folder(tmp_path):
    write(tmp_path, "dog/1.png", "cat/deep/1.png", "cat/2.png", "dog/2.png")
    source = open_source(str(tmp_path))
    assert list(source.ids) == ["cat/2.png", "cat/deep/1.png", "dog/1.png", "dog/2.png"]
    assert source.labels == [0, 0, 1, 1]
    assert source.class_names == ["cat", "dog"]
    assert source.name == str(tmp_path)


def test_what_is_left_out_is_noted(tmp_path):
    write(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png", "loose.png", ".hidden/1.png")
    for number in range(7):
        (tmp_path / "cat" / f"note{number}.txt").touch()
    (tmp_path / "cat" / ".DS_Store").touch()
    (tmp_path / "nothing").mkdir()
    source = open_source(tmp_path)
    assert list(source.ids) == ["cat/1.png", "cat/2.png", "dog/1.png"]
    notes = "\n".join(source.notes)
    assert "left out 7 files, not an image by its suffix: cat/note0.txt, " in notes
    assert " and 2 more" in notes
    assert "left out 1 image beside the class folders" in notes
    assert "1 class with a single image: dog" in notes
    assert "1 folder without an image: nothing" in notes
    assert "hidden" not in notes
    assert ".DS_Store" not in notes


def test_sub_folders_without_images_leave_the_folder_flat(tmp_path):
    write(tmp_path, "1.png")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "readme.md").touch()
    source = open_source(tmp_path)
    assert list(source.ids) == ["1.png"]
    assert source.labels is None


def test_bad_files_are_found_at_loading_and_by_name(tmp_path):
    write(tmp_path, "good.png")
    (tmp_path / "empty.jpg").touch()
    source = open_source(tmp_path)
    with pytest.raises(UnreadableImage, match=r"^empty\.jpg: the file is empty$"):
        source.load(0)
    assert isinstance(source.load(1), Image.Image)


def test_one_image_file_is_a_source_of_one(tmp_path):
    write(tmp_path, "a.png", "b.png")
    source = open_source(tmp_path / "b.png")
    assert list(source.ids) == ["b.png"]
    assert tuple(np.asarray(source.load(0))[0, 0]) == (1, 0, 0)


def test_paths_that_cannot_work(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(InputError, match=r"no such file or folder: '.*missing'; give"):
        open_source(tmp_path / "missing")
    with pytest.raises(InputError, match=r"no such file or folder: '.*missing'; give"):
        open_source(str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"no image in the folder '.*empty': it is empty"):
        open_source(tmp_path / "empty")
    with pytest.raises(InputError, match=r"texts': no image among its 1 files; images are \.avif"):
        open_source(tmp_path / "texts")
    (tmp_path / "texts" / "a.doc").touch()
    with pytest.raises(InputError, match=r"a\.doc' is not an image file by its suffix"):
        open_source(tmp_path / "texts" / "a.doc")


def test_a_link_in_a_circle_ends(tmp_path):
    write(tmp_path, "cat/1.png", "cat/2.png")
    (tmp_path / "cat" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert list(open_source(tmp_path).ids) == ["cat/1.png", "cat/2.png"]


def test_a_linked_folder_is_followed(tmp_path):
    write(tmp_path / "elsewhere", "1.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert list(open_source(tmp_path / "root").ids) == ["cat/1.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_left_out(tmp_path):
    write(tmp_path, "ä.png")
    os.rename(tmp_path / "ä.png", os.fsencode(tmp_path) + b"/\xff.png")
    write(tmp_path, "ä.png")
    source = open_source(tmp_path)
    assert list(source.ids) == ["ä.png"]
    assert any("a name that is not UTF-8: \\udcff.png" in note for note in source.notes)
    os.remove(tmp_path / "ä.png")
    with pytest.raises(InputError, match=r"has a name that is UTF-8: rename \\udcff.png"):
        open_source(tmp_path)


def test_a_pickled_copy_loads_the_same(tmp_path):
    write(tmp_path, "a.png", "b.png")
    source = FolderSource(tmp_path)
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(np.asarray(copy.load(1)), np.asarray(source.load(1)))
