"""What the embedding of a network is by its library's own word, found without invariscope.

timm: ``forward_head(forward_features(x), pre_logits=True)``; several tensors side by side, maps
averaged over their positions; what the classifiers read where there is no such function.
torchvision: what the last linear map reads. transformers: what the classifiers read; an encoder's
image_embeds, else its pooler_output, else its last_hidden_state averaged without prefix tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def reference_embedding(library: str, module: nn.Module, batch: Tensor) -> tuple[Tensor, str]:
    """The embedding [image, element] of normalised pictures, and how it was found."""
    with torch.no_grad():
        return _LIBRARIES[library](module, batch)


def reference_output(module: nn.Module, batch: Tensor) -> Any:
    """What the network itself puts out."""
    with torch.no_grad():
        return module(batch)


def _of_timm(module: Any, batch: Tensor) -> tuple[Tensor, str]:
    try:
        found = module.forward_head(module.forward_features(batch), pre_logits=True)
    except (AttributeError, TypeError, NotImplementedError):
        heads = module.get_classifier()
        heads = [heads] if isinstance(heads, nn.Linear | nn.Conv2d) else list(heads)
        return _read_by(module, batch, heads)
    several = isinstance(found, Sequence)
    parts = [_averaged(part, module.head_hidden_size) for part in (found if several else [found])]
    return torch.cat(parts, 1), "pre-logits function"


def _of_torchvision(module: nn.Module, batch: Tensor) -> tuple[Tensor, str]:
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if linear:
        return _read_by(module, batch, linear[-1:])
    # SqueezeNet: classes come from a convolution, averaged afterwards.
    return _read_by(
        module, batch, [part for part in module.modules() if isinstance(part, nn.Conv2d)][-1:]
    )


def _of_transformers(module: Any, batch: Tensor) -> tuple[Tensor, str]:
    classes = module.config.num_labels
    if type(module).__name__.endswith(("Classification", "Teacher")):
        names = [name for name, _ in module.named_modules() if _is_head(name)]
        heads = [module.get_submodule(name) for name in names]
        linear = [m for head in heads for m in head.modules() if isinstance(m, nn.Linear)]
        return _read_by(module, batch, [m for m in linear if m.out_features == classes])
    output = module(batch)
    for key in ("image_embeds", "pooler_output"):
        if output.get(key) is not None:
            return output[key].flatten(1), key
    hidden = output.last_hidden_state
    if hidden.ndim == 4:
        return hidden.mean((2, 3)), "last_hidden_state, averaged"
    prefix = sum(
        getattr(part, name).shape[1]
        for part in module.modules()
        for name in ("cls_token", "distillation_token", "register_tokens")
        if isinstance(getattr(part, name, None), Tensor)
    )
    return hidden[:, prefix:].mean(1), "last_hidden_state, averaged"


def _is_head(name: str) -> bool:
    heads = ("classifier", "cls_classifier", "distillation_classifier", "classifier_distill")
    return name in (*heads, "head", "dist_head")


def _read_by(module: nn.Module, batch: Tensor, heads: Sequence[nn.Module]) -> tuple[Tensor, str]:
    """What the heads read, side by side; a tensor that two of them read is there once."""
    read: list[Tensor] = []
    last_axis = []

    def keep(head: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if not any(arguments[0] is tensor for tensor in read):
            read.append(arguments[0])
            last_axis.append(isinstance(head, nn.Linear))

    handles = [head.register_forward_pre_hook(keep) for head in heads]
    try:
        module(batch)
    finally:
        for handle in handles:
            handle.remove()
    parts = [
        _averaged(tensor, tensor.shape[-1 if last else 1])
        for tensor, last in zip(read, last_axis, strict=True)
    ]
    how = "classifier's input" if len(parts) == 1 else f"inputs of {len(parts)} classifiers"
    return torch.cat(parts, 1), how


def _averaged(tensor: Tensor, channels: int) -> Tensor:
    """Averages over all axes but the images and the channels."""
    if tensor.ndim == 2:
        return tensor
    if tensor.ndim == 3 or tensor.shape[1] != channels:
        return tensor.flatten(1, -2).mean(1)
    return tensor.flatten(2).mean(2)


_LIBRARIES = {"timm": _of_timm, "torchvision": _of_torchvision, "transformers": _of_transformers}
