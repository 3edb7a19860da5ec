"""The manifest of a run folder: everything that is needed to repeat the run, as JSON."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import read_json, write_json
from invariscope.sealed import digest_of

FORMAT = 1
MANIFEST = "manifest.json"
MEASURE = "measure"
_SEAL = "sha256"
#: What the seal leaves out: resuming compares these by name and says what differs.
_COMPARED = ("version", "identity", "environment")


def write_manifest(folder: str | os.PathLike[str], manifest: dict[str, Any]) -> Path:
    """Writes `manifest.json` whole or not at all, with its digest; keys keep their order.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    path = Path(folder) / MANIFEST
    write_json(path, {**manifest, _SEAL: _seal_of(manifest)})
    return path


def _seal_of(manifest: Mapping[str, Any]) -> str:
    return digest_of({key: part for key, part in manifest.items() if key not in _COMPARED})


def read_manifest(folder: str | os.PathLike[str], command: str = MEASURE) -> dict[str, Any]:
    """Reads the manifest of a run folder.

    Args:
        folder: The folder.
        command: The command that must have written it: "measure" or "factors".

    Raises:
        InputError: No such folder, no run in it, a broken or changed manifest, or one of a newer
            format.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not folder.exists():
        raise InputError(
            f"no run folder at {folder}: give a folder that `invariscope {command}` wrote"
        )
    if not path.is_file():
        raise InputError(
            f"{folder} is not a run folder (it has no {MANIFEST}): give a folder that "
            f"`invariscope {command}` wrote"
        )
    manifest = read_json(path, "restore the file, or measure again")
    _check(path, manifest, command)
    return manifest


def written_by(folder: str | os.PathLike[str]) -> str:
    """The command that wrote a run folder; "measure" where that cannot be told.

    What is wrong with such a folder, `read_manifest` says.
    """
    try:
        manifest = read_json(Path(folder) / MANIFEST, "")
    except InputError:
        return MEASURE
    return str(manifest.get("command", MEASURE)) if isinstance(manifest, dict) else MEASURE


_CELLS = ("cell", "orbit_cell", "derivative_cell")


def entry_cells(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells that stand for a level: its own, its part in an orbit, its derivative (level 0).

    Example:
        >>> entry_cells({"cell": "rotate=90", "orbit_cell": "C4: rotate=90"})
        ('rotate=90', 'C4: rotate=90')
    """
    return tuple(entry[key] for key in _CELLS if key in entry)


def unit_beside(entry: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The unit that stands beside a metric's values at a level.

    Args:
        entry: The level, of a manifest's ``settings["cells"]``.
        about: The metric, of a manifest's ``metrics``.

    Returns:
        The unit of the level's magnitude ("°"), of a derivative ("per radian²"), or "".

    Example:
        >>> level = {"unit": "°", "derivative_unit": "per radian²"}
        >>> [unit_beside(level, {"unit": kind}) for kind in ("level", "derivative", "none")]
        ['°', 'per radian²', '']
    """
    kind = about.get("unit", "level")
    if kind == "none":
        return ""
    return str(entry.get("derivative_unit", "") if kind == "derivative" else entry["unit"])


def cell_in(entry: Mapping[str, Any], cells: Collection[str]) -> str | None:
    """The cell of a level among those of a series; None if it has none."""
    return next((cell for cell in entry_cells(entry) if cell in cells), None)


def _check(path: Path, manifest: Any, command: str) -> None:
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(found, int):
        raise InputError(
            f"{path} is not a manifest of invariscope (it has no format): give a folder that "
            f"`invariscope {command}` wrote"
        )
    if found > FORMAT:
        raise InputError(
            f"{path} has format {found}, written by invariscope {manifest.get('version', '?')}: "
            f"this version reads up to format {FORMAT}; install a newer invariscope"
        )
    wrote = manifest.get("command", MEASURE)
    if wrote != command:
        raise InputError(
            f"{path.parent} holds a run of `invariscope {wrote}`: give a folder that "
            f"`invariscope {command}` wrote"
        )
    changed = manifest.pop(_SEAL, None) != _seal_of(manifest)
    compared = (manifest.get("identity"), str), (manifest.get("environment", {}), dict)
    if changed or not all(isinstance(part, kind) for part, kind in compared):
        raise InputError(
            f"{path} is not as it was written: restore the file, or measure again into a new folder"
        )
