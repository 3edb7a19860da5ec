"""Weights as their authors' JAX or TensorFlow code saved them: ``.npz`` files, such as BiT's.

timm knows the names of the arrays (``load_pretrained`` of its ResNetV2 and of its vision
transformers) and puts each where it belongs. It says nothing when a file holds more than it takes,
or a head of another size. So the number of classes is read from the file first, and afterwards the
values are counted: a ResNet-101 does not pass for a ResNet-50, whose blocks it all has.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from invariscope.errors import InputError, first_line
from invariscope.models.zoo import TimmModel, ZooModel

_HEADS = ("head/conv2d/kernel", "head/kernel")
# What timm leaves out, or resizes to the model's own size.
_FREE = ("pre_logits", "posembed", "pos_embedding")


def build_from_npz(architecture: ZooModel, path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Returns the architecture with the weights of an ``.npz`` file.

    Returns:
        The module, and the options (``num_classes``) that an untrained twin must be built with.

    Raises:
        InputError: The file cannot be read, timm cannot read it for this architecture, or it holds
            another number of values.
    """
    shapes = _shapes(Path(path))
    head = next((shape for name, shape in shapes.items() if name.endswith(_HEADS)), None)
    classes = 0 if head is None else head[-1]
    module: Any = architecture.build(pretrained=False)
    if not isinstance(architecture, TimmModel) or not hasattr(module, "load_pretrained"):
        raise InputError(
            f"checkpoint {path}: {architecture.spec} takes no .npz files; timm's BiT models and "
            "vision transformers do, for example checkpoint:PATH@timm:resnetv2_50x1_bit"
        )
    options = {} if module.num_classes == classes else {"num_classes": classes}
    if options:
        module = architecture.build(pretrained=False, **options)
    # Opened here: timm closes no archive that it takes by its path.
    with torch.no_grad(), Path(path).open("rb") as file:
        try:
            module.load_pretrained(file)
        except Exception as error:
            reason = first_line(error).replace(repr(file), repr(str(path)))
            raise InputError(
                f"checkpoint {path} does not fit {architecture.spec} ({type(error).__name__}: "
                f"{reason}); name the architecture it was saved from after the @"
            ) from error
    held = sum(math.prod(s) for name, s in shapes.items() if not any(f in name for f in _FREE))
    wanted = sum(v.numel() for name, v in module.named_parameters() if "pos_embed" not in name)
    if held != wanted:
        raise InputError(
            f"checkpoint {path} does not fit {architecture.spec}: it holds {held:,} values, the "
            f"model {wanted:,}; name the architecture it was saved from after the @"
        )
    return module, options


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        # Opened here: where the file is none, numpy leaves it open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name].shape for name in archive.files}
    except Exception as error:
        raise InputError(
            f"checkpoint {path} cannot be read as an .npz file of arrays ({first_line(error)}); "
            "one that numpy.savez wrote works"
        ) from error
