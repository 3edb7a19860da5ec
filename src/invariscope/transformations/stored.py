"""Corruptions that lie in files, as ImageNet-C has them: ``ROOT/CORRUPTION/SEVERITY/CLASS/IMAGE``.

Each corruption is a family whose level s is severity s, and level 0 the picture as it is. What an
image becomes at a level is the file of its own name there, so the images measured must be those
that were corrupted (``val/CLASS/IMAGE``). The archives unpack into ROOT itself or into a folder for
each kind (``noise``, ``blur`` …); both are found.

Stored pictures are as large as their makers wanted, 224 pixels in ImageNet-C after a resize to 256
and a central crop. They are brought to the size of the images that the model is shown, by a resize
of the shorter side and a central crop; a model with another crop sees its untouched images cropped
otherwise than these.

Source: Hendrycks and Dietterich 2019, Benchmarking Neural Network Robustness.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from invariscope.errors import InputError
from invariscope.transformations.families import Family

SEVERITIES = (1, 2, 3, 4, 5)
UNIT = "of 5"
#: Of so many images the files are read for the identity of a run; of all, name and size count.
_READ = 32


def stored_corruptions(root: str | Path) -> list[tuple[Family, list[int]]]:
    """Finds the corruptions below a folder, each as a family with the severities that it has.

    Args:
        root: The folder.

    Raises:
        InputError: There are none.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"imagenet-c:{root}: no such folder; give one with CORRUPTION/SEVERITY/…")
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    inner = [part for folder in folders for part in sorted(folder.iterdir()) if part.is_dir()]
    found = {folder.name: folder for folder in [*folders, *inner] if _severities(folder)}
    if not found:
        raise InputError(
            f"imagenet-c:{root}: no corruptions there; folders CORRUPTION/1 to CORRUPTION/5 work, "
            "such as gaussian_noise/3/n01440764/ILSVRC2012_val_00000293.JPEG"
        )
    return [(_family(name, folder), _severities(folder)) for name, folder in found.items()]


def _severities(folder: Path) -> list[int]:
    return [severity for severity in SEVERITIES if (folder / str(severity)).is_dir()]


def _family(name: str, folder: Path) -> Family:
    def looked_up(
        images: Tensor, magnitude: float, seeds: Sequence[int], ids: Sequence[str]
    ) -> Tensor:
        files = [folder / f"{magnitude:g}" / image for image in ids]
        return torch.stack([_picture(file, images) for file in files]).to(images.device)

    return Family(
        name, "appearance", UNIT, 0.0, name, drawn=looked_up, unit_words="severity",
        files=lambda ids: _digest(folder, ids),
    )  # fmt: skip


def _digest(folder: Path, ids: Sequence[str]) -> str:
    """Digests the files of some images: name and size of each, and the content of the first."""
    digest = hashlib.blake2b(digest_size=16)
    for severity in _severities(folder):
        for number, image in enumerate(ids):
            file = folder / str(severity) / image
            try:
                content = file.read_bytes() if number < _READ else b""
                size = file.stat().st_size
            except OSError:  # the pass says so, if the image itself can be read
                content, size = b"", -1
            about = f"{severity}/{image} {size} {hashlib.sha256(content).hexdigest()}\n"
            digest.update(about.encode())
    return digest.hexdigest()


def _picture(file: Path, images: Float[Tensor, "image channel height width"]) -> Tensor:
    """Reads a picture in the size, and with the channels, of the images."""
    channels, height, width = images.shape[1:]
    if channels not in (1, 3):
        raise InputError(f"{file.name} is a colour picture, the images have {channels} bands")
    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGB" if channels == 3 else "L")
    except FileNotFoundError as problem:
        raise InputError(
            f"no {file}, the corrupted form of an image that is measured: measure the images that "
            "were corrupted, by the same names"
        ) from problem
    except OSError as problem:
        raise InputError(f"{file} cannot be read ({problem}): unpack it again") from problem
    factor = max(height / picture.height, width / picture.width)
    if factor != 1:
        side = (round(factor * picture.width), round(factor * picture.height))
        picture = picture.resize(side, Image.Resampling.BILINEAR)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    picture = picture.crop((left, top, left + width, top + height))
    values = np.array(picture, dtype=np.float32).reshape(height, width, channels) / 255
    return torch.from_numpy(values).permute(2, 0, 1).to(images.dtype)
