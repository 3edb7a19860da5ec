"""Puts a manifest into words: the images left out, the command, and where pixels moved."""

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


def command(manifest: Mapping[str, Any], function: str) -> str:
    """Writes what repeats a run: its command line, or for a run from Python the call.

    What was handed over as an object, such as a model, appears under the argument's name.

    Args:
        manifest: Of the run.
        function: Which function of `invariscope` made it.
    """
    execution = manifest.get("execution", {})
    if execution.get("command"):
        return f"invariscope {shlex.join(str(word) for word in execution['command'])}"
    arguments = execution.get("arguments")
    if arguments is None:  # of a run before 0.2
        return f"invariscope.{function}(model, images, ...)"
    words = [
        text if name in ("model", "images") else f"{name}={text}"
        for name, text in arguments.items()
    ]
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
