"""The command line in this process, a small model of the user's own, and small pictures."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

MODEL = """
import torch
from torch import nn

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.fc = nn.Linear(8, 4)
    def forward(self, x):
        return self.fc(torch.relu(self.conv(4 * x - 2)).mean((2, 3)))

def make():
    torch.manual_seed(0)
    return Tiny()

class Dark(Tiny):
    def forward(self, x):
        return torch.where(x.mean((1, 2, 3))[:, None] < 0.05, torch.nan, super().forward(x))

def dark():
    torch.manual_seed(0)
    return Dark()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with tiny.py and a folder of 40 pictures."""
    (tmp_path / "tiny.py").write_text(MODEL)
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "pictures" / f"{number:02}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def invariscope(monkeypatch, capsys):
    """Runs the command line: (exit code, standard output, standard error)."""
    from invariscope.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["invariscope", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err, err
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def environment():
    """For a process of its own that finds the package however it is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "80"}
