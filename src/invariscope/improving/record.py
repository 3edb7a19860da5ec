"""Writes what `improve` leaves in its folder.

| file of the folder | content |
|---|---|
| before/, after/ | runs of `measure` on the held-out images, a folder for each kind of metric |
| evidence/, factors/ | runs of `measure` and `factors` on the images of the tuning |
| improved/ | the weights: `improved:FOLDER/improved` loads them; while it goes on, a checkpoint |
| held-out.parquet | image, class, before, after: whether each answer was right |
| improve.json | command, settings, augmentation, verdicts, accuracy, versions; written last |
| report.html | the page |
"""

import math
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invariscope.files import versions
from invariscope.gate.verdict import Verdict
from invariscope.improving.improvement import Improvement
from invariscope.sealed import write_sealed

IMPROVED, RECORD = "improved", "improve.json"
_PACKAGES = ("invariscope", "torch", "torchvision", "timm", "accelerate", "numpy")


def write_record(folder: Path, found: Improvement) -> Path:
    """Writes `improve.json`, sealed, with what lies beside it.

    Raises:
        RunError: It cannot be written.
    """
    beside = [name for name in (f"{IMPROVED}/weights.pt", f"{IMPROVED}/model.json",
                                "held-out.parquet") if (folder / name).is_file()]  # fmt: skip
    path = folder / RECORD
    write_sealed(path, record_of(found), beside)
    return path


def record_of(found: Improvement) -> dict[str, Any]:
    """Describes an improvement as JSON."""
    told = found.accuracy
    return {
        "command": found.command,
        "outcome": found.outcome,
        "reasons": found.reasons,
        "subject": found.subject,
        "split": found.split,
        "settings": dict(found.settings),
        "augmentation": [one.as_dict() for one in found.ingredients],
        "classes": [_plain(asdict(one)) for one in found.classes],
        "data": [_plain(asdict(one)) for one in found.data],
        "before": _verdict(found.before),
        "after": None if found.after is None else _verdict(found.after),
        "accuracy": None
        if told is None
        else {**asdict(told), "difference": told.difference, "outcome": told.outcome},
        "notes": found.notes,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": {"python": platform.python_version(), **versions(*_PACKAGES)},
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "images": verdict.images,
        "rules": [
            {
                "rule": rule.text,
                "outcome": rule.outcome,
                "cells": [_plain(vars(cell)) for cell in rule.cells],
            }
            for rule in verdict.rules
        ],
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Without NaN, which JSON does not have."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
