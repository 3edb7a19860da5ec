"""Pages: HTML files that need nothing else, neither network nor fonts nor a server."""

import os
from pathlib import Path

import jinja2

from invariscope.errors import InputError

PAGE = jinja2.Environment(
    loader=jinja2.PackageLoader("invariscope.report.kit", "page"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)


def write_page(target: Path, text: str) -> Path:
    """Writes a page whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    # Whoever has the old page open, or stops this half-way, keeps a whole page.
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"cannot write the report {target}: {error.strerror or error}; name a file in a folder "
            "that exists and can be written"
        ) from None
    return target


def asset(name: str) -> str:
    """The text of a file of the page: its style sheet or its script."""
    loader = PAGE.loader
    if loader is None:
        raise RuntimeError("the report's template environment has no loader")
    return loader.get_source(PAGE, name)[0]
