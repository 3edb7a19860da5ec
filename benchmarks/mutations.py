"""What can be changed in the program: every mutant of a file, and a draw of them.

A mutant is one change to one expression: a comparison, + and −, × and ÷, "and" and "or" swapped; a
number or a default one more or less, twice or half; True for False; a condition turned, a "not" or
a minus dropped; a clamp, a root, a sort left out; two arguments swapped; min for max, mean for sum.
Never text, messages, annotations, `__all__`. Lines are drawn evenly, so many for each folder as it
has of all, then one of the mutants of each.
"""

import ast
import itertools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDERS = (
    "metrics", "transformations", "statistics", "sweep", "search", "training/augmentations",
    "data/transforms2d",
)  # fmt: skip

#: What stands between two expressions, and what else could.
OPERATORS = {
    "<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="), "==": ("!=",),
    "!=": ("==",), "is not": ("is",), "is": ("is not",), "not in": ("in",), "in": ("not in",),
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "//": ("*",), "%": ("*",), "**": ("*",),
    "&": ("|",), "|": ("&",), "and": ("or",), "or": ("and",),
}  # fmt: skip
PAIRS = (
    "min max", "amin amax", "minimum maximum", "argmin argmax", "mean sum", "nanmean nansum",
    "any all", "floor ceil", "sin cos", "zeros ones", "zeros_like ones_like", "first last",
    "var std", "nanmin nanmax", "median mean", "lower upper", "sorted list",
)  # fmt: skip
TWINS = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])} | {"mean": "sum"}
#: Calls that can be left out: what they are given is of the same kind as what they give.
LEFT_OUT = set(
    "abs clamp clamp_min clamp_max clip sqrt square exp expm1 log log1p round floor ceil sort"
    " sorted flip nan_to_num double float cumsum clone copy unique conj relu rsqrt reversed set"
    " tuple triu tril masked_fill roll transpose".split()
)
#: Calls whose arguments say the same either way round, or are kinds of things.
EITHER_WAY = {"min", "max", "minimum", "maximum", "isinstance", "issubclass", "cast", "TypeVar"}


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from `start` to `end` of a file become `after`."""

    file: str
    line: int
    start: int
    end: int
    kind: str
    before: str
    after: str

    def applied(self, source: bytes) -> bytes:
        """The source with the change."""
        return source[: self.start] + self.after.encode() + source[self.end :]


class Finder(ast.NodeVisitor):
    """Finds the mutants of one file."""

    def __init__(self, file: str, source: bytes):
        self._file, self._source = file, source
        lengths = [len(line) for line in source.splitlines(keepends=True)]
        self._offsets = [0, *itertools.accumulate(lengths)]
        self._defaults: set[int] = set()
        self._inside = 0
        self.found: list[Mutant] = []
        self.visit(ast.parse(source))

    def _span(self, node: Any) -> tuple[int, int]:
        start = self._offsets[node.lineno - 1] + node.col_offset
        return start, self._offsets[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _add(self, kind: str, start: int, end: int, after: str) -> None:
        before = self._source[start:end].decode()
        line = self._source[:start].count(b"\n") + 1
        self.found.append(Mutant(self._file, line, start, end, kind, before, after))

    def _between(self, kind: str, left: ast.expr, right: ast.expr) -> None:
        """Other operators in place of the one between two expressions."""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self._source[start:end].decode()
        word = gap.strip("() \n\t").split("#")[0].strip()
        for other in OPERATORS.get(word, ()):
            self._add(kind, start, end, gap.replace(word, other, 1))

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, right in itertools.pairwise([node.left, *node.comparators]):
            self._between("comparison", left, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in itertools.pairwise(node.values):
            self._between("and, or", left, right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if self._inside and not text:  # outside of functions | makes types
            self._between("arithmetic", node.left, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        start, end = self._span(node.target)[1], self._span(node.value)[0]
        gap = self._source[start:end].decode()
        for other in OPERATORS.get(gap.strip("( ")[:-1], ()):
            self._add("arithmetic", start, end, gap.replace(gap.strip("( "), f"{other}="))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        start, _ = self._span(node)
        if isinstance(node.op, ast.Not):
            self._add("not dropped", start, start + 4, "")
        elif isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self._add("minus dropped", start, start + 1, "")
        self.generic_visit(node)

    def _turned(self, test: ast.expr) -> None:
        negation = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        if not (negation or isinstance(test, ast.Compare)):
            self._add("condition turned", *self._span(test), f"(not ({self._text(test)}))")

    def visit_If(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self._turned(node.test)
            self.generic_visit(node)

    visit_While = visit_IfExp = visit_If

    def visit_Constant(self, node: ast.Constant) -> None:
        kind = "default" if id(node) in self._defaults else "number"
        span, value = self._span(node), node.value
        if isinstance(value, bool):
            self._add("default" if kind == "default" else "truth", *span, str(not value))
        elif isinstance(value, int):
            for other in (value + 1, value - 1):
                self._add(kind, *span, str(other))
        elif isinstance(value, float):
            for other in (2 * value, value / 2) if value else (1.0,):
                self._add(kind, *span, repr(other))

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name.endswith("Error") or name in ("warn", "TypeVar", "cast"):
            return
        end = self._span(node.func)[1]
        if name in TWINS:
            self._add("twin", end - len(name), end, TWINS[name])
        if name in LEFT_OUT:
            owner = getattr(node.func, "value", None)
            module = owner is None or self._text(owner) in ("torch", "np", "math", "functional")
            kept = node.args[0] if module and node.args else owner
            if kept is not None:
                self._add("call left out", *self._span(node), f"({self._text(kept)})")
        two = [a for a in node.args[:2] if isinstance(a, ast.Name | ast.Attribute | ast.BinOp)]
        if len(two) == 2 and name not in EITHER_WAY:
            first, second = map(self._text, two)
            start, end = self._span(two[0])[0], self._span(two[1])[1]
            gap = self._source[self._span(two[0])[1] : self._span(two[1])[0]].decode()
            self._add("arguments swapped", start, end, second + gap + first)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        given = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        self._defaults |= {id(default) for default in given}
        for part in [*given, *node.decorator_list]:
            self.visit(part)
        self._inside += 1
        for statement in node.body:
            self.visit(statement)
        self._inside -= 1

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._defaults.add(id(node.value))
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(isinstance(name, ast.Name) and name.id == "__all__" for name in node.targets):
            self.generic_visit(node)

    def visit_Raise(self, node: ast.AST) -> None: ...

    visit_JoinedStr = visit_arg = visit_Assert = visit_Raise


def another(mutant: Mutant, root: Path) -> bool:
    """Whether what a change leaves is a program, and not the same."""
    source = (root / mutant.file).read_bytes()
    try:
        return ast.dump(ast.parse(mutant.applied(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def drawn(count: int, seed: int, root: Path) -> list[Mutant]:
    """Draws mutants: lines evenly over the folders, one mutant of each."""
    rng = random.Random(seed)
    lines: dict[str, int] = {}
    mutants: dict[str, dict[tuple[str, int], list[Mutant]]] = {}
    for folder in FOLDERS:
        lines[folder], mutants[folder] = 0, {}
        for path in sorted((root / "src/invariscope" / folder).rglob("*.py")):
            source = path.read_bytes()
            lines[folder] += source.count(b"\n")
            for mutant in Finder(path.relative_to(root).as_posix(), source).found:
                mutants[folder].setdefault((mutant.file, mutant.line), []).append(mutant)
    chosen = []
    for folder in FOLDERS:
        share = round(count * lines[folder] / sum(lines.values()))
        places = sorted(mutants[folder])
        rng.shuffle(places)
        picked = (rng.choice(mutants[folder][place]) for place in places)
        chosen += itertools.islice((mutant for mutant in picked if another(mutant, root)), share)
    rng.shuffle(chosen)
    return chosen
