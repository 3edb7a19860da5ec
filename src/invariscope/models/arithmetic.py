"""Chooses how a network is computed: its batch norms folded, its products in another type.

A run computes what the network computes, in fewer or cheaper operations. Folding moves numbers by
rounding alone and is checked (`folding`); ``amp="bf16"`` computes matrix products and convolutions
in bfloat16, which keeps eight bits of a number. Which of them are on belongs to what a run's
numbers depend on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from invariscope.errors import InputError, InvariscopeError, first_line
from invariscope.models.activations import average_pool
from invariscope.models.folding import TOLERANCE, apart, fold
from invariscope.models.network import Faster
from invariscope.models.norm_pairs import is_foldable_norm, norm_pairs
from invariscope.models.observation import Observation, modules_of
from invariscope.models.tapped import Tapped

if TYPE_CHECKING:
    from invariscope.models.probe import Probe

AMP = {"bf16": torch.bfloat16}
"""Types of ``amp``, by name."""


@dataclass(frozen=True)
class Arithmetic:
    """The way in which a network is to be computed.

    Args:
        fold: Whether batch norms are folded into the convolutions before them, where that changes
            no more than rounding does.
        amp: "bf16": matrix products and convolutions in bfloat16; None: in the type of the weights.
        compile: Whether ``torch.compile`` makes kernels for the network.
    """

    fold: bool = True
    amp: str | None = None
    compile: bool = False


def arranged(
    probe: "Probe",
    arithmetic: Arithmetic,
    layers: Sequence[str],
    pictures: Float[Tensor, "image band height width"],
) -> "Probe":
    """Returns a model that is computed in this way; the module that was given stays as it is.

    Args:
        probe: The model.
        arithmetic: The way.
        layers: The layers that will be watched, names from `Probe.watch`. Others may still be
            asked for, and are then computed without folding.
        pictures: Some images in [0, 1] at the input resolution, to check what was folded.

    Raises:
        InputError: The model or its device cannot be computed in that way.

    Example:
        >>> from invariscope.models import load_model
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        >>> images = torch.rand(2, 3, 8, 8)
        >>> arranged(load_model(net), Arithmetic(), ["embedding"], images).arithmetic
        {'batch_norms_folded': 1, 'amp': None, 'compiled': False}
    """
    dtype = None if arithmetic.amp is None else _amp_type(probe, arithmetic.amp)
    changed = _noted(probe, batch_norms_folded=0, amp=arithmetic.amp, compiled=arithmetic.compile)
    if arithmetic.fold:
        changed = _folded(changed, layers, pictures)
    if dtype is not None:
        changed = _tried(probe, _with_amp(changed, dtype), "amp", layers, pictures)
    if arithmetic.compile:
        changed = _tried(probe, _compiled(changed, layers, pictures), "compile", layers, pictures)
    return changed


def _tried(
    probe: "Probe", changed: "Probe", option: str, layers: Sequence[str], pictures: Tensor
) -> "Probe":
    """Runs a changed model once, so that what fails does so before anything is measured."""
    try:
        changed.forward(pictures, layers)
    except InvariscopeError as problem:
        reason = first_line(problem.__cause__ or problem)
        raise InputError(
            f"model {probe.spec}: it fails with `{option}` ({reason}); leave `{option}` out"
        ) from problem
    return changed


def _folded(probe: "Probe", layers: Sequence[str], pictures: Tensor) -> "Probe":
    """Folds the batch norms that can be folded, and says how many, if there are any."""
    module = probe.module
    norms = [] if module is None else [part for part in module.modules() if is_foldable_norm(part)]
    if module is None or not norms:
        return probe
    try:
        watched = modules_of(probe._shown(pictures, layers), layers)
        pairs = norm_pairs(module, probe._network.run, probe._prepare(pictures[:2]), watched)
        folded = _with_module(probe, fold(module, pairs), layers) if pairs else probe
        moved = _moved(probe, folded, layers, pictures) if pairs else {}
    except Exception as problem:  # whatever a model does when it is copied, or looked at closely
        pairs, moved, folded = (), {}, probe
        line = f"left as they are: folding them fails ({first_line(problem)})"
    else:
        line = f"{len(pairs)} of {len(norms)} folded into the convolutions before them"
    layer = max(moved, key=moved.__getitem__, default="")
    if layer and not moved[layer] <= TOLERANCE:
        pairs, folded = (), probe
        line = f"left as they are: folded, the {layer} moves by {moved[layer]:.0e} of its length"
    return _noted(folded.with_said({"batch norms": line}, []), batch_norms_folded=len(pairs))


def _noted(probe: "Probe", **entries: Any) -> "Probe":
    return probe._but(arithmetic={**probe.arithmetic, **entries})


def _with_module(probe: "Probe", module: nn.Module, layers: Sequence[str]) -> "Probe":
    """Returns the same model; for these layers, a module of the same numbers runs."""
    return probe._but(_faster=Faster(probe._network.running(module), tuple(layers)))


def _with_amp(probe: "Probe", dtype: torch.dtype) -> "Probe":
    """Returns the same model with its products in another type."""
    faster = probe._faster
    if faster is not None:
        faster = replace(faster, network=faster.network.with_amp(dtype))
    return probe._but(_network=probe._network.with_amp(dtype), _faster=faster)


def _compiled(probe: "Probe", layers: Sequence[str], pictures: Tensor) -> "Probe":
    """Returns the same model; for these layers, all of them, a compiled network runs."""
    if probe.module is None:
        raise InputError(
            f"model {probe.spec}: `compile` needs a module of torch, and this is a plain callable; "
            "leave `compile` out"
        )
    observation = Observation(probe._shown(pictures, layers), layers, average_pool)
    if observation.wraps_head:
        raise InputError(
            f"model {probe.spec}: its embedding lies inside a function, which `compile` does not "
            "show; leave `compile` out, or name a layer with `embedding`"
        )
    network = probe._network if probe._faster is None else probe._faster.network
    assert network.module is not None
    tapped = Tapped(fold(network.module, ()), observation.taps)
    running = network.running(tapped, torch.compile(tapped))
    return probe._but(_faster=Faster(running, tuple(layers), is_tapped=True))


def _moved(
    probe: "Probe", folded: "Probe", layers: Sequence[str], pictures: Tensor
) -> dict[str, float]:
    """Compares the vectors of all layers."""
    with _float32(probe.device):
        first, second = (one.forward(pictures, layers).vectors for one in (probe, folded))
    return {layer: apart(first[layer], second[layer]) for layer in layers}


@contextmanager
def _float32(device: torch.device) -> Iterator[None]:
    """Keeps an accelerator from rounding float32 to TF32 inside the context."""
    if device.type != "cuda":
        yield
        return
    switches, off = _tf32_switches()
    before = [getattr(*switch) for switch in switches]
    try:
        for switch in switches:
            setattr(*switch, off)
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            setattr(*switch, value)


def _tf32_switches() -> tuple[list[tuple[Any, str]], Any]:
    """Where torch keeps whether float32 may be rounded, and what forbids it.

    Since 2.9 there are new switches; whoever has used one may not read the old ones any more.
    """
    matmul = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):
        return [(part, "fp32_precision") for part in (cudnn.conv, matmul)], "ieee"
    return [(cudnn, "allow_tf32"), (matmul, "allow_tf32")], False


def _amp_type(probe: "Probe", amp: str) -> torch.dtype:
    """The type of that name, if the model can be computed in it."""
    if amp not in AMP:
        raise InputError(f"amp is {amp!r}; {', '.join(map(repr, AMP))} works")
    if probe.module is None and not probe.networks:
        raise InputError(
            f"model {probe.spec}: amp={amp!r} needs a network of torch, and none is found behind "
            "this callable; leave `amp` out"
        )
    dtype = str(probe._network.dtype).removeprefix("torch.")
    if dtype != "float32":
        raise InputError(
            f"model {probe.spec}: its weights are {dtype}, and amp={amp!r} is for float32; leave "
            "`amp` out"
        )
    if probe.device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError(f"amp={amp!r}: this device has no bfloat16; leave `amp` out")
    return AMP[amp]
