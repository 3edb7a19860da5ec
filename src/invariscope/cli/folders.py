"""Names of run folders: the same command finds its run again."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def slug(text: str) -> str:
    """A spec as a folder name.

    Example:
        >>> slug("timm:resnet18+untrained")
        'timm-resnet18-untrained'
    """
    return "".join(c if c.isalnum() or c in "._" else "-" for c in text).strip("-.") or "run"


def folder_for(names: Sequence[str], settings: Any) -> Path:
    """The folder below ``runs`` that belongs to these settings."""
    text = json.dumps(settings, sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Path("runs") / "_".join([*(slug(name) for name in names), mark])


def default_folder(manifest: dict[str, Any], data: str) -> Path:
    """The folder of a measurement or a search."""
    settings = manifest["settings"]
    return folder_for([settings["model"].split("/")[-1], Path(data).name], settings)
