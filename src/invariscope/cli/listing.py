"""`invariscope list`: the names that can be used."""

import fnmatch
import textwrap
from collections.abc import Iterable
from typing import Annotated

import typer

from invariscope.errors import InputError
from invariscope.registry import unknown_name


def list_names(
    what: Annotated[
        str | None,
        typer.Argument(
            help="models, transformations, groups, metrics, data, layers or augmentations."
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Argument(help="A glob, such as timm:resnet*; for layers: a model spec."),
    ] = None,
    table: Annotated[str, typer.Option(help="Which table of magnitudes to show.")] = "standard",
) -> None:
    """List what can be named: models and their layers, transformations, groups, metrics, …."""
    from invariscope.cli.screen import Screen

    lists = {
        "models": _models,
        "groups": _groups,
        "metrics": _metrics,
        "data": _data,
        "augmentations": _augmentations,
    }
    if what is None:
        lines = _LISTS.items()
    elif what == "transformations":
        lines = _transformations(table)
    elif what == "layers":
        lines = _layers(pattern)
        pattern = None
    elif what in lists:
        lines = lists[what]()
    else:
        raise unknown_name("list", what, _LISTS)
    screen = Screen()
    for name, text in lines:
        if pattern is None or fnmatch.fnmatch(name, pattern):
            line = f"{name:28} {text}".rstrip()
            if screen.is_terminal:
                indent = " " * 29
                screen.print(
                    textwrap.fill(
                        line, screen.width, subsequent_indent=indent, break_on_hyphens=False
                    )
                )
            else:  # a pipe gets a line for each, so that it can be searched
                screen.unbroken(line)


#: What `invariscope list` alone shows.
_LISTS = {
    "models": "specs of networks; with a glob: timm:vit*",
    "layers": "those of a model: list layers timm:resnet18",
    "data": "specs of images",
    "transformations": "families with their levels; --table paper",
    "groups": "finite groups",
    "metrics": "what can be measured, with range and direction",
    "augmentations": "what train takes",
}


def _transformations(table: str) -> Iterable[tuple[str, str]]:
    from invariscope.transformations import FAMILIES, TABLES, get_transformation
    from invariscope.transformations.corruptions import corruption

    if table not in TABLES:
        raise unknown_name("table", table, TABLES)
    for name in [*TABLES[table], *sorted(set(FAMILIES) - set(TABLES[table]))]:
        family = FAMILIES.get(name)
        if name in TABLES[table] or family.standard is not None:
            transformation = get_transformation(name, table)
            shown = [transformation.describe(level) for level in transformation.levels]
            some = list(dict.fromkeys([shown[0], shown[len(shown) // 2], shown[-1]]))
            unit = " " + family.unit if family.unit not in ("", "°", "×") else ""
            middle = " … ".join([*(text.removesuffix(unit) for text in some[:-1]), some[-1]])
            far = f"{len(shown):2} levels: {middle}"
        else:
            far = f"not in this table; write {name}=MAGNITUDE/MAGNITUDE"
        yield name, f"{family.kind:11} {family.as_dict()['words']:24} {far}"
    for family in corruption("all"):
        bands = "; red, green and blue only" if family.needs_colour else ""
        yield family.name, f"{family.kind:11} {family.words:24} severities 1 to 5{bands}"


def _groups() -> Iterable[tuple[str, str]]:
    yield "Cn", "C4, C8, …: n rotations, in steps of 360/n degrees"
    yield "Dn", "D4, D8, …: the same and each after a left-right flip, 2n elements"
    yield "flip", "left-right"
    yield "flip_vertical", "top-bottom"
    yield "shift(8)", "right and down by 8 pixels; shift_x(8): right, shift_y(8): down"
    yield "shift(1..32)", "by 1, 2, …, 32 pixels; shift(0..32:4): by every fourth; -8 is left or up"
    yield "A*B", "every element of A after every one of B: C4*flip, shift_x(0..3)*shift_y(0..3)"


def _metrics() -> Iterable[tuple[str, str]]:
    from invariscope.metrics import METRICS

    for name in METRICS:
        metric = METRICS.get(name)
        low = "-∞" if metric.low is None else f"{metric.low:g}"
        high = "∞" if metric.high is None else f"{metric.high:g}"
        yield (
            name,
            f"{metric.label}: {low} to {high}, {metric.direction}; at {metric.where}",
        )


def _data() -> Iterable[tuple[str, str]]:
    from invariscope.data import SOURCES

    yield "PATH", "a folder of images, flat or with one folder per class"
    for name in sorted(SOURCES):
        yield name, _first_line(SOURCES.get(name).__doc__)


def _augmentations() -> Iterable[tuple[str, str]]:
    from invariscope.training.augmentations import NAMES

    for name in NAMES:
        yield name, ""
    yield "A + B", "A, then B"


def _models() -> Iterable[tuple[str, str]]:
    import timm
    import torchvision

    from invariscope.models import BUILTIN
    from invariscope.models.papers import PAPER_MODELS
    from invariscope.models.small import SMALL

    for name in BUILTIN:
        yield f"builtin:{name}", "weights from an installed package"
    for model in PAPER_MODELS:
        yield model.spec, f"{model.name}, paper {model.paper}"
    known = {model.spec for model in PAPER_MODELS}
    for name in timm.list_models():
        if (spec := f"timm:{name}") not in known:
            yield spec, "pretrained" if timm.is_model_pretrained(name) else "no weights"
    for name in torchvision.models.list_models(torchvision.models):
        if (spec := f"torchvision:{name}") not in known:
            weights = torchvision.models.get_model_weights(name)
            yield spec, ", ".join(weight.name for weight in weights)
    for name in sorted(SMALL):
        entry = SMALL.get(name)
        options = "".join(f", {key}=" for key in entry.options)
        yield (
            f"small:{name}",
            f"{entry.size} px; options width=, classes=, channels=, size={options}",
        )
    yield "trained:FOLDER", "what invariscope train left there"
    yield "improved:FOLDER", "what invariscope improve left there"
    yield "checkpoint:PATH@ARCH", "your weights for one of these architectures"
    yield "python:package.module:factory", "your own code"
    yield "transformers:FOLDER", "a model of transformers, as save_pretrained leaves it"
    yield "torchscript:PATH", "a TorchScript file, measured at its outputs"
    yield "export:PATH", "a program of torch.export (.pt2)"
    yield "onnx:PATH", "an ONNX file, run by onnxruntime, measured at its outputs"
    yield "…+untrained", "any of these with random weights"
    yield "…+untrained:active", "the same with residual branches that start at zero switched on"


def _layers(spec: str | None) -> Iterable[tuple[str, str]]:
    import torch

    from invariscope.models import load_model

    if spec is None:
        raise InputError("give the model: invariscope list layers timm:resnet18")
    probe = load_model(spec)
    height, width = probe.preprocessing.size or (224, 224)
    layers = probe.watch("auto", torch.full((1, 3, height, width), 0.5))
    for layer in layers:
        fields = layer.fields.describe() if layer.fields else layer.note
        yield layer.name, f"{layer.part:7} depth {100 * layer.depth:3.0f} %  {fields}"


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0]
