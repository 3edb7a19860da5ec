"""Tables and paragraphs of 80 columns; text is text."""

import io
import pty
import sys

from invariscope.cli.progress import JobBar, RunBar, TrainingBar
from invariscope.terminal import Terminal, interval, paragraphs, rendered, table


def test_names_are_neither_markup_nor_escapes():
    text = rendered("[red]a[/red] \x1b[2J:smile:", table(("[b]",), [("[red]\n\x1b",)], title="[i]"))
    assert text.splitlines() == ["[red]a[/red] \\x1b[2J:smile:", "[i]", "[b]", "[red]\\n\\x1b"]


def test_a_long_name_goes_on_in_the_next_line_and_numbers_stay_whole():
    name = "".join(f"{k:03}" for k in range(100))
    text = rendered(table(("name", ">n", "<interval"), [(name, 12345.678, "0.1 [0.0, 0.2]")] * 2))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("12345.678  0.1 [0.0, 0.2]" in line for line in lines) == 2
    assert len(lines) < 10
    assert "…" in text
    assert name[:12] in text
    assert name[-6:] in text


def test_paragraphs_stand_beside_their_names():
    lines = rendered(paragraphs([("model", "a " * 60), ("", "b")], 10)).splitlines()
    assert lines[0].startswith("model     a a")
    assert lines[1].startswith("          a")
    assert lines[-1] == "          b"


def test_a_line_is_never_broken_and_a_status_is_text():
    with io.StringIO() as file:
        terminal = Terminal(file)
        terminal.unbroken(f"report: {'x' * 200}/[a]\x1b")
        with terminal.status("[red]loading\x1b"):
            terminal.say("word " * 30)
        lines = file.getvalue().splitlines()
    assert lines[0] == f"report: {'x' * 200}/[a]\\x1b"
    assert max(map(len, lines[1:])) <= 80


def test_what_moves_in_a_terminal_ends(monkeypatch):
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with open(theirs, "w") as output, open(ours, "rb", buffering=0) as shown:
        monkeypatch.setattr(sys, "stdout", output)
        terminal = Terminal()
        assert terminal.is_terminal
        with terminal.status("loading"):
            pass
        with RunBar(terminal, "a run") as bar:
            bar.start(images=2, cells=1, passes=2, done=0)
            bar.advance(2)
            bar.note("one note")
        said = shown.read(4096)  # more does not wait there
        with JobBar(terminal) as bar:
            bar.start("trainings", jobs=3, done=1)
            bar.advance(None)
        said += shown.read(4096)
        with TrainingBar(terminal) as bar, bar.of("seed 7") as show:
            show(4, 5, {"loss": 0.25, "test accuracy": 0.5})
        said += shown.read(4096)
    for words in ("loading", "a run", "2/2", "one note", "trainings", "2/3", "seed 7"):
        assert words in said.decode()


def test_numbers_without_an_interval_stand_alone():
    assert interval(0.5, float("nan"), 0.6) == "0.500"
    assert interval(-0.0001, -0.1, 0.1, sign="+") == "+0.000 [-0.100, +0.100]"
