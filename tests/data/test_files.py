"""Depth is kept by every source of files: 12 bits in 16 are found wherever the picture lies."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.data import open_source

from .test_archive import pack


def deep(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 5), value, dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["list", "table", "zip", "tar", "shard", "npz", "stream"])
def test_twelve_bits_are_found(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    for name, value in (("a", 4095), ("b", 2048)):
        (tmp_path / f"{name}.png").write_bytes(deep(value))
    given = {
        "list": lambda: ["a.png", "b.png"],
        "zip": lambda: pack("x.zip", {"a.png": deep(4095), "b.png": deep(2048)}),
        "tar": lambda: pack("x.tar", {"a.png": deep(4095), "b.png": deep(2048)}),
        "shard": lambda: pack(
            "s.tar", {"a.png": deep(4095), "a.cls": b"0", "b.png": deep(2048), "b.cls": b"1"}
        ),
        "table": lambda: _written("t.csv", "path\na.png\nb.png\n"),
        "npz": lambda: _saved(np.stack([np.full((4, 5), v, np.uint16) for v in (4095, 2048)])),
        "stream": lambda: ({"image": deep(v)} for v in (4095, 2048)),
    }[kind]()
    source = open_source(given, num_images=2)
    assert "12 bits" in source.decisions["bit depth"]
    first, second = source.load(0), source.load(1)
    assert isinstance(first, torch.Tensor)
    assert isinstance(second, torch.Tensor)
    assert float(first.max()) == 1
    assert float(second.max()) == pytest.approx(2048 / 4095)
    given = {"npz": "x.npz", "stream": iter([deep(4095)])}.get(kind, given)
    wide = open_source(given, (0, 65535), num_images=1)
    assert float(np.asarray(wide.load(0)).max()) == pytest.approx(4095 / 65535)


def _written(name: str, text: str) -> str:
    with open(name, "w") as file:
        file.write(text)
    return name


def _saved(images: np.ndarray) -> str:
    np.savez("x.npz", images=images)
    return "x.npz"
