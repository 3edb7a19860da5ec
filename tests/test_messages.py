"""No public message ends in the text of somebody else's error: it ends in what would work."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "invariscope"
#: Whose text is our own: an `InputError`, and the `ValueError`s of the checks in `data`.
OURS = {"InputError", "RunError", "UnreadableImage", "InvariscopeError"}
CHECKS = {"data/arrays.py", "data/datasets.py", "data/hf.py"}


def raw_endings(tree: ast.Module, name: str) -> list[int]:
    """Lines of f-strings that end in the error they were made for."""
    found = []
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)):
        kinds = {
            node.id
            for node in ast.walk(handler.type or ast.Tuple([]))
            if isinstance(node, ast.Name)
        }
        if not handler.name or kinds <= OURS or (kinds == {"ValueError"} and name in CHECKS):
            continue
        for text in (node for node in ast.walk(handler) if isinstance(node, ast.JoinedStr)):
            last = text.values[-1] if text.values else None
            names = {n.id for n in ast.walk(last) if isinstance(n, ast.Name)} if last else set()
            if isinstance(last, ast.FormattedValue) and handler.name in names:
                if "what_would_work" not in names:
                    found.append(text.lineno)
    return found


def test_no_message_ends_in_an_error_of_somebody_else():
    wrong = {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        lines = raw_endings(ast.parse(file.read_text(encoding="utf-8")), name)
        if lines and name != "effects/noun_files.py":  # a number of its own
            wrong[name] = lines
    assert wrong == {}


def test_the_search_finds_one():
    code = "try:\n    f()\nexcept OSError as e:\n    raise InputError(f'no: {e}')\n"
    assert raw_endings(ast.parse(code), "x.py") == [4]
