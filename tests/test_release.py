"""What a release states and carries: one version, and the files that its pages are made of."""

import tomllib
from importlib.resources import as_file, files
from pathlib import Path

import pytest
import yaml

from invariscope.version import VERSION

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "invariscope"
BESIDE_MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*")
    if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
)


def test_one_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == VERSION
    released = [
        line.removeprefix("## [").split("] - ")
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## [") and "Unreleased" not in line
    ]
    assert released[0] == [VERSION, str(cited["date-released"])]


def test_the_wheel_takes_its_version_from_the_module():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dynamic"] == ["version"]
    assert (ROOT / pyproject["tool"]["hatch"]["version"]["path"]) == PACKAGE / "version.py"


@pytest.mark.parametrize("name", BESIDE_MODULES)
def test_files_beside_the_modules_are_found_as_package_data(name):
    with as_file(files("invariscope").joinpath(*name.split("/"))) as path:
        assert path.read_bytes() == (PACKAGE / name).read_bytes()


def test_pages_and_types_have_their_files():
    endings = {Path(name).suffix or name for name in BESIDE_MODULES}
    assert endings == {".html", ".css", ".js", ".csv", ".typed"}
