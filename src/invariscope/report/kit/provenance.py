"""What a manifest says about a run, in words: what was left out, and where pixels moved."""

from collections.abc import Mapping
from typing import Any


def warnings(manifest: Mapping[str, Any]) -> list[str]:
    """What went wrong or was left out: skipped images with reasons, notes, warnings, events."""
    images = manifest.get("images", {})
    found = []
    skipped = images.get("skipped", ())
    if skipped:
        were = "image was" if len(skipped) == 1 else "images were"
        found.append(f"{len(skipped):,} selected {were} skipped:")
        found.extend(f"{entry['image']}: {entry['reason']}" for entry in skipped[:50])
        if len(skipped) > 50:
            found.append(f"… and {len(skipped) - 50:,} more; all of them are in the manifest.")
    found.extend(str(note) for note in images.get("notes", ()))
    found.extend(str(text) for text in manifest.get("warnings", ()))
    # The log of a run repeats each skipped image as it met it.
    known = {f"skipped {entry['image']}: {entry['reason']}" for entry in skipped}
    events = manifest.get("execution", {}).get("events", ())
    found.extend(str(event) for event in events if str(event) not in known)
    return found


def where_pixels_move(settings: Mapping[str, Any]) -> str:
    """Where transformations act, and the preprocessing before them, from a run's settings."""
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
