"""Architectures to train: from a spec and a number of classes to a module.

=================================  ===============================================================
``small:NAME?width=…``             an architecture for small images (`models.small`)
``timm:NAME``                      timm's, random weights; ``+pretrained``: its pretrained ones
``torchvision:NAME``               torchvision's, likewise; ``@WEIGHTS+pretrained`` says which
``builtin:NAME``                   pretrained, from an installed package; ``+untrained``: random
``checkpoint:PATH@ARCH``           the weights of a file
=================================  ===============================================================

A pretrained model keeps everything but its last linear map, which is drawn anew for the classes.
"""

from typing import Any

from torch import nn

from invariscope.errors import InputError
from invariscope.models.builtin import BUILTIN
from invariscope.models.checkpoint import build_from_checkpoint, named_architecture
from invariscope.models.input_channels import with_input_channels
from invariscope.models.preprocessing import Preprocessing, from_timm
from invariscope.models.small import SmallModel
from invariscope.models.twin import drawing
from invariscope.models.zoo import UNTRAINED, TimmModel, TorchvisionModel, ZooModel
from invariscope.registry import unknown_name

PRETRAINED = "pretrained"
_KINDS = ("small", "timm", "torchvision", "builtin", "checkpoint")


def build_architecture(
    spec: str, *, num_classes: int, seed: int, untrained: bool = False
) -> tuple[nn.Module, Preprocessing]:
    """Builds a module to be trained, and the preprocessing of its images.

    Args:
        spec: One of the forms at the top of this module.
        num_classes: Number of outputs, whatever the spec says.
        seed: Of the weights that are drawn: all of them, or those of the new last map.
        untrained: Draws all weights even where the spec asks for pretrained ones; nothing is
            fetched then.

    Returns:
        The module on the CPU, in training mode, and its preprocessing.

    Raises:
        InputError: An unknown name, weights that are not there, a model without a linear map at its
            end.

    Example:
        >>> module, preprocessing = build_architecture("small:cnn7", num_classes=6, seed=0)
        >>> preprocessing.size, module.classify.out_features
        ((28, 28), 6)
    """
    if num_classes < 2:
        raise InputError(f"model {spec}: num_classes is {num_classes}; 2 or more work")
    spec = spec.strip()
    base, wish = _wish(spec)
    kind, colon, rest = base.partition(":")
    if not colon or kind not in _KINDS or not rest:
        raise unknown_name("architecture", spec, [f"{name}:…" for name in _KINDS])
    if kind == "small":
        small = SmallModel(rest)
        return small.build(seed=seed, num_classes=num_classes), small.preprocessing
    pretrained = wish == PRETRAINED if kind in ("timm", "torchvision") else wish != UNTRAINED
    module, preprocessing = _zoo(kind, rest, pretrained and not untrained, seed, base)
    _replace_classifier(module, num_classes, seed, spec)
    return module.train(), preprocessing


def _wish(spec: str) -> tuple[str, str | None]:
    for wish in (PRETRAINED, UNTRAINED):
        if spec.endswith(f"+{wish}"):
            return spec.removesuffix(f"+{wish}"), wish
    return spec, None


def _zoo(
    kind: str, rest: str, pretrained: bool, seed: int, spec: str
) -> tuple[nn.Module, Preprocessing]:
    if kind == "builtin":
        factory = BUILTIN.get(rest)
        with drawing(seed):
            module = factory(pretrained=pretrained)
        return module, from_timm(module)
    model: ZooModel
    if kind == "timm":
        model = TimmModel(rest)
    elif kind == "torchvision":
        name, _, weights = rest.partition("@")
        model = TorchvisionModel(name, weights or None)
    else:
        path, model = named_architecture(rest, spec)
        fitted = build_from_checkpoint(model, path)
        if fitted.options.get("num_classes") == 0:
            raise InputError(f"model {spec}: the file has no classifier to be replaced")
        module = fitted.module
        if not pretrained:
            module = model.build(pretrained=False, seed=seed, **fitted.options)
        return module, with_input_channels(module, model.preprocessing(module))[0]
    module = model.build(pretrained=pretrained, seed=seed)
    return module, model.preprocessing(module)


def _replace_classifier(module: nn.Module, num_classes: int, seed: int, spec: str) -> None:
    """A new last linear map; of timm's models its own ``reset_classifier``."""
    with drawing(seed):
        reset: Any = getattr(module, "reset_classifier", None)
        if callable(reset):
            reset(num_classes)
            return
        linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
        if not linear:
            raise InputError(
                f"model {spec}: it ends in no linear map that could be replaced; another "
                "architecture works, such as torchvision:resnet18"
            )
        old: Any = module.get_submodule(linear[-1])
        parent, _, leaf = linear[-1].rpartition(".")
        new = nn.Linear(old.in_features, num_classes)
        setattr(module.get_submodule(parent), leaf, new)
