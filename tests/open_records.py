"""Data sets of one file for the tests of reading, in a module that other processes can import."""

import os
import signal
import time
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from invariscope.data import ImageSource

COUNT, SIDE = 80, 8


def pixels_of(source: ImageSource, index: int) -> np.ndarray:
    return np.asarray(source.load(index))


class Records(Dataset):
    """Items at places of one file; how it is pickled is left to subclasses."""

    def __init__(self, path):
        self.path, self.file = path, open(path, "rb")

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        self.file.seek(index * SIDE * SIDE * 3)
        time.sleep(0.0005)  # another thread would move the file here
        taken = self.file.read(SIDE * SIDE * 3)
        return np.frombuffer(taken, np.uint8).reshape(SIDE, SIDE, 3)

    def __del__(self):
        self.file.close()


class Reopened(Records):
    """Opens its file anew in a copy."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)


class Augmented(Reopened):
    """Draws at random."""

    def __getitem__(self, index):
        image = super().__getitem__(index)
        return np.clip(image // 2 + np.uint8(torch.randint(0, 90, (1,)).item()), 0, 255)


class Deadly(Reopened):
    """Reading item 40 kills the process of a copy, as the system does where memory runs out."""

    copied = False

    def __reduce__(self):
        return _copied, (self.path,)

    def __getitem__(self, index):
        if index == 40 and self.copied:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def _copied(path):
    copy = Deadly(path)
    copy.copied = True
    return copy


class Gone(Reopened):
    """A copy of it cannot be opened."""

    def __reduce__(self):
        return _open_nothing, ()


def _open_nothing():
    raise OSError("no such device")
