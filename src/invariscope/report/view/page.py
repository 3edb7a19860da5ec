"""The page of the view: all runs of a folder, to be filtered and chosen from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invariscope.report.kit.page import render
from invariscope.report.view.shown import MOST
from invariscope.version import VERSION

_SCRIPT = Path(__file__).parent / "view.js"


def page_html(folder: str, runs: Sequence[Any], others: Sequence[Any]) -> str:
    """The page as HTML.

    Args:
        folder: What the folder is called.
        runs: The runs that can be shown or say what is wrong (`invariscope.view.runs.Entry`).
        others: The other folders in it: trainings, searches, studies (likewise).
    """
    readable = [run for run in runs if not run.problem]
    return render(
        "view/page.html",
        folder=folder,
        facts=_facts(readable, len(others)),
        runs=runs,
        others=others,
        most=MOST,
        script_file=_SCRIPT.name,
        version=VERSION,
    )


def _facts(runs: Sequence[Any], others: int) -> list[tuple[str, str]]:
    models, data = ({str(getattr(run, what)) for run in runs} for what in ("model", "data"))
    facts = [
        ("Runs", f"{len(runs):,}"),
        ("Models", f"{len(models):,}"),
        ("Data", ", ".join(sorted(data)) if len(data) < 4 else f"{len(data):,}"),
        ("Newest run", runs[0].when if runs else ""),
        ("Other folders", f"{others:,}" if others else ""),
    ]
    return [(term, text) for term, text in facts if text]


def script() -> str:
    """What moves on the page."""
    return _SCRIPT.read_text(encoding="utf-8")


def problem_html(text: str) -> str:
    """A part of the page that cannot be shown: why, as HTML."""
    return render("view/problem.html", text=text)
