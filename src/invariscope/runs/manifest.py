"""Writes and reads manifests: everything that is needed to repeat a run, as JSON in its folder.

`settings` holds what must match when a run is resumed; the identity is their digest.
"""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invariscope.data import ImageSource
from invariscope.errors import InputError, first_of
from invariscope.files import read_json, versions, write_json
from invariscope.runs.identity import identity
from invariscope.runs.request import Request
from invariscope.sealed import digest_of
from invariscope.version import VERSION

FORMAT = 1
MANIFEST = "manifest.json"
MEASURE = "measure"
#: The digest of all but what resuming compares by name, to say what differs, and that of the rest.
_SEAL, _COMPARED_SEAL = "sha256", "sha256_compared"
#: The setting that is a digest of ids and labels.
_IMAGES = "images"
_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "pillow")


def new_manifest(
    settings: dict[str, Any],
    source: ImageSource,
    request: Request,
    *,
    command: str,
    selected: int,
    device: str,
    decisions: dict[str, str],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Makes the manifest of a run that is about to start.

    Args:
        settings: What its numbers depend on.
        source: Its images.
        request: What was asked for.
        command: The command that writes it.
        selected: How many of the images it takes.
        device: Where the network runs.
        decisions: What was decided, a sentence by subject.
        warnings: What a reader must know before the numbers.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "identity": identity(settings, VERSION, versions("torch")["torch"]),
        **({} if command == MEASURE else {"command": command}),
        "settings": settings,
        "images": {
            "selected": selected,
            "used": selected,
            "available": len(source.ids),
            "skipped": [],
            "notes": list(source.notes),
        },
        "environment": {
            "python": platform.python_version(),
            **versions(*_PACKAGES),
            "platform": f"{platform.system()} {platform.machine()}",
            "device": device,
        },
        "execution": {
            "status": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": own_command(),
            "arguments": request.written(),
            "seconds": 0.0,
            "events": [],
        },
        "decisions": decisions,
        "warnings": list(warnings),
    }


def own_command() -> list[str] | None:
    """The words after ``invariscope`` on the command line; None in a program of somebody's own."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.stem
    return sys.argv[1:] if name == "invariscope" else None


def warn(manifest: dict[str, Any], warning: str) -> None:
    """Adds what a reader must know before the numbers, once; "" adds nothing."""
    if warning and warning not in manifest["warnings"]:
        manifest["warnings"].append(warning)


def write_manifest(folder: str | os.PathLike[str], manifest: dict[str, Any]) -> Path:
    """Writes `manifest.json` whole or not at all, with its digests; keys keep their order.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    path = Path(folder) / MANIFEST
    write_json(path, {**manifest, **_seals_of(manifest)})
    return path


def _seals_of(manifest: dict[str, Any]) -> dict[str, str]:
    rest = {key: part for key, part in manifest.items() if key not in ("version", "identity")}
    compared = [manifest.get("version"), manifest.get("identity")]
    if isinstance(rest.get("environment"), dict):
        rest["environment"] = dict(rest["environment"])
        compared.append(rest["environment"].pop("torch", None))
    return {_SEAL: digest_of(rest), _COMPARED_SEAL: digest_of(compared)}


def read_manifest(
    folder: str | os.PathLike[str], command: str = MEASURE, *, resuming: bool = False
) -> dict[str, Any]:
    """Reads the manifest of a run folder.

    Args:
        folder: The folder.
        command: The command that must have written it: "measure", "factors" or "foregrounds".
        resuming: Its versions and its identity may be others than were written: `check_same_run`
            says which.

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
        found = [*sorted(folder.glob(f"*/{MANIFEST}")), *sorted(folder.glob(f"*/*/{MANIFEST}"))]
        below = [str(own.parent) for own in found if written_by(own.parent) == command]
        remedy = (
            f"give one of those below it: {first_of(below)}"
            if below
            else f"give a folder that `invariscope {command}` wrote"
        )
        raise InputError(f"{folder} is not a run folder (it has no {MANIFEST}): {remedy}")
    manifest = read_json(path, "restore the file, or measure again")
    _check(path, manifest, command, resuming)
    return manifest


def written_by(folder: str | os.PathLike[str]) -> str:
    """Names the command that wrote a run folder; "measure" if it is unknown.

    What is wrong with such a folder, `read_manifest` says.
    """
    try:
        manifest = read_json(Path(folder) / MANIFEST, "")
    except InputError:
        return MEASURE
    return str(manifest.get("command", MEASURE)) if isinstance(manifest, dict) else MEASURE


def _check(path: Path, manifest: Any, command: str, resuming: bool) -> None:
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(version, int):
        raise InputError(
            f"{path} is not a manifest of invariscope (it has no format): give a folder that "
            f"`invariscope {command}` wrote"
        )
    if version > FORMAT:
        raise InputError(
            f"{path} has format {version}, written by invariscope {manifest.get('version', '?')}: "
            f"this version reads up to format {FORMAT}; install a newer invariscope"
        )
    wrote = manifest.get("command", MEASURE)
    if wrote != command:
        raise InputError(
            f"{path.parent} holds a run of `invariscope {wrote}` by its {MANIFEST}: give a folder "
            f"that `invariscope {command}` wrote"
        )
    seals = {name: manifest.pop(name, None) for name in (_SEAL, _COMPARED_SEAL)}
    if "version" in manifest and not any(seals.values()):
        raise InputError(
            f"{path} of invariscope {manifest.get('version', '?')} has no digests, so nothing says "
            "whether it is as it was written (early runs of 0.1.0 had none): measure again into a "
            "new folder"
        )
    expected = _seals_of(manifest)
    if resuming:
        seals[_COMPARED_SEAL] = expected[_COMPARED_SEAL]
    if seals != expected or not isinstance(manifest.get("identity"), str):
        raise InputError(
            f"{path} is not as it was written: restore the file, or measure again into a new folder"
        )


def check_same_run(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Raises an `InputError` that names the first version or setting in which a run differs.

    The images are left to `Content`, which can name the first that differs, and to
    `check_same_images`.
    """
    for package, before, now in (
        ("invariscope", old.get("version"), new["version"]),
        ("torch", _torch(old), _torch(new)),
    ):
        if before != now:
            raise InputError(
                f"{folder} holds a run of {package} {before}, by its {MANIFEST}, this is {package} "
                f"{now}, and their rows may differ; give another `output`, or resume it with that "
                "version"
            )
    before, now = old["settings"], new["settings"]
    for key in now:
        if key != _IMAGES and before.get(key) != now[key]:
            name, then, asked = _first_apart(key, before.get(key), now[key])
            raise InputError(
                f"{folder} holds a run with other settings: {name} is {_short(then)} in its "
                f"{MANIFEST} and {_short(asked)} now; give another `output`, or the same settings "
                "to resume it"
            )
    if old["identity"] != identity(before, old["version"], _torch(old)):
        raise InputError(
            f"{folder / MANIFEST} was changed after its run began: give another `output`"
        )


def check_same_images(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Raises an `InputError` where images have other ids or labels."""
    if old["settings"].get(_IMAGES) != new["settings"][_IMAGES]:
        raise InputError(
            f"{folder} holds a run on other images, by their ids or labels: give another `output`, "
            "or the same images to resume it"
        )


def _torch(manifest: dict[str, Any]) -> str:
    return str((manifest.get("environment") or {}).get("torch", "of an unknown version"))


_FEW = 3  # entries, such as mean and std have: they are shown as they are


def _first_apart(name: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """Narrows two settings down to what differs first: its name, and both values.

    Example:
        >>> _first_apart("a", {"b": 1, "c": [1, 2, 3]}, {"b": 1, "c": [1, 3]})
        ('the rest of a.c', [2], [])
        >>> _first_apart("a", [{"name": "x", "n": k} for k in range(4)], [{"name": "x", "n": 0}])
        ('the rest of a', ['x', 'x', 'x'], [])
    """
    if isinstance(before, dict) and isinstance(now, dict):
        apart = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if not apart:  # a key that only one of them has, with nothing in it
            return name, before, now
        key = apart[0]
        return _first_apart(f"{name}.{key}", before.get(key), now.get(key))
    if not (isinstance(before, list) and isinstance(now, list)):
        return name, before, now
    if len(before) == len(now) <= _FEW:
        return name, before, now
    count = max(len(before), len(now))
    while before and now and before[0] == now[0]:
        before, now = before[1:], now[1:]
    while before and now and before[-1] == now[-1]:
        before, now = before[:-1], now[:-1]
    if len(before) == len(now) == 1 and isinstance(before[0], dict):
        return _first_apart(name, before[0], now[0])
    rest = "the rest of " if max(len(before), len(now)) < count else ""
    return f"{rest}{name}", _called(before), _called(now)


def _called(items: list[Any]) -> list[Any]:
    """Entries of a list by what they are called, where they say it: cells, classes, layers."""
    keys = ("cell", "name", "key")
    return [
        next((item[key] for key in keys if key in item), item) if isinstance(item, dict) else item
        for item in items
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
