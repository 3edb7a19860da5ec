"""Writes the manifest of a sweep: everything that is needed to repeat it."""

from typing import Any

from invariscope.data.image_groups import ImageGroups
from invariscope.data.labels import distinct_names
from invariscope.results.membership import SETTING
from invariscope.results.resampling import resampling_settings
from invariscope.runs.manifest import MEASURE, new_manifest
from invariscope.runs.subject import Subject
from invariscope.sweep.plan import BLOCK_SIZE, FLOOR, SHUFFLED, UNTRAINED
from invariscope.sweep.request import SweepRequest
from invariscope.sweep.setup import Setup


def make_manifest(
    setup: Setup,
    subject: Subject,
    request: SweepRequest,
    groups: ImageGroups | None,
    *,
    model_classes: str | list[str] | None,
    outputs: list[str] | None,
    decisions: dict[str, str],
    warnings: list[str],
) -> dict[str, Any]:
    """The manifest of a run that is about to start; `settings` is what must match on resuming."""
    plan, source = setup.plan, subject.source
    settings = {
        **subject.settings(setup.seed),
        "num_images": len(subject.selected),
        "table": request.table,
        **resampling_settings(plan.transformations),
        "metrics": [metric.name for metric in setup.metrics],
        "controls": [SHUFFLED] + [FLOOR] * request.floor + [UNTRAINED] * plan.twin,
        "block_size": BLOCK_SIZE,
        "inexact": request.inexact,
        "layers": [
            {"name": la.name, "part": la.part, "depth": la.depth, "grid": list(la.grid)}
            for la in setup.layers
        ],
        "cells": [entry.as_dict() for entry in plan.entries],
        "model_classes": model_classes,
        "answers": setup.answers,
    }
    files = _files_of(setup, subject)
    settings |= {"files": files} if files else {}
    settings |= {} if groups is None else {SETTING: groups.digest}
    twin = {}
    if setup.twin is not None:
        twin = {"twin": setup.twin.starts}
        settings["twin_arithmetic"] = setup.twin.arithmetic
    manifest = new_manifest(
        settings,
        source,
        request,
        command=MEASURE,
        selected=len(subject.selected),
        device=str(setup.probe.device),
        decisions=subject.decisions() | decisions | twin | _said(groups),
        warnings=warnings,
    )
    return manifest | {
        "classes": None if source.class_names is None else distinct_names(source.class_names),
        "outputs": outputs,
        "metrics": {metric.name: metric.as_dict() for metric in setup.metrics},
        "transformations": {
            transformation.name: transformation.family.as_dict()
            for transformation in plan.transformations
        },
        "example": {"image": source.ids[subject.example.index]},
        **({} if groups is None else {SETTING: {"file": groups.name}}),
    }


def _said(groups: ImageGroups | None) -> dict[str, str]:
    return {} if groups is None else {"image groups": groups.said}


def _files_of(setup: Setup, subject: Subject) -> dict[str, str]:
    """The digests of files that transformations look images up in."""
    ids = [subject.source.ids[index] for index in subject.selected]
    return {
        transformation.name: transformation.family.files(ids)
        for transformation in setup.plan.transformations
        if transformation.family.files is not None
    }
