"""Loads the probe of what the user writes.

===============================  =================================================================
``timm:NAME``                    timm's model with its pretrained weights
``torchvision:NAME@WEIGHTS``     torchvision's; without ``@`` its default weights
``checkpoint:PATH@ARCH``         a state dict; ARCH is ``timm:NAME``, ``torchvision:NAME`` or NAME
                                 (BiT and vision transformers of timm: also an ``.npz`` file)
``python:package.module:name``   a function without arguments that returns the model
``builtin:NAME``                 weights inside an installed package, see `BUILTIN`
``small:NAME?width=…``           an architecture for small images, untrained, see `models.small`
``trained:FOLDER``               what training has written, see `models.trained`
``improved:FOLDER``              what `invariscope improve` has written, see `models.improved`
``transformers:FOLDER``          a model of transformers, see `models.hf_folder`
``torchscript:PATH``             a TorchScript file, measured at its outputs
``export:PATH``                  a program of ``torch.export`` (``.pt2``), see `models.program`
``onnx:PATH``                    an ONNX file, see `models.onnx_file`
any of these ``+untrained``      the same architecture with random weights, drawn from the seed;
                                 ``+untrained:active`` switches its residual branches on, see
                                 `models.twin`
===============================  =================================================================
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.models.architecture import build_architecture
from invariscope.models.builtin import BUILTIN
from invariscope.models.checkpoint import build_from_checkpoint, named_architecture
from invariscope.models.factory import call_factory
from invariscope.models.fields import Fields
from invariscope.models.hf_folder import load_transformers
from invariscope.models.hints import wrong_spec
from invariscope.models.improved import improved_state, read_improved
from invariscope.models.input_channels import with_input_channels
from invariscope.models.normalisation import ABOUT, PreprocessingLike, resolve, unstated
from invariscope.models.objects import from_module, from_object
from invariscope.models.onnx_file import load_onnx
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.probe import Probe
from invariscope.models.program import load_exported, load_torchscript
from invariscope.models.small import SmallModel
from invariscope.models.trace import Wishes
from invariscope.models.trained import load_trained
from invariscope.models.twin import drawing
from invariscope.models.zoo import (
    UNTRAINED,
    TimmModel,
    TorchvisionModel,
    ZooModel,
    timm_is_imagenet,
)

_SUFFIX = f"+{UNTRAINED}"
_ACTIVE = ":active"


def load_model(
    spec_or_module: Any,
    *,
    preprocessing: PreprocessingLike | None = None,
    fields: Mapping[str, int | Fields] | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    seed: int = 0,
) -> Probe:
    """Loads a model, ready to be measured.

    Args:
        spec_or_module: A spec (see the top of this module), an ``nn.Module`` (it is copied: the
            original keeps its mode, device and weights), a callable from [image, 3, height, width]
            to a tensor, or a `Probe`, which is handed back.
        preprocessing: What the model's own configuration does not say, or says otherwise: a word
            ("imagenet", "clip", "inception", "none": mean and std), a configuration file, or
            values by name: size, resize, interpolation, mean, std, channels, crop_mode, and
            ``like`` for a word or file that they change. See `models.normalisation`.
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
    # Not in the caller's inference mode: parameters made in it could not be moved outside of it.
    with torch.inference_mode(False):
        if isinstance(spec_or_module, Probe):
            probe = spec_or_module
        elif isinstance(spec_or_module, str | Path):
            probe = _from_spec(str(spec_or_module).strip(), seed)
        else:
            probe = from_object(spec_or_module)
        if not isinstance(spec_or_module, Probe) and not _names_channels(preprocessing):
            probe = _with_channels(probe)
    if preprocessing is not None:
        probe = _prepared(probe, preprocessing)
    if fields is not None:
        probe = probe.with_fields(fields)
    if (task, embedding, output_key) != (None, None, None):
        probe = probe.with_wishes(Wishes(task, embedding, output_key))
    return probe


def for_bands(probe: Probe, bands: int) -> Probe:
    """Fits a model that does not say what it takes to pictures of so many bands."""
    if probe.preprocessing.channels is not None:
        return probe
    fitted = probe.with_preprocessing(probe.preprocessing.override({"channels": bands}, by=""))
    if bands == 3:
        return fitted
    line = f"nothing says how many channels the model takes: it is shown the {bands} bands"
    return fitted.with_said({"channels": f"{line} of the pictures"}, [])


def _names_channels(preprocessing: PreprocessingLike | None) -> bool:
    return isinstance(preprocessing, Preprocessing) or (
        isinstance(preprocessing, Mapping) and "channels" in preprocessing
    )


def _with_channels(probe: Probe) -> Probe:
    """The probe, shown as many channels as its network takes."""
    if probe.module is None:
        return probe
    fitted, decisions, warnings = with_input_channels(probe.module, probe.preprocessing)
    if fitted is probe.preprocessing:
        return probe
    return probe.with_preprocessing(fitted).with_said(decisions, warnings)


def _prepared(probe: Probe, preprocessing: PreprocessingLike) -> Probe:
    """The probe with what the user states; what is known now is not warned of."""
    prepared = probe.with_preprocessing(resolve(probe.preprocessing, preprocessing))
    about = tuple(line for line in probe.warnings if line.startswith(ABOUT))
    others = tuple(line for line in probe.warnings if not line.startswith(ABOUT))
    if about and not prepared.preprocessing.stated:
        about = unstated(probe.module, prepared.preprocessing)
    elif _states_normalisation(preprocessing):
        about = ()
    prepared.warnings = (*about, *others)
    return prepared


def _states_normalisation(given: PreprocessingLike) -> bool:
    if not isinstance(given, Mapping):
        return True
    return "like" in given or {"mean", "std"} <= given.keys()


def _from_spec(spec: str, seed: int) -> Probe:
    base, plus, start = spec.rpartition(_SUFFIX)
    if not plus or start not in ("", _ACTIVE):
        base, plus, start = spec, "", ""
    prefix, separator, rest = base.partition(":")
    if not separator or prefix not in LOADERS or not rest:
        if separator and prefix in LOADERS:
            raise InputError(f"model {spec!r} has no name after the colon; {prefix}:NAME works")
        raise wrong_spec(spec, [f"{name}:…" for name in LOADERS])
    probe = LOADERS[prefix](rest, bool(plus), seed, spec)
    if plus:
        probe.start(active=start == _ACTIVE)
    return probe


def _from_zoo(model: ZooModel, untrained: bool, seed: int, spec: str) -> Probe:
    module = model.build(pretrained=not untrained, seed=seed)
    preprocessing = model.preprocessing(module)
    return Probe(
        module,
        preprocessing,
        spec,
        fresh=lambda seed: model.build(pretrained=False, seed=seed),
        imagenet=model.is_imagenet(module),
        warnings=unstated(module, preprocessing),
        class_names=model.class_names,
    )


def _timm(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    return _from_zoo(TimmModel(rest), untrained, seed, spec)


def _torchvision(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    name, _, weights = rest.partition("@")
    untrained = untrained or weights == UNTRAINED
    return _from_zoo(TorchvisionModel(name, weights or None), untrained, seed, spec)


def _checkpoint(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    path, model = named_architecture(rest, spec)
    fitted = build_from_checkpoint(model, path)

    def fresh(seed: int) -> nn.Module:
        return model.build(pretrained=False, seed=seed, **fitted.options)

    preprocessing = model.preprocessing(fitted.module)
    return Probe(
        fresh(seed) if untrained else fitted.module,
        preprocessing,
        spec,
        fresh=fresh,
        imagenet=not fitted.options and model.is_imagenet(fitted.module),
        decisions={"checkpoint": fitted.decision},
        warnings=(*fitted.warnings, *unstated(fitted.module, preprocessing)),
    )


def _python(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    model = call_factory(rest, seed, spec)
    if not callable(model):
        raise InputError(
            f"model {spec!r}: the factory returns a {type(model).__name__}; an nn.Module or a "
            "callable works"
        )
    probe = from_object(model, spec.partition(_SUFFIX)[0], copied=False)
    return probe.untrained(seed) if untrained else probe


def _builtin(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    factory = BUILTIN.get(rest)

    def fresh(seed: int) -> nn.Module:
        with drawing(seed):
            return factory(pretrained=False)

    module = fresh(seed) if untrained else factory(pretrained=True)
    probe = from_module(module, spec, copied=False)
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

    return Probe(
        fresh(seed) if untrained else module,
        description.preprocessing,
        spec,
        fresh=fresh,
        class_names=description.class_names,
    )


def _improved(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
    described = read_improved(rest)
    kind, _, argument = described.base.partition(":")
    if kind not in LOADERS:
        raise InputError(
            f"model {spec} was made from a module that Python handed over, so no spec builds its "
            f"network: load {rest}/weights.pt into such a module"
        )
    probe = LOADERS[kind](argument, True, seed, described.base)
    assert probe.module is not None
    if not untrained:
        try:
            probe.module.load_state_dict(improved_state(rest))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"model {spec} does not fit the network of {described.base}: {reason}"
            ) from error
    probe.spec, probe.preprocessing, probe.warnings = spec, described.preprocessing, ()
    return probe


def _program(load: Callable[[str, str], Probe]) -> Callable[[str, bool, int, str], Probe]:
    def loader(rest: str, untrained: bool, seed: int, spec: str) -> Probe:
        probe = load(rest, spec)
        return probe.untrained(seed) if untrained else probe

    return loader


LOADERS: dict[str, Callable[[str, bool, int, str], Probe]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "checkpoint": _checkpoint,
    "python": _python,
    "builtin": _builtin,
    "small": _small,
    "trained": _trained,
    "improved": _improved,
    "transformers": load_transformers,
    "torchscript": _program(load_torchscript),
    "export": _program(load_exported),
    "onnx": _program(load_onnx),
}
