"""Looks at an installed wheel from outside the source tree: `python installed.py WHEEL`.

It asks for what a checkout has anyway and a wheel may lack: files beside the modules, the command,
and that everything works without extras. It runs in the environment that the wheel is installed in.
"""

import contextlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

BESIDE_MODULES = (".html", ".css", ".js", ".csv", "py.typed")


def run(*command: str) -> str:
    """What a command writes; its errors end the check."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def check_files(wheel: Path) -> None:
    """The wheel holds the package and nothing else, and each file of it is where it is imported."""
    import invariscope

    package = Path(invariscope.__file__).parent
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    version = invariscope.__version__
    assert top == {"invariscope", f"invariscope-{version}.dist-info"}, top
    beside = [name for name in names if name.endswith(BESIDE_MODULES)]
    for ending in BESIDE_MODULES:
        assert any(name.endswith(ending) for name in beside), f"no {ending} in {wheel}"
    for name in beside:
        assert (package.parent / name).is_file(), f"{name} is not installed"
    assert not {"tests", "docs", "src"} & set(package.parts), f"{package} is a checkout"


def check_command(folder: Path) -> None:
    """The command of this environment answers, and measures a network on an array."""
    import invariscope

    command = str(Path(sys.executable).parent / "invariscope")
    assert run(command, "--version") == f"invariscope {invariscope.__version__}\n"
    assert "measure" in run(command, "--help")
    assert "relative_invariance" in run(command, "list", "metrics")
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    np.save(folder / "images.npy", pixels)
    out = folder / "run"
    run(
        command, "measure", "small:resnet18?width=0.125", "--data", str(folder / "images.npy"),
        "-t", "rotate=10/90,brightness_down=0.5", "-n", "40", "--groups", "C4",
        "--metrics", "relative_invariance,channel_equivariance", "-o", str(out),
    )  # fmt: skip
    assert json.loads((out / "manifest.json").read_text())["execution"]["status"] == "finished"
    page = (out / "report.html").read_text()
    assert "<style" in page, "the page has no style sheet"
    assert "<script" in page, "the page has no script"
    assert any((out / "layers").glob("*.html")), "no pages of layers"
    frame = invariscope.Result.load(out).frame
    assert set(frame["metric"]) >= {"relative_invariance", "channel_equivariance"}


if __name__ == "__main__":
    import tempfile

    check_files(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        check_command(Path(scratch))
    print("the wheel holds what it needs and measures")
