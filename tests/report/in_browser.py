"""A page in headless Chromium, opened from a file, with no host within reach."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# No answer from any host: a page that wants the network fails here instead of hanging.
FLAGS = ["--proxy-server=127.0.0.1:9", "--disable-background-networking", "--disable-quic"]


@dataclass(frozen=True)
class Opened:
    """A page as it stands there once it is loaded.

    Args:
        page: Playwright's page.
        said: Its console, its errors, and the addresses that it asked for beside files.
    """

    page: Any
    said: list[str]

    @property
    def document(self) -> str:
        """Its elements, as text."""
        return self.page.content()

    def answer(self, body: str) -> Any:
        """What the body of a function returns, of the document `page` and its window `view`."""
        return self.page.evaluate(f"() => {{const page = document, view = window; {body}}}")


def opened(browser: Any, path: Path, width: int) -> Opened:
    """Opens a file in a window of so many CSS pixels."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda one: one.url.startswith(("file:", "data:")) or said.append(one.url))
    page.goto(path.as_uri())
    return Opened(page, said)
