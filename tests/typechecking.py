"""The type checker that pytest puts on every function of the package, shapes included.

What has no shapes beartype alone checks: a call under jaxtyping takes fifty times as long, and half
of the time of the tests went there. In a test, the first `MOST` calls of a function are checked for
shapes: those of a loop are alike. Names that are imported for type checkers only are known to
neither; jaxtyping lets them pass. What is defined anew at each call is checked if it has shapes.
"""

import ast
import dataclasses
import gc
import inspect
import re
from collections import Counter
from functools import partial, wraps
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
from beartype import BeartypeConf, beartype
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

#: beartype gives classes a method that Ray cannot make an actor of.
_ACTORS = ("invariscope.own_actor",)
_CONF = BeartypeConf(  # an int is a float
    is_pep484_tower=True, claw_is_pep526=False, claw_skip_package_names=_ACTORS
)
check = beartype(conf=_CONF)
#: How many calls of a function are checked for shapes, in each test.
MOST = 20
_calls: Counter[int] = Counter()
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


def _has_shapes(function: Any) -> bool:
    """Whether an annotation names a shape, or is text, which may be a name of type checkers."""
    for annotation in inspect.get_annotations(function).values():
        quoted = "'" in repr(annotation) and not isinstance(annotation, type)
        if quoted or "jaxtyping" in repr(annotation):
            return True
    return False


def _checked(thing: Any = None, *, typechecker: Any) -> Any:
    """`jaxtyping.jaxtyped` for what has shapes, beartype for the rest."""
    if thing is None:
        return partial(_checked, typechecker=typechecker)
    if inspect.isfunction(thing) and not _has_shapes(thing):
        return thing if "<locals>" in thing.__qualname__ else check(thing)
    if inspect.isclass(thing) and dataclasses.is_dataclass(thing):
        if not _has_shapes(thing.__init__):
            thing.__init__ = check(thing.__init__)
            return thing
    checked = _jaxtyped(thing, typechecker=typechecker)
    return _seldom(thing, checked) if inspect.isfunction(thing) else checked


def _seldom(plain: Any, checked: Any) -> Any:
    """The checked function, until it has been called `MOST` times in a test."""
    key = id(checked)

    @wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if _calls[key] >= MOST:
            return plain(*args, **kwargs)
        _calls[key] += 1
        return checked(*args, **kwargs)

    return call


def pytest_runtest_logstart() -> None:
    """Each test has its own calls."""
    _calls.clear()


_jaxtyped = jaxtyping.jaxtyped


def pytest_load_initial_conftests() -> None:
    """Before anything of the package is imported."""
    gc.set_threshold(20_000, 20, 20)  # most of what is made stays: a tenth of the time went there
    module: Any = jaxtyping
    module.jaxtyped = _checked
    beartype_package("invariscope", conf=_CONF)
    install_import_hook(_with_shapes(Path(__file__).parents[1] / "src"), "typechecking.check")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Whatever is imported by now stays, and need not be looked through each time."""
    gc.collect()
    gc.freeze()
