"""Small pictures on the disk, each of one grey."""

import io

import numpy as np
import pytest
from PIL import Image


def encoded(grey: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), (grey, grey, grey)).save(buffer, kind)
    return buffer.getvalue()


def greys(source) -> list[int]:
    """The grey of each image."""
    return [int(np.asarray(source.load(index))[0, 0, 0]) for index in range(len(source))]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """photos/0.png … photos/5.png, of the greys 0, 10, …, in the working directory."""
    (tmp_path / "photos").mkdir()
    for index in range(6):
        (tmp_path / "photos" / f"{index}.png").write_bytes(encoded(10 * index))
    monkeypatch.chdir(tmp_path)
    return tmp_path
