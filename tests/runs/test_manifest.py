"""The manifest: read as it was written, and refused in one line where it is broken."""

import json
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from invariscope.errors import InputError, RunError
from invariscope.runs.manifest import (
    check_same_run,
    own_command,
    read_manifest,
    write_manifest,
)
from oracles.runs import manifest_of


def test_read_as_written(tmp_path):
    manifest = manifest_of(model="Modèle ±5°")
    path = write_manifest(tmp_path, manifest)
    read = read_manifest(tmp_path)
    assert read == manifest
    assert list(read) == list(manifest)
    assert list(read["settings"]) == list(manifest["settings"])
    assert "Modèle ±5°" in path.read_text(encoding="utf-8")  # for people, too


def test_a_failed_write_keeps_the_old_manifest(tmp_path, monkeypatch):
    write_manifest(tmp_path, manifest_of())

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(RunError, match=r"^cannot write manifest.json .*No space left on device"):
        write_manifest(tmp_path, manifest_of(seed=1))
    assert read_manifest(tmp_path) == manifest_of()


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("settings"),
        lambda manifest: manifest["execution"].pop("status"),
        lambda manifest: manifest.update(images=[]),
        lambda manifest: manifest["settings"].update(seed=1),
        lambda manifest: manifest.pop("identity"),
        lambda manifest: manifest.update(environment=[]),
        lambda manifest: manifest.pop("sha256"),
        lambda manifest: manifest.update(version="0.0.1"),
        lambda manifest: manifest.update(identity="0" * 16),
    ],
)
def test_what_was_changed_is_refused(tmp_path, change):
    path = write_manifest(tmp_path, manifest_of())
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest.json is not as it was written: restore the"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b'{"format": 1,\n}'])
def test_what_is_no_json_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"^cannot read .*manifest.json .*measure again$") as info:
        read_manifest(tmp_path)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("content", ["null", "[1]", '{"format": "1"}', '{"settings": {}}'])
def test_other_json_is_no_manifest(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="is not a manifest of invariscope"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("program", "own"),
    [("/usr/bin/invariscope", True), ("C:/Scripts/invariscope.exe", True), ("train.py", False),
     ("/lib/invariscope/__main__.py", True), ("/lib/pytest/__main__.py", False)],
)  # fmt: skip
def test_the_command_is_known_where_it_is_ours(monkeypatch, program, own):
    monkeypatch.setattr("sys.argv", [program, "measure", "-n", "5"])
    assert own_command() == (["measure", "-n", "5"] if own else None)


COMMAND = [sys.executable, "-m", "invariscope", "list", "data"]


def test_python_runs_the_package():
    told = run(
        [sys.executable, "-m", "invariscope", "list", "data"], capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert "stamps" in told.stdout


def test_a_folder_of_runs_names_those_that_would_do(tmp_path):
    for name, more in (("a", {}), ("after/vectors", {}), ("factors", {"command": "factors"})):
        (tmp_path / name).mkdir(parents=True)
        write_manifest(tmp_path / name, manifest_of() | more)
    ends = rf"give one of those below it: {tmp_path}/a, {tmp_path}/after/vectors$"
    with pytest.raises(InputError, match=ends):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match=rf"give one of those below it: {tmp_path}/factors$"):
        read_manifest(tmp_path, "factors")
    with pytest.raises(InputError, match="give a folder that `invariscope foregrounds` wrote"):
        read_manifest(tmp_path, "foregrounds")


def test_a_file_is_no_run_folder(tmp_path):
    write_manifest(tmp_path, manifest_of())
    with pytest.raises(InputError, match=r"manifest.json is not a run folder"):
        read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest_of() | {"format": 2}))
    with pytest.raises(InputError, match=r"format 2, written by invariscope 0.1.0: .* format 1;"):
        read_manifest(tmp_path)


def test_a_manifest_from_before_they_had_digests_is_no_forgery(tmp_path):
    path = write_manifest(tmp_path, manifest_of())
    manifest = json.loads(path.read_text())
    del manifest["sha256"], manifest["sha256_compared"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"of invariscope 0.1.0 has no digests, .* measure again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (
            {"mean": [0.5, 0, 0], "size": None},
            r"mean is \[0, 0, 0\] in its .* and \[0.5",
        ),
        (
            {"mean": [0, 0, 0], "size": 64},
            "preprocessing.size is None in its .* and 64 now",
        ),
    ],
)
def test_a_run_with_other_settings_is_told_what_differs(now, message):
    before = {"mean": [0, 0, 0], "size": None}
    made: list[dict[str, Any]] = [
        {"version": "1", "environment": {"torch": "2"}, "settings": {"preprocessing": settings}}
        for settings in (before, now)
    ]
    with pytest.raises(InputError, match=message):
        check_same_run(made[0], made[1], Path("run"))
