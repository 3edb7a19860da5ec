"""Everything that a run's numbers depend on, checked and resolved before the first block."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch

from invariscope.data import ImageSource, open_source, select
from invariscope.devices import as_float, choose_device
from invariscope.errors import InputError
from invariscope.metrics import (
    DEFAULT_METRICS,
    METRICS,
    REGRESSION_METRICS,
    DerivativeMetric,
    MapMetric,
    Metric,
    for_task,
    with_companions,
)
from invariscope.models import PreprocessingLike, Probe, load_model
from invariscope.models.steadiness import PICTURES, unsteady
from invariscope.sweep.bands import acting, as_colour, colour_bands, matched, said
from invariscope.sweep.block import Setup
from invariscope.sweep.lie import lie_cell
from invariscope.sweep.loading import (
    Picture,
    first_picture,
    first_pictures,
    random_images,
    size_note,
)
from invariscope.sweep.plan import Plan, make_plan
from invariscope.sweep.record import make_manifest
from invariscope.sweep.targets import IN_ORDER, match_classes
from invariscope.transformations import Resampling, Transformation, get_groups, get_transformations

#: A twin whose residual branches are all switched on.
ACTIVE = "active"


@dataclass(frozen=True)
class Run:
    """A run that is ready to start: everything that its numbers depend on."""

    setup: Setup
    source: ImageSource
    selected: list[int]
    targets: np.ndarray | None
    example: Picture
    decoded: dict[int, Picture]
    manifest: dict[str, Any]

    @property
    def probe(self) -> Probe:
        """The model."""
        return self.setup.probe

    @property
    def plan(self) -> Plan:
        """The cells."""
        return self.setup.plan

    def picture(self) -> np.ndarray:
        """The example image at the input resolution, uint8 [height, width, 3]."""
        assert self.example.pixels is not None
        pixels = as_colour(as_float(self.example.pixels)).mul(255).round().to(torch.uint8)
        return pixels.permute(1, 2, 0).numpy()


def prepare(
    model: Any,
    images: Any,
    *,
    transformations: str | Sequence[str | Transformation] | None = None,
    groups: str | Sequence[str] | None = None,
    metrics: str | Sequence[str] | None = None,
    layers: str | Sequence[str] | None = "auto",
    num_images: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    table: str = "standard",
    resampling: Resampling | None = None,
    twin: bool | str | None = False,
    floor: bool = False,
    preprocessing: PreprocessingLike | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    inexact: str = "interpolate",
    model_classes: str | PathLike[str] | Sequence[str] | None = None,
    value_range: Sequence[float] | None = None,
) -> Run:
    """Checks and resolves everything, and measures nothing yet. Arguments as for `measure`."""
    members = get_groups(groups, resampling) if groups else ()
    if transformations is None and members:  # groups alone
        chosen = members
    else:
        named = get_transformations(transformations, table, resampling)
        chosen = get_transformations((*named, *members))
    wanted = _metrics(metrics)
    _check_metrics(wanted, chosen)
    if inexact not in ("interpolate", "skip"):
        raise InputError(f"inexact must be interpolate or skip, not {inexact!r}")
    source = open_source(images, value_range, num_images=num_images)
    selected = select(source, num_images, seed)
    if len(selected) < 2:
        raise InputError(
            f"{source.name} gives {len(selected)} image: a baseline needs at least two"
        )
    probe = load_model(
        model,
        preprocessing=preprocessing,
        task=task,
        embedding=embedding,
        output_key=output_key,
        seed=seed,
    ).to(choose_device(device))
    source = matched(source, probe.preprocessing)
    example, decoded = first_picture(source, probe.preprocessing, selected)
    random = random_images(source, probe.preprocessing, selected, decoded)
    assert example.pixels is not None
    bands = len(example.pixels)
    probe = probe.for_bands(bands)
    colours = colour_bands(source, probe.preprocessing, selected, decoded, bands)
    chosen, colourless = acting(chosen, colours, named=transformations not in (None, "all"))
    untrained, note = _twin(probe, twin, seed)
    warnings = [*colourless, *([random] if random else []), *([note] if note else [])]
    plan = make_plan(chosen, twin=untrained is not None, floor=floor)
    note = size_note(probe.preprocessing, example.size)
    warnings += [note] if note else []
    shown = as_float(example.pixels)[None].to(probe.device)
    watched = probe.watch(layers, shown)
    if untrained is not None:
        untrained.watch("last", shown)
    warnings = [*probe.doubts(shown), *warnings, *steadiness(probe, source, selected, decoded)]
    if model_classes is not None and model_classes != IN_ORDER:
        probe = probe.with_class_names(model_classes)
    match = match_classes(source, probe, in_order=model_classes == IN_ORDER)
    if any(metric.needs == "targets" for metric in wanted):
        warnings += match.warnings
    known = {"targets": match.outputs is not None, "classes": source.labels is not None}
    wanted = tuple(metric for metric in wanted if known.get(metric.needs, True))
    fit, left_out = _for_task(wanted, probe.task, chosen=metrics is not None)
    warnings += [left_out] if left_out else []
    if not fit:
        why = left_out or match.decision or "the images have no labels"
        raise InputError(f"none of the metrics can be measured: {why}")
    wanted = fit
    # the names, not the file that holds them: with other classes it is another run
    stated = None if model_classes is None else list(probe.class_names or ())
    setup = Setup(probe, untrained, plan, wanted, watched, seed, inexact == "skip")
    manifest = make_manifest(
        setup,
        source,
        selected,
        floor=floor,
        table=table,
        model_classes=IN_ORDER if model_classes == IN_ORDER else stated,
        decisions={
            **source.decisions,
            **({"class match": match.decision} if match.decision else {}),
            **said(bands, probe.preprocessing),
            **probe.decisions(shown),
            **_start(untrained),
        },
        warnings=warnings,
    )
    manifest["example"] = {"image": source.ids[example.index]}
    return Run(setup, source, selected, match.outputs, example, decoded, manifest)


def _for_task(
    wanted: tuple[Metric, ...], task: str, *, chosen: bool
) -> tuple[tuple[Metric, ...], str]:
    """The metrics that a model of this task has; a note where the user's choice has others."""
    if task == "regression" and not chosen:
        wanted = _metrics(REGRESSION_METRICS)
    fit = for_task(wanted, task)
    names = {metric.name for metric in fit}
    lost = [metric.name for metric in wanted if metric.name not in names]
    if not lost or not (chosen or task == "regression"):
        return fit, ""
    return fit, (
        f"{', '.join(lost)} {'is' if len(lost) == 1 else 'are'} left out: the model's task is "
        f"{task}, so there are no class scores; if there are, say task='classification'"
    )


def steadiness(
    probe: Probe, source: ImageSource, selected: Sequence[int], decoded: dict[int, Picture]
) -> list[str]:
    """What does not hold still about the model on the first images, which are decoded for it."""
    pictures = first_pictures(source, probe.preprocessing, selected, decoded, PICTURES)
    if not pictures:
        return []
    batch = torch.stack([as_float(pixels) for pixels in pictures])
    return list(unsteady(probe, batch.to(probe.device)))


def _twin(probe: Probe, wanted: bool | str | None, seed: int) -> tuple[Probe | None, str]:
    """The untrained twin, if wanted and (None) if there is one; a note where there is not."""
    if isinstance(wanted, str) and wanted != ACTIVE:
        raise InputError(f"twin is {wanted!r}; True, False, None or {ACTIVE!r} work")
    if wanted is False or (wanted is None and "+untrained" in probe.spec):
        return None, ""
    try:
        return probe.untrained(seed, active=wanted == ACTIVE).to(probe.device), ""
    except InputError as problem:
        if wanted:
            raise
        return None, f"no untrained twin: {problem}"


def _start(twin: Probe | None) -> dict[str, str]:
    """How the twin's weights were drawn, as a decision."""
    return {} if twin is None else {"twin": twin.starts}


def _metrics(names: str | Sequence[str] | None) -> tuple[Metric, ...]:
    if names is None:
        names = DEFAULT_METRICS
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if not names:
        raise InputError("no metric is named; leave the option out for the default ones")
    return tuple(METRICS.get(name) for name in with_companions(list(names)))


def _check_metrics(wanted: Sequence[Metric], chosen: Sequence[Transformation]) -> None:
    """Raises an `InputError` for metrics that these transformations have no values of."""
    if any(t.resampling.border == "valid" for t in chosen):
        others = [metric.name for metric in wanted if not isinstance(metric, MapMetric)]
        if others:
            raise InputError(
                f"border 'valid' masks cells of feature maps, which {others[0]} does not see: "
                "use it with metrics of maps such as channel_equivariance, or another border"
            )
    if not any(t.family.members for t in chosen):
        lonely = [metric.name for metric in wanted if metric.needs == "group"]
        if lonely:
            raise InputError(f"{lonely[0]} needs a group: name one with groups, such as C4")
    if not any(lie_cell(transformation) for transformation in chosen):
        lonely = [metric.name for metric in wanted if isinstance(metric, DerivativeMetric)]
        if lonely:
            raise InputError(
                f"{lonely[0]} needs a transformation that sets in smoothly: rotate, shear_x, "
                "translate_x, zoom_in, contrast_up, saturation, …"
            )
