"""Checks and resolves everything that a run's numbers depend on, before the first block."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from invariscope.data import open_source, select
from invariscope.data.image_groups import ImageGroups, read_image_groups
from invariscope.data.labels import distinct_names
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
from invariscope.models import Probe
from invariscope.models.arithmetic import arranged
from invariscope.models.classes import imagenet_class_ids, imagenet_class_names
from invariscope.runs.bands import acting
from invariscope.runs.subject import Subject, open_subject
from invariscope.sweep.job import Sweep
from invariscope.sweep.lie import lie_cell
from invariscope.sweep.plan import make_plan
from invariscope.sweep.precision import check_precision
from invariscope.sweep.record import make_manifest
from invariscope.sweep.request import SweepRequest
from invariscope.sweep.scores import HEADLINE_LAYERS
from invariscope.sweep.setup import Setup
from invariscope.sweep.targets import IN_ORDER, ClassMatch, match_classes
from invariscope.transformations import Transformation, get_groups, get_transformations
from invariscope.transformations.seen_motion import STILL

#: A twin whose residual branches are all switched on.
ACTIVE = "active"


def prepare(request: SweepRequest) -> Sweep:
    """Checks and resolves everything, and measures nothing yet."""
    check_precision(request.precision)
    chosen = _transformations(request)
    wanted = _metrics(request.metrics)
    _check_metrics(wanted, chosen)
    _check_arithmetic(wanted, request)
    if request.inexact not in ("interpolate", "skip"):
        raise InputError(f"inexact must be interpolate or skip, not {request.inexact!r}")
    source = open_source(request.images, request.value_range, num_images=request.num_images)
    selected = select(source, request.num_images, request.seed)
    if len(selected) < 2:
        raise InputError(
            f"{source.name} gives {len(selected)} image: a baseline needs at least two"
        )
    groups = _image_groups(request, [source.ids[index] for index in selected])
    subject = open_subject(request, source, selected)
    tabled = request.transformations in (None, "all")
    names = [transformation.name for transformation in chosen if tabled]
    chosen, warnings = acting(chosen, subject.colours, names)
    twin, note = _twin(subject.probe, request.twin, request.seed)
    warnings += [note] if note else []
    plan = make_plan(chosen, twin=twin is not None, floor=request.floor)
    watched = subject.probe.watch(request.layers, subject.shown)
    warnings = [*subject.doubts(), *warnings]
    if groups is not None and groups.note:
        warnings.append(groups.note)
    subject = subject.computed(request.arithmetic, [layer.name for layer in watched])
    if twin is not None:
        headline = [layer.name for layer in watched if layer.name in HEADLINE_LAYERS]
        twin.watch("last", subject.shown)
        twin = arranged(twin, request.arithmetic, headline, subject.pictures)
    in_order = request.model_classes == IN_ORDER
    if request.model_classes is not None and not in_order:
        probe = subject.probe.with_class_names(request.model_classes)
        subject = replace(subject, probe=probe)
    match = match_classes(subject.source, subject.probe, in_order=in_order)
    if any(metric.needs == "targets" for metric in wanted):
        warnings += match.warnings
    wanted, left_out = _possible(wanted, subject, match, chosen=request.metrics is not None)
    warnings += [left_out] if left_out else []
    # the names, not the file that holds them: with other classes it is another run
    stated = None if request.model_classes is None else list(subject.probe.class_names or ())
    setup = Setup(
        subject.probe, twin, plan, wanted, watched, request.seed, request.inexact == "skip"
    )
    manifest = make_manifest(
        setup,
        subject,
        request,
        groups,
        model_classes=IN_ORDER if in_order else stated,
        outputs=_output_names(subject, match),
        decisions={"class match": match.decision} if match.decision else {},
        warnings=warnings,
    )
    sweep = Sweep(setup, subject, match.outputs, request.precision, manifest)
    sweep.save_images, sweep.image_groups = request.save_images, groups
    # other processes need no file: what the images belong to goes with the request
    sent = request if groups is None else replace(request, image_groups=groups.frame())
    sweep.prepared = prepare, sent
    return sweep


def _image_groups(request: SweepRequest, images: Sequence[str]) -> ImageGroups | None:
    if request.image_groups is None:
        return None
    return read_image_groups(request.image_groups, images)


def _output_names(subject: Subject, match: ClassMatch) -> list[str] | None:
    """Names the model's outputs: as it says, or as the data do where class k is output k."""
    names = subject.probe.class_names
    if names is not None and tuple(names) == imagenet_class_ids():
        names = [known[0] for known in imagenet_class_names()]
    if names is None and match.outputs is not None:
        first = match.outputs if match.outputs.ndim == 1 else match.outputs[:, 0]
        if (first == np.arange(len(first))).all():
            names = subject.source.class_names
    return None if names is None else distinct_names(map(str, names))


def _transformations(request: SweepRequest) -> tuple[Transformation, ...]:
    members = get_groups(request.groups, request.resampling) if request.groups else ()
    if request.transformations is None and members:  # groups alone
        return members
    named = get_transformations(request.transformations, request.table, request.resampling)
    return get_transformations((*named, *members))


def _possible(
    wanted: tuple[Metric, ...], subject: Subject, match: ClassMatch, *, chosen: bool
) -> tuple[tuple[Metric, ...], str]:
    """Chooses the metrics that labels and task allow; a note where the user asked for others.

    Raises:
        InputError: There are none.
    """
    if subject.probe.task == "regression" and not chosen:
        wanted = _metrics(REGRESSION_METRICS)
    labelled = subject.source.labels is not None
    known = {"targets": match.outputs is not None, "classes": labelled}
    wanted = tuple(metric for metric in wanted if known.get(metric.needs, True))
    fit, left_out = _for_task(wanted, subject.probe.task, chosen=chosen)
    if not fit:
        why = left_out or match.decision or "the images have no labels"
        raise InputError(f"none of the metrics can be measured: {why}")
    return fit, left_out


def _for_task(
    wanted: tuple[Metric, ...], task: str, *, chosen: bool
) -> tuple[tuple[Metric, ...], str]:
    """Chooses the metrics of the model's task; a note where the user asked for others."""
    fit = for_task(wanted, task)
    names = {metric.name for metric in fit}
    lost = [metric.name for metric in wanted if metric.name not in names]
    if not lost or not (chosen or task == "regression"):
        return fit, ""
    return fit, (
        f"{', '.join(lost)} {'is' if len(lost) == 1 else 'are'} left out: the model's task is "
        f"{task}, so there are no class scores; if there are, say `task='classification'`"
    )


def _twin(probe: Probe, wanted: bool | str | None, seed: int) -> tuple[Probe | None, str]:
    """Makes the untrained twin; where it is only tried (None), a note says why there is none."""
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


def _metrics(names: str | Sequence[str] | None) -> tuple[Metric, ...]:
    if names is None:
        names = DEFAULT_METRICS
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if not names:
        raise InputError("no metric is named; leave the option out for the default ones")
    return tuple(METRICS.get(name) for name in with_companions(list(names)))


def _check_arithmetic(wanted: Sequence[Metric], request: SweepRequest) -> None:
    """Raises an `InputError` for metrics that bfloat16 or a compiled network cannot serve."""
    lost = [metric.name for metric in wanted if isinstance(metric, DerivativeMetric)]
    if lost and request.amp is not None:
        raise InputError(
            f"{lost[0]} differentiates the network, for which amp={request.amp!r} is too coarse: "
            "leave `amp` out, or the metric"
        )
    if lost and request.compile:
        raise InputError(
            f"{lost[0]} differentiates the network in forward mode, and a compiled one cannot be: "
            "leave `compile` out, or the metric"
        )


def _check_metrics(wanted: Sequence[Metric], chosen: Sequence[Transformation]) -> None:
    """Raises an `InputError` for metrics that are undefined for these transformations."""
    if any(t.resampling.border == "valid" for t in chosen):
        others = [metric.name for metric in wanted if not isinstance(metric, MapMetric)]
        if others:
            raise InputError(
                f"border 'valid' masks cells of feature maps, which {others[0]} does not see: "
                "use it with metrics of maps such as channel_equivariance, or another border"
            )
    moving = [t for t in chosen if t.family.motion not in ("", STILL)]
    maps = [metric.name for metric in wanted if isinstance(metric, MapMetric)]
    if moving and maps:
        raise InputError(
            f"{maps[0]} compares feature maps with the moved maps, and {moving[0].name} "
            f"({moving[0].family.motion}) does not say how maps move: take a family of ours, such "
            "as rotate, or metrics of vectors"
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
