"""The built-in photographs."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invariscope.data import open_source, samples
from invariscope.data.samples import PHOTOGRAPHS, SamplesSource
from invariscope.errors import InputError


def test_enough_distinct_real_crops():
    source = open_source("samples")
    assert source.name == "samples"
    assert source.labels is None
    assert 64 <= len(source) <= 120
    assert len(set(source.ids)) == len(source)
    seen = set()
    for index in range(len(source)):
        image = source.load(index)
        assert isinstance(image, Image.Image)
        assert image.mode == "RGB"
        assert image.width == image.height >= 224
        assert np.asarray(image).std() > 15  # no blank sky
        seen.add(image.tobytes())
    assert len(seen) == len(source)


def test_crops_are_the_pixels_of_the_photographs():
    source = SamplesSource()
    folder = samples.package_folder("skimage")
    assert folder is not None
    whole = np.asarray(Image.open(folder / "data" / "chelsea.png"))
    left = np.asarray(source.load(source.ids.index("chelsea/0")))
    right = np.asarray(source.load(source.ids.index("chelsea/2")))
    assert np.array_equal(left, whole[:, :300])
    assert np.array_equal(right, whole[:, -300:])


def test_notes_name_the_pictures_and_the_dependence():
    notes = " ".join(open_source("samples").notes)
    assert "not independent" in notes
    assert "CC BY 2.0" in notes
    for photograph in PHOTOGRAPHS:
        assert f"{photograph.name}: {photograph.credit}" in notes


def test_missing_packages_name_the_command(monkeypatch):
    monkeypatch.setattr(samples, "package_folder", lambda name: None)
    with pytest.raises(InputError, match=r"scikit-image: pip install 'invariscope\[demo\]'"):
        open_source("samples")


def test_a_package_without_one_picture_is_noted(monkeypatch, tmp_path):
    real = samples.package_folder
    monkeypatch.setattr(
        samples, "package_folder", lambda name: tmp_path if name == "sklearn" else real(name)
    )
    source = open_source("samples")
    assert not any(image.startswith("china") for image in source.ids)
    assert any("not in the installed packages: china, flower" in note for note in source.notes)
    for name in PHOTOGRAPHS:
        Path(tmp_path, name.file).parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(samples, "package_folder", lambda name: tmp_path)
    with pytest.raises(InputError, match="hold no photographs any more"):
        open_source("samples")


def test_pickled_copy_loads_the_same():
    source = SamplesSource()
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(np.asarray(copy.load(5)), np.asarray(source.load(5)))


def test_neither_torch_nor_the_packages_are_imported():
    code = (
        "import sys; from invariscope.data import open_source; open_source('samples').load(0);"
        "print([n for n in ('torch', 'skimage', 'sklearn', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
