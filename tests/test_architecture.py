"""Imports point one way along the line of data; nothing sits in a file that says nothing."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "invariscope"
RANK = {
    "errors": 0, "registry": 0, "seeding": 0, "forward_mode": 0, "files": 0, "sealed": 0,
    "devices": 0, "version": 0, "outside": 0, "terminal": 0, "hub": 0,
    "memory": 0, "users_code": 0, "own_process": 0,
    "pages": 0,  # the one door upwards: it loads the reports by name
    "statistics": 1,
    "transformations": 1, "data": 1, "models": 1, "metrics": 1,
    "cache": 1.3, "runs": 1.5, "results": 2, "sweep": 3, "gate": 4, "foregrounds": 4, "effects": 4,
    "search": 5, "advice": 6,
    "training": 7, "improving": 7.5, "report": 7, "report/kit": 7, "studies": 8,
    "report/run": 9, "report/study": 9, "report/leaderboard": 10, "report/foregrounds": 10,
    "report/gate": 9, "report/improve": 9.5, "report/effects": 11, "report/search": 11,
    "report/view": 11, "view": 11.5,
    "export": 11.5,
    "testing": 11, "cli": 12, "pytest_plugin": 12,
}  # fmt: skip


def part_of(pieces: list[str]) -> str:
    """The part of the package that a module belongs to: its folder, or its inner folder."""
    inner = "/".join(pieces[:2])
    return inner if inner in RANK else pieces[0]


@cache
def import_nodes() -> dict[Path, list[tuple[ast.Import | ast.ImportFrom, bool]]]:
    """The imports of each file, and whether each stands at the top of its file."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        top = set(tree.body)
        found[path] = [(node, node in top) for node in nodes]
    return found


def imports() -> Iterator[tuple[str, str, str, bool]]:
    """(file, its part, the part that it imports, whether inside a function)."""
    for path, nodes in import_nodes().items():
        file = path.relative_to(SOURCE).as_posix()
        part = part_of(file.removesuffix(".py").split("/"))
        for node, at_top in nodes:
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
                if node.module == "invariscope":
                    names = [f"invariscope.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                pieces = name.split(".")
                if pieces[0] == "invariscope" and len(pieces) > 1 and pieces[1] in RANK:
                    yield file, part, part_of(pieces[1:]), at_top


def test_imports_point_one_way():
    wrong = {
        (file, target)
        for file, part, target, _ in imports()
        if part in RANK and target != part and RANK[target] >= RANK[part] and RANK[part] > 0
    }
    assert not wrong
    low = {(file, target) for file, part, target, _ in imports() if RANK.get(part) == 0}
    ground = {"errors", "files", "memory", "outside", "registry", "seeding"}
    assert {target for _, target in low} <= ground


def files_imported_by_each() -> dict[str, set[str]]:
    """Module to the modules that it imports, inside functions and for types as well."""
    modules = {}
    for path in import_nodes():
        pieces = ("invariscope", *path.relative_to(SOURCE).with_suffix("").parts)
        modules[".".join(pieces).removesuffix(".__init__")] = path
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = set()
        for node, _ in import_nodes()[path]:
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in modules else node.module for name in full}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        graph[module] = (names & set(modules)) - {module}
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of files, empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_circle_of_files():
    assert not circle(files_imported_by_each())


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("invariscope.results.rows", "invariscope.results.result"),
        ("invariscope.results.averages", "invariscope.results.result"),
        ("invariscope.metrics.distances", "invariscope.metrics"),
    ],
)
def test_a_circle_is_seen(file, target):
    graph = files_imported_by_each()
    graph[file] = graph[file] | {target}
    assert {file, target} <= set(circle(graph))


def test_the_check_sees_imports():
    found = {(file, target) for file, _, target, _ in imports()}
    assert ("sweep/setup.py", "models") in found
    assert ("metrics/arguments.py", "errors") in found


def test_no_file_says_nothing_and_none_is_long():
    for path in SOURCE.rglob("*.py"):
        assert path.stem not in {"utils", "util", "helpers", "common", "misc", "base"}
        assert len(path.read_text().splitlines()) <= 400, path
