"""The type checker that pytest puts on every function of the package, shapes included.

Of modules without shapes beartype alone checks the functions: a call under jaxtyping takes fifty
times as long, and half of the time of the tests went there. Names that are imported for type
checkers only are known to neither; jaxtyping lets them pass.
"""

from pathlib import Path

from beartype import BeartypeConf, beartype
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

_CONF = BeartypeConf(is_pep484_tower=True, claw_is_pep526=False)  # an int is a float
check = beartype(conf=_CONF)


def _with_shapes(source: Path) -> list[str]:
    """The modules of the package that jaxtyping checks."""
    words = ("jaxtyping import", "TYPE_CHECKING")
    files = (f for f in source.rglob("*.py") if any(word in f.read_text() for word in words))
    return [".".join(file.relative_to(source).with_suffix("").parts) for file in files]


def pytest_load_initial_conftests() -> None:
    """Before anything of the package is imported."""
    beartype_package("invariscope", conf=_CONF)
    install_import_hook(_with_shapes(Path(__file__).parents[1] / "src"), "typechecking.check")
