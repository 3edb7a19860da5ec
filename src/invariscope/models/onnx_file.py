"""Runs models in ONNX files by onnxruntime (extra ``onnx``): ``onnx:PATH``.

The first input is the picture, [image, channel, height, width] or, where its last axis is 1 or 3
and its second is not, [image, height, width, channel]; a fixed number of images is kept to by
filling up the last batch. Pixels of an integer type go in as 0 … 255. Several outputs come by their
names. Layers inside the file are not measured, and it runs on the CPU.
"""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariscope.errors import InputError, first_line
from invariscope.models.probe import Probe
from invariscope.models.program import (
    OUTPUTS_ONLY,
    BatchSizes,
    Program,
    existing,
    fixed_size,
    program_probe,
)

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


def load_onnx(path: str, spec: str) -> Probe:
    """Loads the probe of an ONNX file.

    Raises:
        InputError: onnxruntime is not installed, there is no such file, it cannot be read, or it
            takes something else than pictures.
    """
    file = existing(path, "onnx", spec)
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"model {spec}: pip install 'invariscope[onnx]' to run it") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise InputError(
            f"model {spec} cannot be opened by onnxruntime ({type(error).__name__}: "
            f"{first_line(error)})"
        ) from error
    given, shape = _picture_input(session, spec)
    last = shape[3] in (1, 3) and shape[1] not in (1, 3)
    channels, height, width = (shape[3], *shape[1:3]) if last else shape[1:]
    batch = BatchSizes(shape[0], shape[0]) if isinstance(shape[0], int) else BatchSizes()
    outputs = [output.name for output in session.get_outputs()]
    program = Program(
        _runner(session, given, last, outputs),
        batch=batch,
        state={"file": _hash(file)},
        opaque=True,
    )
    axes = "height, width, channel" if last else "channel, height, width"
    said = {
        "layers": f"ONNX: {OUTPUTS_ONLY}",
        "input": f"{given.name}, [image, {axes}], {given.type}, {batch}",
        "outputs": ", ".join(outputs),
    }
    return program_probe(program, spec, fixed_size(channels, height, width), said)


def _picture_input(session: Any, spec: str) -> tuple[Any, list[Any]]:
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
        came = ", ".join(f"{i.name} {list(i.shape)} {i.type}" for i in inputs)
        raise InputError(
            f"model {spec} takes {came}; one picture input of four axes, of floats or uint8, works"
        )
    return inputs[0], list(inputs[0].shape)


def _runner(session: Any, given: Any, channels_last: bool, outputs: list[str]) -> Any:
    kind = _TYPES[given.type]

    def run(images: Tensor) -> Any:
        if channels_last:
            images = images.permute(0, 2, 3, 1)
        if kind is np.uint8:
            images = images.mul(255).round().clamp(0, 255)
        pixels = images.detach().cpu().contiguous().numpy().astype(kind, copy=False)
        tensors = [
            torch.from_numpy(np.array(value)).to(images.device)
            for value in session.run(outputs, {given.name: pixels})
        ]
        return tensors[0] if len(tensors) == 1 else dict(zip(outputs, tensors, strict=True))

    return run


def _hash(file: Any) -> str:
    digest = hashlib.sha256()
    for part in (file, *sorted(file.parent.glob(f"{file.name}*data"))):
        digest.update(part.read_bytes())
    return digest.hexdigest()
