"""Reads Fashion-MNIST from files on this machine: ``fashion-mnist?split=test&root=…``.

Without ``root`` the files are those of Debian's package ``dataset-fashion-mnist``; with it, those
that torchvision keeps under its ``root`` (``FashionMNIST/raw``), or the idx files themselves, with
or without ``.gz``. 28 × 28, grey, ten classes; 10,000 images to test and 60,000 to train.
"""

import gzip
import zlib
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from invariscope.data.memory import GreyTableSource
from invariscope.data.source import SOURCES
from invariscope.errors import InputError
from invariscope.registry import unknown_name

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"
_PREFIXES = {"test": "t10k", "train": "train"}


@SOURCES.register("fashion-mnist")
def fashion_mnist(
    argument: str | None = None, *, split: str = "test", root: str | None = None
) -> GreyTableSource:
    """Fashion-MNIST from a Debian package, labelled; ?split=train.

    Args:
        argument: Must be None; the name takes no argument.
        split: ``test`` or ``train``.
        root: torchvision's root, or a folder with the idx files; None: Debian's package.

    Raises:
        InputError: An unknown split, or files that are missing or broken.

    Example:
        >>> fashion_mnist(split="best")
        Traceback (most recent call last):
        invariscope.errors.InputError: unknown Fashion-MNIST split 'best': did you mean test? ...
    """
    if argument is not None:
        raise InputError(f"fashion-mnist:{argument}: it takes no argument; write fashion-mnist")
    if split not in _PREFIXES:
        raise unknown_name("Fashion-MNIST split", split, _PREFIXES)
    read = partial(read_idx_pair, _folder(root), _PREFIXES[split])
    note = f"Fashion-MNIST, {split} split (Zalando Research, MIT licence)"
    return GreyTableSource("fashion-mnist", read, CLASSES, [note])


def read_idx_pair(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads the images uint8 [N, H, W] and labels [N] of a pair of idx files.

    Raises:
        InputError: A file is missing or is not what its name says.
    """
    images = _read_idx(folder, f"{prefix}-images-idx3-ubyte", axes=3)
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte", axes=1)
    if len(images) != len(labels) or labels.max(initial=0) >= len(CLASSES):
        raise InputError(f"{folder}: {len(images)} images and {len(labels)} labels do not match")
    return images, labels


def _folder(root: str | None) -> Path:
    if root is None:
        folders = [Path(DEBIAN_FOLDER)]
    else:
        base = Path(root).expanduser()
        folders = [base / "FashionMNIST" / "raw", base / "raw", base]
    for folder in folders:
        if any(folder.glob("*-images-idx3-ubyte*")):
            return folder
    raise InputError(
        f"fashion-mnist: no idx files in {folders[-1]}; install Debian's dataset-fashion-mnist, or "
        "name a folder that has them: fashion-mnist?root=FOLDER"
    )


def _read_idx(folder: Path, name: str, axes: int) -> np.ndarray:
    plain, packed = folder / name, folder / f"{name}.gz"
    file = plain if plain.is_file() else packed
    try:
        return _array(file, file.stat().st_mtime_ns, axes)
    except FileNotFoundError as error:
        raise InputError(f"fashion-mnist: {file} is missing; fetch the whole data set") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"fashion-mnist: {file} cannot be read ({error}); fetch it again"
        ) from error


@lru_cache(maxsize=4)  # a study opens the same split for each of its jobs
def _array(file: Path, modified: int, axes: int) -> np.ndarray:
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    # magic: two zero bytes, 8 for unsigned bytes, the number of axes; then each length, big-endian
    start = 4 * (axes + 1)
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").astype(int).tolist())
    if content[:4] != bytes((0, 0, 8, axes)) or len(content) - start != np.prod(shape):
        raise InputError(f"fashion-mnist: {file} is broken; fetch the data set again")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
