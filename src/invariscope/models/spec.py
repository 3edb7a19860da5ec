"""From what the user writes to a probe.

===============================  =================================================================
``timm:NAME``                    timm's model with its pretrained weights
``torchvision:NAME@WEIGHTS``     torchvision's; without ``@`` its default weights
``checkpoint:PATH@ARCH``         a state dict; ARCH is ``timm:NAME``, ``torchvision:NAME`` or NAME
                                 (BiT and vision transformers of timm: also an ``.npz`` file)
``python:package.module:name``   a function without arguments that returns the model
``builtin:NAME``                 weights inside an installed package, see `BUILTIN`
``small:NAME?width=…``           an architecture for small images, untrained, see `models.small`
``trained:FOLDER``               what training has written, see `models.trained`
any of these ``+untrained``      the same architecture with random weights, drawn from the seed
===============================  =================================================================
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from invariscope.errors import InputError, InvariscopeError
from invariscope.models.architecture import build_architecture
from invariscope.models.builtin import BUILTIN
from invariscope.models.checkpoint import build_from_checkpoint, remove_classifier
from invariscope.models.failures import first_line
from invariscope.models.fields import Fields
from invariscope.models.input_channels import with_input_channels
from invariscope.models.preprocessing import ANY_CHANNELS, from_timm
from invariscope.models.probe import Probe
from invariscope.models.small import SmallModel
from invariscope.models.trace import Wishes
from invariscope.models.trained import load_trained
from invariscope.models.twin import copy_module, drawing
from invariscope.models.zoo import (
    UNTRAINED,
    TimmModel,
    TorchvisionModel,
    ZooModel,
    timm_is_imagenet,
)
from invariscope.registry import unknown_name

_SUFFIX = f"+{UNTRAINED}"


def load_model(
    spec_or_module: Any,
    *,
    preprocessing: Mapping[str, Any] | None = None,
    fields: Mapping[str, int | Fields] | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    seed: int = 0,
) -> Probe:
    """A model, ready to be measured.

    Args:
        spec_or_module: A spec (see the top of this module), an ``nn.Module`` (it is copied: the
            original keeps its mode, device and weights), a callable from [image, 3, height, width]
            to a tensor, or a `Probe`, which is handed back.
        preprocessing: Values that replace those of the model's own configuration: size, resize,
            interpolation, mean, std, channels, crop_mode.
        fields: For group-convolutional networks, the layers whose channels a rotation permutes:
            ``{"conv*": 8}`` says that the channels of these layers come in consecutive blocks of 8,
            one channel per rotation of C8 (see `models.fields`); `Fields` says more. The last entry
            that fits a layer counts. `e2cnn`'s layers need none.
        task: What the model's answer is, where it is seen wrongly: "classification", "multilabel",
            "regression", "embedding" or "dense".
        embedding: The layer whose output, averaged over positions, is the embedding; by default
            the rule of `invariscope.models.embedding`.
        output_key: Which of several outputs is the answer: its key, or its position.
        seed: Of the weights of an untrained model.

    Returns:
        The probe, on the CPU for a spec, else where the module is.

    Raises:
        InputError: An unknown name, a missing package or file, weights that cannot be fetched.
            Fields are compared with the layers when they are watched.

    Example:
        >>> probe = load_model("timm:resnet18+untrained")
        >>> probe.preprocessing.size, probe.num_outputs
        ((224, 224), 1000)
    """
    if isinstance(spec_or_module, Probe):
        probe = spec_or_module
    elif isinstance(spec_or_module, str):
        probe = _from_spec(spec_or_module.strip(), seed)
    elif isinstance(spec_or_module, nn.Module):
        probe = _from_module(spec_or_module)
    elif callable(spec_or_module):
        name = getattr(spec_or_module, "__name__", type(spec_or_module).__name__)
        probe = Probe(spec_or_module, ANY_CHANNELS, f"callable:{name}")
    else:
        raise InputError(
            f"model: {type(spec_or_module).__name__} came; a spec such as timm:resnet18, an "
            "nn.Module or a callable works"
        )
    if not isinstance(spec_or_module, Probe) and "channels" not in (preprocessing or {}):
        probe = _with_channels(probe)
    if preprocessing:
        probe = probe.with_preprocessing(probe.preprocessing.override(preprocessing))
    if fields is not None:
        probe = probe.with_fields(fields)
    if (task, embedding, output_key) != (None, None, None):
        probe = probe.with_wishes(Wishes(task, embedding, output_key))
    return probe


def _with_channels(probe: Probe) -> Probe:
    """The probe, shown as many channels as its network takes."""
    if probe.module is None:
        return probe
    fitted, decisions, warnings = with_input_channels(probe.module, probe.preprocessing)
    if fitted is probe.preprocessing:
        return probe
    return probe.with_preprocessing(fitted).with_said(decisions, warnings)


def _from_spec(spec: str, seed: int) -> Probe:
    base = spec.removesuffix(_SUFFIX)
    prefix, separator, rest = base.partition(":")
    if not separator or prefix not in LOADERS or not rest:
        forms = [f"{name}:…" for name in LOADERS]
        if separator and prefix in LOADERS:
            raise InputError(f"model {spec!r} has no name after the colon; {prefix}:NAME works")
        raise unknown_name("model spec", spec, forms)
    return LOADERS[prefix](rest, base != spec, seed, spec)


def _from_zoo(model: ZooModel, untrained: bool, seed: int, spec: str) -> Probe:
    module = model.build(pretrained=not untrained, seed=seed)
    return Probe(
        module,
        model.preprocessing(module),
        spec,
        fresh=lambda seed: model.build(pretrained=False, seed=seed),
        imagenet=model.is_imagenet(module),
    )


def _timm(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    return _from_zoo(TimmModel(rest), untrained, seed, spec)


def _torchvision(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    name, _, weights = rest.partition("@")
    untrained = untrained or weights == UNTRAINED
    return _from_zoo(TorchvisionModel(name, weights or None), untrained, seed, spec)


def _checkpoint(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    path, separator, architecture = rest.rpartition("@")
    if not separator or not path or not architecture:
        raise InputError(
            f"model {spec!r} does not name its architecture; checkpoint:PATH@ARCH works, for "
            f"example checkpoint:{rest.strip('@') or 'weights.pt'}@timm:resnet18"
        )
    model = _architecture(architecture, path)
    module, options = build_from_checkpoint(model, path)

    def fresh(seed: int) -> nn.Module:
        headless = options.get("num_classes") == 0 and isinstance(model, TorchvisionModel)
        twin = model.build(pretrained=False, seed=seed, **({} if headless else options))
        if headless and isinstance(model, TorchvisionModel):
            remove_classifier(model, twin)
        return twin

    return Probe(
        fresh(seed) if untrained else module,
        model.preprocessing(module),
        spec,
        fresh=fresh,
        imagenet=not options and model.is_imagenet(module),
    )


def _architecture(name: str, path: str) -> ZooModel:
    prefix, separator, rest = name.partition(":")
    if not separator:
        return TimmModel(name)
    if prefix == "timm":
        return TimmModel(rest)
    if prefix == "torchvision":
        return TorchvisionModel(rest)
    raise InputError(
        f"checkpoint {path}: architecture {name!r} is unknown; timm:NAME and torchvision:NAME work"
    )


def _python(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    place, _, name = rest.partition(":")
    if not place or not name:
        raise InputError(f"model {spec!r} names no factory; python:package.module:factory works")
    factory = _factory(place, name, spec)
    try:
        with drawing(seed):
            model = factory()
    except InvariscopeError:
        raise
    except Exception as error:
        raise InputError(
            f"model {spec!r}: the factory raises {type(error).__name__} ({first_line(error)}); a "
            "function that returns the model when called without arguments works"
        ) from error
    return _from_object(model, untrained, seed, spec)


def _factory(place: str, name: str, spec: str) -> Callable[[], Any]:
    with _importing_from_here():
        try:
            home = importlib.import_module(place)
        except ModuleNotFoundError as error:
            missing = (error.name or place).partition(".")[0]
            raise InputError(
                f"model {spec!r}: {first_line(error)}; pip install the package that has "
                f"{missing!r}, or run in the folder that holds it"
            ) from error
        except Exception as error:
            raise InputError(
                f"model {spec!r}: importing {place!r} raises {type(error).__name__} "
                f"({first_line(error)}); a file that python -c 'import {place}' imports works"
            ) from error
    public = [key for key, value in vars(home).items() if key[0] != "_" and callable(value)]
    if not hasattr(home, name):
        raise unknown_name(f"factory in {place}", name, public)
    factory = getattr(home, name)
    if not callable(factory):
        raise InputError(f"model {spec!r}: {name!r} is a {type(factory).__name__}, no function")
    return factory


def _from_object(model: Any, untrained: bool, seed: int, spec: str) -> Probe:
    if isinstance(model, nn.Module):
        probe = _from_module(model, spec.removesuffix(_SUFFIX), copied=False)
    elif callable(model):
        probe = Probe(model, ANY_CHANNELS, spec.removesuffix(_SUFFIX))
    else:
        raise InputError(
            f"model {spec!r}: the factory returns a {type(model).__name__}; an nn.Module or a "
            "callable works"
        )
    return probe.untrained(seed) if untrained else probe


def _builtin(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    factory = BUILTIN.get(rest)

    def fresh(seed: int) -> nn.Module:
        with drawing(seed):
            return factory(pretrained=False)

    module = fresh(seed) if untrained else factory(pretrained=True)
    probe = _from_module(module, spec, copied=False)
    return Probe(module, probe.preprocessing, spec, fresh=fresh, imagenet=timm_is_imagenet(module))


def _small(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    model = SmallModel(rest)
    return Probe(
        model.build(seed=seed),
        model.preprocessing,
        spec,
        fresh=lambda seed: model.build(seed=seed),
    )


def _trained(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    module, description = load_trained(rest)

    def fresh(seed: int) -> nn.Module:
        return build_architecture(
            description.architecture,
            num_classes=description.num_classes,
            seed=seed,
            untrained=True,
        )[0]

    return Probe(fresh(seed) if untrained else module, description.preprocessing, spec, fresh=fresh)


def _from_module(module: nn.Module, spec: str | None = None, copied: bool = True) -> Probe:
    # What torch.compile and the parallel wrappers hold inside; hooks do not fire in the former.
    inner = getattr(module, "_orig_mod", module)
    if isinstance(inner, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner = inner.module
    name = spec or f"module:{type(inner).__name__}"
    config = getattr(inner, "pretrained_cfg", None)
    return Probe(
        copy_module(inner, name) if copied else inner,
        from_timm(inner) if config else ANY_CHANNELS,
        name,
        imagenet=bool(config) and timm_is_imagenet(inner),
    )


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """Lets a factory live in the working directory, as with ``python -m``."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


LOADERS: dict[str, Callable[[str, bool, int, str], Probe]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "checkpoint": _checkpoint,
    "python": _python,
    "builtin": _builtin,
    "small": _small,
    "trained": _trained,
}
