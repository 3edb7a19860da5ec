"""The type checker that pytest puts on every function of the package, shapes included.

Of modules without shapes beartype alone checks the functions: a call under jaxtyping takes fifty
times as long, and half of the time of the tests went there. Names that are imported for type
checkers only are known to neither; jaxtyping lets them pass.
"""

import ast
import re
from pathlib import Path

from beartype import BeartypeConf, beartype
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

#: beartype gives classes a method that Ray cannot make an actor of.
_ACTORS = ("invariscope.runs.elsewhere",)
_CONF = BeartypeConf(  # an int is a float
    is_pep484_tower=True, claw_is_pep526=False, claw_skip_package_names=_ACTORS
)
check = beartype(conf=_CONF)
_NAMED = re.compile(r"^(\w+) = \w+\[Tensor, ", re.MULTILINE)
_UNKNOWN = re.compile(r"jaxtyping import|TYPE_CHECKING")


def _with_shapes(source: Path) -> list[str]:
    """The modules of the package that jaxtyping checks: they import it, or annotate by a shape."""
    texts = {file: file.read_text() for file in source.rglob("*.py")}
    named = {name for text in texts.values() for name in _NAMED.findall(text)}
    chosen = [
        file.relative_to(source)
        for file, text in texts.items()
        if _UNKNOWN.search(text) or named & _words(_annotations(text))
    ]
    return [".".join(file.with_suffix("").parts) for file in chosen]


def _annotations(text: str) -> list[ast.expr]:
    nodes = list(ast.walk(ast.parse(text)))
    found = [getattr(node, "annotation", None) for node in nodes]
    found += [getattr(node, "returns", None) for node in nodes]
    return [node for node in found if node is not None]


def _words(nodes: list[ast.expr]) -> set[str]:
    return set(re.findall(r"\w+", " ".join(ast.unparse(node) for node in nodes)))


def pytest_load_initial_conftests() -> None:
    """Before anything of the package is imported."""
    beartype_package("invariscope", conf=_CONF)
    install_import_hook(_with_shapes(Path(__file__).parents[1] / "src"), "typechecking.check")
