"""Puts a manifest into words: the images left out, the command, and where pixels moved."""

import re
import shlex
from collections.abc import Mapping
from typing import Any


def warnings(manifest: Mapping[str, Any]) -> list[str]:
    """Lists what went wrong or was left out: skipped images, notes, warnings, events."""
    images = manifest.get("images", {})
    lines = []
    skipped = images.get("skipped", ())
    if skipped:
        were = "image was" if len(skipped) == 1 else "images were"
        lines.append(f"{len(skipped):,} selected {were} skipped:")
        lines.extend(f"{entry['image']}: {entry['reason']}" for entry in skipped[:50])
        if len(skipped) > 50:
            lines.append(f"… and {len(skipped) - 50:,} more; all of them are in the manifest.")
    lines.extend(str(note) for note in images.get("notes", ()))
    lines.extend(str(text) for text in manifest.get("warnings", ()))
    # The log of a run repeats each skipped image as it met it.
    known = {f"skipped {entry['image']}: {entry['reason']}" for entry in skipped}
    events = manifest.get("execution", {}).get("events", ())
    lines.extend(str(event) for event in events if str(event) not in known)
    return lines


def command(manifest: Mapping[str, Any], function: str, arguments: Mapping[str, Any]) -> str:
    """Writes what repeats a run: its command line, or for a run from Python the call.

    A model or images that were handed over as objects appear as ``model`` and ``images``.

    Args:
        manifest: Of the run.
        function: Which function of `invariscope` made it.
        arguments: Its arguments beside model and data.
    """
    recorded = manifest.get("execution", {}).get("command")
    if recorded:
        return f"invariscope {shlex.join(str(word) for word in recorded)}"
    settings = manifest.get("settings", {})
    model, data = str(settings.get("model", "")), str(settings.get("data", ""))
    handed_over = ":" not in model or model.startswith(("module:", "callable:"))
    words = ["model" if handed_over else repr(model)]
    words.append(repr(data) if re.match(r"samples$|[\w-]+:|.*/", data) else "images")
    words += [f"{name}={value!r}" for name, value in arguments.items()]
    line = f"invariscope.{function}({', '.join(words)})"
    if len(line) < 100:
        return line
    return f"invariscope.{function}(\n    " + ",\n    ".join(words) + ",\n)"


def decisions(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(subject, decision) of what a run decided by itself."""
    chosen = manifest.get("decisions", {})
    return [(subject.capitalize(), text) for subject, text in chosen.items()]


def where_pixels_move(settings: Mapping[str, Any]) -> str:
    """Says where transformations act, and after which preprocessing, from a run's settings."""
    text = (
        "On the pixels in [0, 1] at the model’s input resolution: after resizing and cropping,"
        " before normalisation."
    )
    prepared = settings.get("preprocessing") or {}
    steps = []
    if prepared.get("resize"):
        steps.append(f"short side to {prepared['resize']} ({prepared.get('interpolation')})")
    if prepared.get("size"):
        steps.append(f"centre crop {' × '.join(str(side) for side in prepared['size'])}")
    if prepared.get("mean"):
        steps.append(f"mean {_rounded(prepared['mean'])}, std {_rounded(prepared.get('std', ()))}")
    if steps:
        text += f" Preprocessing here: {'; '.join(steps)}"
        text += f" (from {prepared['source']})." if prepared.get("source") else "."
    return text


def _rounded(values: Any) -> str:
    return "/".join(f"{float(value):.3g}" for value in values)
