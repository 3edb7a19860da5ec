"""The manifest of a run: what would repeat it, and whether a folder holds the same run already."""

import platform
import sys
from datetime import UTC, datetime
from typing import Any

import invariscope
from invariscope.data import ImageSource, fingerprint
from invariscope.errors import InputError
from invariscope.files import versions
from invariscope.results.identity import identity
from invariscope.results.manifest import FORMAT
from invariscope.sweep.block import Setup
from invariscope.sweep.plan import BLOCK_SIZE, FLOOR, SHUFFLED, UNTRAINED

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "pillow")


def make_manifest(
    setup: Setup,
    source: ImageSource,
    selected: list[int],
    *,
    floor: bool,
    table: str,
    model_classes: str | list[str] | None,
    decisions: dict[str, str],
    warnings: list[str],
) -> dict[str, Any]:
    """The manifest of a run that is about to start; `settings` is what must match on resuming."""
    probe, plan = setup.probe, setup.plan
    how = plan.transformations[0].resampling
    controls = [SHUFFLED] + [FLOOR] * floor + [UNTRAINED] * plan.twin
    settings = {
        "model": probe.spec,
        "weights": probe.weights_hash,
        "preprocessing": probe.preprocessing.as_dict(),
        "task": decisions.get("task"),
        "embedding": decisions.get("embedding"),
        "data": source.name,
        **value_range_of(source),
        "seed": setup.seed,
        "num_images": len(selected),
        "images": fingerprint(source, selected),
        "table": table,
        "border": how.border,
        "fill": how.fill,
        "interpolation": how.interpolation,
        "metrics": [metric.name for metric in setup.metrics],
        "controls": controls,
        "block_size": BLOCK_SIZE,
        "inexact": "skip" if setup.skip_inexact else "interpolate",
        "layers": [
            {"name": la.name, "part": la.part, "depth": la.depth, "grid": list(la.grid)}
            for la in setup.layers
        ],
        "cells": [entry.as_dict() for entry in plan.entries],
        "model_classes": model_classes,
    }
    return {
        **head(settings),
        "classes": None if source.class_names is None else list(source.class_names),
        "images": {
            "selected": len(selected),
            "used": len(selected),
            "available": len(source.ids),
            "skipped": [],
            "notes": list(source.notes),
        },
        "metrics": {metric.name: metric.as_dict() for metric in setup.metrics},
        "transformations": {
            transformation.name: transformation.family.as_dict()
            for transformation in plan.transformations
        },
        "environment": environment(str(probe.device)),
        "execution": execution(setup.num_cells, setup.passes * len(selected)),
        "example": None,
        "decisions": decisions,
        "warnings": warnings,
    }


def head(settings: dict[str, Any]) -> dict[str, Any]:
    """The first entries of a manifest: format, version, the run's identity, its settings."""
    version = invariscope.__version__
    return {
        "format": FORMAT,
        "version": version,
        "identity": identity(settings, version, versions("torch")["torch"]),
        "settings": settings,
    }


def value_range_of(source: ImageSource) -> dict[str, list[float]]:
    """The stored numbers that are black and white, where they were given or found."""
    found = source.value_range
    return {} if found is None else {"value_range": [found.low, found.high]}


def environment(device: str) -> dict[str, str]:
    """Versions, platform and device, for a manifest."""
    return {
        "python": platform.python_version(),
        **versions(*_PACKAGES),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
    }


def execution(cells: int, passes: int) -> dict[str, Any]:
    """How a run went, for a manifest: at its start."""
    return {
        "status": "running",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [*sys.argv[1:]] if sys.argv[0].endswith("invariscope") else None,
        "cells": cells,
        "forward_passes": passes,
        "seconds": 0.0,
        "events": [],
    }


def check_same_run(old: dict[str, Any], new: dict[str, Any], folder: str) -> None:
    """Raises an `InputError` that names the first version or setting in which a run differs."""
    for package, before, now in (
        ("invariscope", old.get("version"), new["version"]),
        ("torch", _torch(old), _torch(new)),
    ):
        if before != now:
            raise InputError(
                f"{folder} holds a run of {package} {before}, this is {package} {now}, and their "
                "rows may differ; give another --output, or resume it with that version"
            )
    before, now = old["settings"], new["settings"]
    for key in now:
        if before.get(key) != now[key]:
            raise InputError(
                f"{folder} holds a run with other settings: {key} is "
                f"{_short(before.get(key))} there and {_short(now[key])} now; "
                "give another --output, or the same settings to resume it"
            )
    if old["identity"] != new["identity"]:
        raise InputError(
            f"the manifest of {folder} was changed after its run began: give another --output"
        )


def _torch(manifest: dict[str, Any]) -> str:
    return str((manifest.get("environment") or {}).get("torch", "of an unknown version"))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
