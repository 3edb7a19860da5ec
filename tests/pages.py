"""Reads the code out of pages of the documentation, and does what a page says, in its order.

Code is a fenced block, or an indented one whose first word is a command. A fenced block that opens
with `# NAME` is a file of that name.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCED = re.compile(r"^```\{?([\w-]+)\}?[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:\A|\n\n)((?:    [^\n]*(?:\n+(?=    )|\n|\Z))+)")
NAMED = re.compile(r"# ([\w./-]+\.\w+)$", re.MULTILINE)
# What begins a block of commands, and what a shell does between them.
PROGRAMS = ("invariscope", "pip", "python3", "pytest", "nox", "apt-get", "ray", "sbatch", "srun")
INSTALLING = ("python3 -m venv", "pip install")
BETWEEN = ("&&", "||", "|", ";")


@dataclass(frozen=True)
class Piece:
    """A block of code of a page."""

    language: str  # "console" for commands
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is, if it says so in its first line."""
        named = NAMED.match(self.text)
        return named[1] if named else None


def pieces(page: Path) -> list[Piece]:
    """The code of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    found = [(at.start(), Piece(at[1], at[2])) for at in FENCED.finditer(text)]
    for at in INDENTED.finditer(FENCED.sub(lambda whole: "\n" * len(whole[0]), text)):
        body = re.sub(r"^    ", "", at[1], flags=re.MULTILINE)
        if body.split()[0] in PROGRAMS:
            found.append((at.start(), Piece("console", body)))
    return [piece for _, piece in sorted(found, key=lambda pair: pair[0])]


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of one language."""
    return [piece.text for piece in pieces(page) if piece.language == language]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block, as a shell would split them."""
    for line in text.replace("\\\n", " ").splitlines():
        command: list[str] = []
        for word in shlex.split(line, comments=True):
            if word not in BETWEEN:
                command.append(word)
            elif command:
                yield command
                command = []
        if command:
            yield command


def own_commands(text: str) -> list[list[str]]:
    """What a block tells `invariscope` to do, without the name of the program."""
    return [words[1:] for words in commands(text) if words[0] == "invariscope"]


def do_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Does what a page says, in a folder: writes its files, runs its Python and its commands.

    Returns:
        The names that its Python has at the end.

    Raises:
        AssertionError: A command ended otherwise than the page says (`# exit 1`), or well.
    """
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names: dict[str, Any] = {"__name__": "__page__"}
    for piece in pieces(page):
        if piece.file is not None:
            (folder / piece.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / piece.file).write_text(piece.text, encoding="utf-8")
            # Another page may have had a module of this name; the patch brings it back at the end.
            monkeypatch.delitem(sys.modules, Path(piece.file).stem, raising=False)
        elif piece.language in ("python", "code-cell"):
            # Without a cell's options and IPython's own lines.
            code = re.sub(r"\A(?::.*\n)+|^%.*$", "", piece.text, flags=re.MULTILINE)
            exec(compile(code, str(page), "exec"), names)
        elif piece.language == "console":
            for line in piece.text.replace("\\\n", " ").splitlines():
                if line.startswith(INSTALLING):
                    continue
                stated = re.search(r"# exit (\d)", line)
                for words in own_commands(line):
                    ended = _command_line(_expanded(words, folder), monkeypatch)
                    assert ended == int(stated[1] if stated else 0), (words, ended)
    return names


def _expanded(words: list[str], folder: Path) -> list[str]:
    """The words with paths in place of `runs/*`, as a shell has them."""
    found = []
    for word in words:
        paths = sorted(folder.glob(word)) if re.fullmatch(r"[\w./-]+/\*", word) else []
        found += [str(path.relative_to(folder)) for path in paths] or [word]
    return found


def _command_line(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    from invariscope.cli import main

    monkeypatch.setattr(sys, "argv", ["invariscope", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def parsed(words: list[str]) -> None:
    """Reads the words of a command as the program does, and does nothing.

    Raises:
        AssertionError: There is no such command or option, or a value is none of its kind.
    """
    import typer.main

    from invariscope.cli.app import app

    command: Any = typer.main.get_command(app)
    name, rest = "invariscope", list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            raise AssertionError(f"{name} has no command {rest[:1]}")
        name, command, rest = rest[0], command.commands[rest[0]], rest[1:]
    try:
        command.make_context(name, rest)
    except Exception as wrong:  # click's; some releases of typer have a copy of it
        raise AssertionError(f"invariscope {words}: {wrong}") from wrong
