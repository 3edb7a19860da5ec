"""Builds models of timm and torchvision by name."""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

from torch import nn

from invariscope.errors import InputError, first_line
from invariscope.hub import hub_at_once
from invariscope.models.preprocessing import Preprocessing, from_timm, from_torchvision
from invariscope.models.twin import drawing
from invariscope.registry import unknown_name

UNTRAINED = "untrained"
# Without this argument both warn that their initialisation is slow.
_INITIALISED = ("googlenet", "inception_v3")


class TimmModel:
    """An architecture of timm: ``resnet18``, ``resnet18.a1_in1k`` or ``hf-hub:owner/name``."""

    class_names = None  # the module's configuration tells them

    def __init__(self, name: str):
        import timm

        self.name = name
        self.spec = f"timm:{name}"
        if name.startswith(("hf-hub:", "hf_hub:", "local-dir:")):
            return
        architecture, _, tag = name.partition(".")
        if not timm.is_model(architecture):
            raise _unknown("timm model", architecture, timm.list_models(), "timm.list_models()")
        tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{architecture}.*")]
        if tag and tag not in tags:
            raise unknown_name(f"weights of timm:{architecture}", tag, [t for t in tags if t])

    def build(self, *, pretrained: bool, seed: int = 0, **options: Any) -> nn.Module:
        """Builds the module; ``options`` are timm's, such as ``num_classes``."""
        import timm

        with drawing(seed):
            try:
                with hub_at_once() if pretrained or ":" in self.name else nullcontext():
                    return timm.create_model(self.name, pretrained=pretrained, **options)
            except Exception as error:
                if pretrained:
                    raise not_fetched(self.spec, error) from error
                if ":" not in self.name:
                    raise
                raise InputError(
                    f"model {self.spec}: its description could not be read ({first_line(error)}); "
                    "it must be there, or its hub within reach"
                ) from error

    def preprocessing(self, module: nn.Module) -> Preprocessing:
        """Reads the preprocessing that timm evaluates this model with."""
        return from_timm(module)

    def is_imagenet(self, module: nn.Module) -> bool:
        """Tells whether 1000 outputs are those of ImageNet-1k."""
        return timm_is_imagenet(module)

    def classifiers(self, module: nn.Module) -> tuple[str, ...]:
        """Returns the dotted names of its classifiers: one, none, or those of a distilled model."""
        own: Any = getattr(module, "pretrained_cfg", None) or {}
        names = own.get("classifier") or ()
        return (names,) if isinstance(names, str) else tuple(names)


class TorchvisionModel:
    """An architecture of torchvision, and the name of its weights."""

    def __init__(self, name: str, weights: str | None = None):
        from torchvision import models

        if name not in models.list_models():
            raise _unknown(
                "torchvision model", name, models.list_models(), "torchvision.models.list_models()"
            )
        self.name = name
        self.spec = f"torchvision:{name}" + (f"@{weights}" if weights else "")
        known = models.get_model_weights(name)
        members = {member.name: member for member in known}
        if weights in (None, UNTRAINED, "DEFAULT"):
            self.weights = next(iter(known), None) and getattr(known, "DEFAULT", None)
        elif weights in members:
            self.weights = members[weights]
        else:
            raise unknown_name(
                f"weights of torchvision:{name}", weights or "", [*members, UNTRAINED]
            )

    def build(self, *, pretrained: bool, seed: int = 0, **options: Any) -> nn.Module:
        """Builds the module; ``options`` are torchvision's, timm's ``in_chans``, and no classes."""
        from torchvision import models

        with drawing(seed):
            if not pretrained:
                builder = models.get_model_builder(self.name)
                if "weights_backbone" in inspect.signature(builder).parameters:
                    options["weights_backbone"] = None
                if self.name in _INITIALISED:
                    options["init_weights"] = True
                return self._built(**options)
            if self.weights is None:
                raise InputError(
                    f"model {self.spec}: torchvision has no weights for it; +untrained works"
                )
            try:
                return models.get_model(self.name, weights=self.weights, **options)
            except Exception as error:
                raise not_fetched(self.spec, error) from error

    def preprocessing(self, module: nn.Module) -> Preprocessing:
        """Returns the preset of the weights; for an untrained model that of its default weights."""
        if self.weights is None:
            return Preprocessing()
        source = f"torchvision preset of {type(self.weights).__name__}.{self.weights.name}"
        return from_torchvision(self.weights.transforms(), source)

    def is_imagenet(self, module: nn.Module) -> bool:
        """Tells whether 1000 outputs are those of ImageNet-1k."""
        return self.weights is not None and len(self.weights.meta.get("categories", ())) == 1000

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The categories of the weights; ImageNet's are known by their WordNet ids instead."""
        names = () if self.weights is None else self.weights.meta.get("categories", ())
        return tuple(names) if names and len(names) != 1000 else None

    def classifiers(self, module: nn.Module) -> tuple[str, ...]:
        """Returns the dotted name of the last Linear, torchvision's classifier."""
        linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
        return tuple(linear[-1:])

    def _built(
        self, *, num_classes: int | None = None, in_chans: int | None = None, **options: Any
    ) -> nn.Module:
        from torchvision import models

        if num_classes:
            options["num_classes"] = num_classes
        module = models.get_model(self.name, weights=None, **options)
        if num_classes == 0:
            for name in self.classifiers(module):
                module.set_submodule(name, nn.Identity())
        if in_chans is not None:
            replace_first_convolution(module, in_chans, self.spec)
        return module


ZooModel = TimmModel | TorchvisionModel


def replace_first_convolution(module: nn.Module, channels: int, spec: str) -> None:
    """Puts in a first convolution for pictures of so many channels, its weights drawn anew.

    Raises:
        InputError: The model has no convolution that takes three channels.
    """
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d) and part.in_channels == 3 and part.groups == 1:
            kind: Any = type(part)
            new = kind(
                channels,
                part.out_channels,
                part.kernel_size,
                part.stride,
                part.padding,
                part.dilation,
                bias=part.bias is not None,
            )
            module.set_submodule(name, new)
            return
    raise InputError(f"model {spec}: it has no convolution of three channels to be replaced")


def timm_is_imagenet(module: nn.Module) -> bool:
    """Tells whether timm's configuration of a model says ImageNet-1k."""
    from timm.data import infer_imagenet_subset

    config = getattr(module, "pretrained_cfg", None)
    known = isinstance(config, Mapping) and bool(config)
    return known and infer_imagenet_subset(config) == "imagenet-1k"


def not_fetched(spec: str, error: Exception) -> InputError:
    """Makes the error for weights that the library could not get."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    return InputError(
        f"model {spec}: its weights could not be fetched ({reason}); {spec}+untrained works "
        "without them, checkpoint:PATH@ARCH loads them from a file"
    )


@lru_cache(maxsize=8)
def _nearest(name: str, known: tuple[str, ...]) -> list[str]:
    return difflib.get_close_matches(name, known, n=5, cutoff=0.5)


def _unknown(what: str, name: str, known: Iterable[str], listing: str) -> InputError:
    """Like `unknown_name`, for a list too long to print."""
    near = _nearest(name, tuple(known))
    hint = f"did you mean {', '.join(near)}? " if near else ""
    return InputError(f"unknown {what} {name!r}: {hint}({listing} lists all)")
