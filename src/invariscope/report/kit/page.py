"""Pages: HTML files that need nothing else, neither network nor fonts nor a server.

A page is a function that gathers facts and a template that extends ``kit/base.html`` and shows them
with the macros of ``kit/macros.html``. Style sheet and script are the same on all pages.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from invariscope.errors import InputError, RunError
from invariscope.files import disk_is_full

_HERE = Path(__file__).parent


def columns(*texts: str, numbers: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Headings of a table as the macros take them: first those of texts, then those of numbers.

    Example:
        >>> columns("Class", numbers=["n"])
        [('Class', ''), ('n', 'number')]
    """
    return [(title, "") for title in texts] + [(title, "number") for title in numbers]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    shared: dict[str, Any] = {
        "columns": columns,
        "style": Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(digest).decode(),
    }
    environment.globals.update(shared)
    return environment


_PAGES = _environment()


def render(template: str, **facts: Any) -> str:
    """The text of a page.

    Args:
        template: Its template, such as "run/page.html".
        facts: What the template shows. Names and texts are escaped there.
    """
    return _PAGES.get_template(template).render(**facts)


def write_page(path: str | os.PathLike[str], text: str, name: str = "report.html") -> Path:
    """Writes a page whole or not at all.

    Args:
        path: The file to write, or a folder.
        text: The page.
        name: What its file is called in a folder.

    Raises:
        InputError: If the file cannot be written.
        RunError: If the disk is full.
    """
    target = Path(path)
    target = target / name if target.is_dir() else target
    # Whoever has the old page open, or stops this half-way, keeps a whole page.
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        kind = RunError if disk_is_full(error) else InputError
        raise kind(
            f"cannot write the report {target}: {error.strerror or error}; name a file in a folder "
            "that exists and can be written"
        ) from None
    return target
