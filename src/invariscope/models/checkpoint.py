"""Weights of a file for an architecture of timm or torchvision.

`state_file` reads the file; what stands here fits its names to the model's. A prefix under which
the model's names lie, whatever it is, is removed, and so are the segments that wrappers put into
the middle of names (``module.``, ``_orig_mod.``). The number of classes follows the file, and so do
the channels of the pictures. A classifier under another name (``head.fc``, ``fc.1``) is taken where
it is the only linear map that fits; whatever is left out is said. ``.npz`` files are `npz`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.npz import build_from_npz
from invariscope.models.state_file import read_weights
from invariscope.models.zoo import TimmModel, TorchvisionModel, ZooModel

# Put in by DataParallel, torch.compile, FSDP and activation checkpoints, anywhere in a name.
_SEGMENTS = (
    "module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module",
)  # fmt: skip
# Of two prefixes that fit alike: averaged weights and teachers go first, copies last.
_FIRST = ("ema", "teacher", "averaged", "swa")
_LAST = ("student", "momentum", "target", "encoder_k", "key_encoder")
# No classifier: what self-supervised methods put in its place.
_NO_CLASSIFIER = ("proj", "prototype", "predict", "decoder", "queue")
_SHOWN = 3


@dataclass
class Fitted:
    """A model with the weights of a file.

    Args:
        module: The model.
        options: What an untrained twin must be built with: ``num_classes``, ``in_chans``.
        decision: What was done with the names, a sentence.
        warnings: What may surprise, one line each.
    """

    module: nn.Module
    options: dict[str, Any]
    decision: str = "names as in the file"
    warnings: tuple[str, ...] = ()


@dataclass
class _Names:
    """The arrays of a file by the model's names, and what lies beside them."""

    state: dict[str, Tensor]
    beside: dict[str, Tensor]
    prefix: str = ""
    notes: list[str] = field(default_factory=list)


def named_architecture(rest: str, spec: str) -> tuple[str, ZooModel]:
    """Splits ``PATH@ARCH`` into the path and the architecture.

    Raises:
        InputError: It names no architecture, or one that is unknown.
    """
    path, _, name = rest.rpartition("@")
    if not path or not name:
        raise InputError(
            f"model {spec!r} does not name its architecture; checkpoint:PATH@ARCH works, for "
            f"example checkpoint:{rest.strip('@') or 'weights.pt'}@timm:resnet18"
        )
    library, colon, model = name.partition(":")
    if not colon or library == "timm":
        return path, TimmModel(model if colon else name)
    if library == "torchvision":
        return path, TorchvisionModel(model)
    raise InputError(
        f"checkpoint {path}: architecture {name!r} is unknown; timm:NAME and torchvision:NAME "
        "work; a network of your own is python:MODULE:FUNCTION, which loads its weights itself"
    )


def build_from_checkpoint(architecture: ZooModel, path: str | Path) -> Fitted:
    """Returns the architecture with the weights of a file.

    Raises:
        InputError: The file cannot be read or its arrays do not fit; the message names the first
            missing and unexpected ones.
    """
    if Path(path).suffix == ".npz" and Path(path).expanduser().is_file():
        return Fitted(*build_from_npz(architecture, Path(path).expanduser()))
    state, said = read_weights(path)
    module = architecture.build(pretrained=False)
    own = module.state_dict()
    names = _by_prefix(state, own)
    plain = _by_prefix(_without_wrappers(state, own), own)
    if len(own.keys() & plain.state.keys()) > len(own.keys() & names.state.keys()):
        names = plain
    options = _input_channels(names.state, own)
    heads = architecture.classifiers(module)
    warnings = [f"checkpoint {path}: {said}"] if said else []
    if _only_heads_missing(names.state, own, heads):
        if not _take_head(names, own, heads):
            beside = _droppable(names, own, heads)
            options["num_classes"] = 0
            if beside:
                warnings.append(
                    f"checkpoint {path}: {_listed(beside)} left out: no single linear map among "
                    f"them fits {architecture.spec}, which is measured without a classifier"
                )
    if heads and f"{heads[0]}.weight" in names.state:
        given, wanted = names.state[f"{heads[0]}.weight"], own[f"{heads[0]}.weight"]
        if given.ndim == wanted.ndim and len(given) != len(wanted):
            options["num_classes"] = len(given)
    if options:
        module = architecture.build(pretrained=False, **options)
    _load(module, names.state, Path(path), architecture.spec)
    return Fitted(module, options, _decision(names, options), tuple(warnings))


def _decision(names: _Names, options: Mapping[str, Any]) -> str:
    said = [f"the prefix {names.prefix!r} removed" if names.prefix else "names as in the file"]
    said += names.notes
    said += [f"{names_of} {value}" for names_of, value in options.items()]
    if names.beside:
        said.append(f"{_listed(names.beside)} left out")
    return "; ".join(said)


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    some = [f"{name} {list(names[name].shape)}" if isinstance(names, Mapping) else name
            for name in list(names)[:_SHOWN]]  # fmt: skip
    more = ", …" if len(names) > _SHOWN else ""
    return f"{len(names)} arrays ({', '.join(some)}{more})"


def _without_wrappers(state: dict[str, Tensor], own: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names without the segments that wrappers put in, unless the model has such names itself."""
    usual = {part for name in own for part in name.split(".")}
    drop = {segment for segment in _SEGMENTS if segment not in usual}
    plain = {name: ".".join(part for part in name.split(".") if part not in drop) for name in state}
    if len(set(plain.values())) < len(plain):
        return state
    return {plain[name]: value for name, value in state.items()}


def _by_prefix(state: dict[str, Tensor], own: Mapping[str, Any]) -> _Names:
    """Removes the prefix under which most of the model's names lie.

    What lies elsewhere (the projection head of a self-supervised method, an optimiser's counter) is
    no part of the model and is left out; with no prefix to remove nothing is left out.
    """
    counts = {"": len(own.keys() & state.keys())}
    for name in state:
        parts = name.split(".")
        for depth in range(1, len(parts)):
            if ".".join(parts[depth:]) in own:
                prefix = ".".join(parts[:depth]) + "."
                counts[prefix] = counts.get(prefix, 0) + 1
    most = max(counts.values())
    if counts[""] == most:
        return _Names(state, {})
    best = sorted((p for p, count in counts.items() if count == most), key=_preference)
    inner = {n.removeprefix(best[0]): v for n, v in state.items() if n.startswith(best[0])}
    beside = {n: v for n, v in state.items() if not n.startswith(best[0])}
    names = _Names(inner, beside, best[0])
    if len(best) > 1:
        names.notes.append(f"the same names lie under {', '.join(map(repr, best[1:]))}: not taken")
    return names


def _preference(prefix: str) -> tuple[int, str]:
    if any(word in prefix for word in _LAST):
        return 2, prefix
    return (0 if any(word in prefix for word in _FIRST) else 1), prefix


def _input_channels(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, int]:
    """``in_chans`` where the first convolution of the file takes another number of channels."""
    seen = {
        value.shape[1]
        for name, value in state.items()
        if name in own
        and value.ndim == own[name].ndim == 4
        and own[name].shape[1] == 3
        and value.shape[1] != 3
        and (value.shape[0], *value.shape[2:]) == (own[name].shape[0], *own[name].shape[2:])
    }
    return {"in_chans": int(seen.pop())} if len(seen) == 1 else {}


def _inside(name: str, heads: Sequence[str]) -> bool:
    return any(name.startswith(f"{head}.") for head in heads)


def _only_heads_missing(
    state: Mapping[str, Any], own: Mapping[str, Any], heads: Sequence[str]
) -> bool:
    if not heads or f"{heads[0]}.weight" not in own or f"{heads[0]}.weight" in state:
        return False
    rest = {name for name in own if not _inside(name, heads)}
    return rest <= state.keys() | _counters(own)


def _droppable(names: _Names, own: Mapping[str, Any], heads: Sequence[str]) -> dict[str, Tensor]:
    """Removes heads that a model without its classifier leaves out, no layers of a deeper model."""
    parts = {name.partition(".")[0] for name in own}
    foreign = {
        name: value
        for name, value in names.state.items()
        if name not in own and (_inside(name, heads) or name.partition(".")[0] not in parts)
    }
    for name in foreign:
        del names.state[name]
    for name in [name for name in names.state if _inside(name, heads)]:
        del names.state[name]
    return foreign | {n: v for n, v in names.beside.items() if v.ndim > 0}


def _take_head(names: _Names, own: Mapping[str, Tensor], heads: Sequence[str]) -> bool:
    """Puts the classifier of the file, if a single linear map fits, where the model has its own."""
    if len(heads) > 1:
        return False
    wanted = own[f"{heads[0]}.weight"]
    # Not a copy of the model under another prefix.
    copies = tuple(f".{name}" for name in own if not _inside(name, heads))
    spare = {n: v for n, v in names.state.items() if n not in own}
    spare |= {n: v for n, v in names.beside.items() if not n.endswith(copies)}
    candidates = [
        name.removesuffix(".weight")
        for name, value in spare.items()
        if name.endswith(".weight")
        and value.ndim == wanted.ndim
        and value.shape[1:] == wanted.shape[1:]
        and not any(word in name.lower() for word in _NO_CLASSIFIER)
    ]
    if len(candidates) != 1 or not _is_alone(candidates[0], spare):
        return False
    for part in ("weight", "bias"):
        if f"{heads[0]}.{part}" in own and f"{candidates[0]}.{part}" in spare:
            names.state[f"{heads[0]}.{part}"] = spare[f"{candidates[0]}.{part}"]
            names.state.pop(f"{candidates[0]}.{part}", None)
            names.beside.pop(f"{candidates[0]}.{part}", None)
    names.notes.append(f"its classifier {candidates[0]!r} taken as {heads[0]!r}")
    return True


def _is_alone(name: str, spare: Mapping[str, Tensor]) -> bool:
    """Says whether a linear map is the whole head, not the first or the last of several layers."""
    group = name.rpartition(".")[0] or name
    width = len(spare[f"{name}.weight"])
    return not any(
        spare_name.startswith(f"{group}.") or (value.ndim > 1 and value.shape[1] == width)
        for spare_name, value in spare.items()
        if not spare_name.startswith(f"{name}.")
    )


def _counters(state: Mapping[str, Any]) -> set[str]:
    return {name for name in state if name.endswith("num_batches_tracked")}


def _load(module: nn.Module, state: dict[str, Tensor], path: Path, spec: str) -> None:
    own = module.state_dict()
    missing = [name for name in own if name not in state and name not in _counters(own)]
    unexpected = [name for name in state if name not in own]
    shapes = [
        f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    faults = [
        f"{len(names)} {what}: {', '.join(names[:_SHOWN])}" + (", …" if len(names) > _SHOWN else "")
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
        )
        if names
    ]
    if faults:
        raise InputError(
            f"checkpoint {path} does not fit {spec}: {'; '.join(faults)}; name the architecture "
            "it was saved from after the @"
        )
    module.load_state_dict(state, strict=False)
