"""The checks as sessions of nox, each in an environment of its own: `nox -s NAME`.

`tests` takes the newest release of everything, on each Python that is installed; `oldest` the
lowest versions that pyproject.toml admits. What comes after `--` goes to pytest.
"""

import re
from pathlib import Path

import nox

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
QUICK = ("-m", "not slow and not browser", "-n", "2")
# What needs extras beyond `demo`, and a list of networks that the oldest timm cannot count.
OF_EXTRAS = (
    "tests/data/test_hf.py",
    "tests/metrics/test_torchmetrics.py",
    "tests/models/test_zoo.py",
    "tests/view",
    "tests/cli/test_view.py",
)
# Old releases beside new ones of what they need: their warnings are not about this project.
NO_DEPRECATIONS = ("-W", "ignore::DeprecationWarning")

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "oldest", "wheel"]
nox.options.default_venv_backend = "venv"
nox.options.stop_on_first_error = False


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and format."""
    session.install(*_of_the_test_extra("ruff"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, of the package and its tests."""
    session.install("-e", ".[test]")
    session.run("pyrefly", "check")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Tests on the newest release of everything."""
    session.install("--upgrade", "--upgrade-strategy", "eager", "-e", ".[test]")
    session.run("pytest", *(session.posargs or QUICK), env={"OMP_NUM_THREADS": "1"})


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Tests on the lowest versions that the project admits, without extras but `demo`."""
    lowest = Path(session.create_tmp()).resolve() / "lowest.txt"
    lowest.write_text("\n".join(_lowest()) + "\n", encoding="utf-8")
    runner = _of_the_test_extra("pytest", "pytest-xdist", "hypothesis", "beartype")
    session.install("-c", str(lowest), "-e", ".[demo]", *runner)
    quick = ("tests", *(f"--ignore={file}" for file in OF_EXTRAS), *QUICK)
    chosen = session.posargs or quick
    session.run("pytest", *NO_DEPRECATIONS, *chosen, env={"OMP_NUM_THREADS": "1"})


@nox.session
def docs(session: nox.Session) -> None:
    """Builds the site and runs its notebooks; a warning is an error, and nothing is fetched."""
    session.install("-e", ".[docs,demo]")
    site = Path(session.create_tmp()).resolve() / "site"
    session.run("sphinx-build", "-W", "--keep-going", "-E", "docs", str(site))


@nox.session
def wheel(session: nox.Session) -> None:
    """Builds source distribution and wheel, installs the wheel alone, uses it outside the tree."""
    session.install("build")
    built = Path(session.create_tmp()).resolve() / "dist"
    session.run("rm", "-rf", str(built), external=True)
    session.run("python", "-m", "build", "--outdir", str(built), ".")
    (file,) = built.glob("*.whl")
    check = Path("tests/installed.py").resolve()
    session.install(str(file))
    with session.chdir(session.create_tmp()):
        session.run("python", str(check), str(file))


def _lowest() -> list[str]:
    """The lower bounds of what the project and its extra `demo` need, as exact versions."""
    project = PYPROJECT["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    bounds = [re.fullmatch(r"([\w.-]+)[>=]=([\d.]+)", requirement) for requirement in needed]
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


def _of_the_test_extra(*names: str) -> list[str]:
    """The requirements of these packages, as the extra `test` states them."""
    stated = {
        re.split(r"[\[<>=]", requirement)[0]: requirement
        for requirement in PYPROJECT["project"]["optional-dependencies"]["test"]
    }
    return [stated[name] for name in names]
