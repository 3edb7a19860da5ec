"""What cannot be opened says what it is and the way that works, in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.data import open_source
from invariscope.errors import InputError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data.h5", "HDF5.*h5py"),
        ("data.mat", "MATLAB.*loadmat"),
        ("data.tfrecord", "TensorFlow.*shards"),
        ("scan.dcm", "DICOM.*pydicom"),
        ("scan.nii.gz", "volume.*slices"),
        ("clip.mp4", "video; write its frames"),
        ("data.pkl", "pickle.*not opened"),
        ("data.pt", "PyTorch.*tensors"),
        ("labels.json", "JSON; write a CSV"),
        ("labels.xlsx", "spreadsheet; save it as CSV"),
        ("photos.rar", "archive that is not read here; unpack it"),
    ],
)
def test_files_of_other_kinds(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"'{name}' is .*{message}.*nor is it there") as info:
        open_source(name)
    assert "\n" not in str(info.value)
    Path(name).write_bytes(b"x")
    with pytest.raises(InputError, match=message) as info:
        open_source(name)
    assert "nor is it" not in str(info.value)
    Path("folder").mkdir()
    Path("folder", name).write_bytes(b"x")
    with pytest.raises(InputError, match=f"no image in the folder 'folder'.*{message}"):
        open_source("folder")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            {"images": np.zeros(3), "labels": [1]},
            r"images, labels; give \(d\['images'\], d\['lab",
        ),
        ({"x": np.zeros(3)}, r"give d\['x'\]"),
        ({"a": 1}, "dictionary with the keys a; give the images alone"),
        (torch.nn.Identity(), r"are a model; the model comes first"),
        (Image.new("RGB", (4, 4)), "one image; give a list of at least two"),
        ({1, 2}, "have no order; give a list"),
        (b"\x89PNG", "encoded bytes"),
        ("https://example.org/photos.zip", "is an address; download it first"),
        ("s3://bucket/photos", "is an address; download it first"),
        (([Path("a.png")] * 2, [0], 3), "a tuple of 3"),
        ("photos/gone", "no such file or folder"),
        ("gone.csv", "no such file or folder: 'gone.csv'"),
    ],
)
def test_other_things(images, message):
    with pytest.raises(InputError, match=message) as info:
        open_source(images)
    assert "\n" not in str(info.value)
