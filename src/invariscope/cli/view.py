"""`invariscope view`: a local page to browse and compare the runs in a folder."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from invariscope.errors import InputError

_NEEDED = ("starlette", "uvicorn")


def view(
    runs: Annotated[Path, typer.Argument(help="A folder with run folders in it.")] = Path("runs"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen (default: any that is free).")
    ] = 0,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Browse and compare runs in the browser, on this machine alone, until Ctrl-C.

    Nothing is written. The address that is shown holds a token; without it nothing is answered.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise InputError("`invariscope view` needs packages: pip install 'invariscope[view]'")
    from invariscope.cli.screen import Screen

    screen = Screen()
    with screen.status(f"reading {runs}"):
        from invariscope.view.runs import Runs
        from invariscope.view.serving import serve

        found = Runs(runs)
        if not found.entries():
            raise InputError(f"no runs in {runs}: `invariscope measure` writes them, below runs/")

    def ready(address: str) -> None:
        screen.unbroken(f"view: {address}")
        screen.unbroken("Ctrl-C ends it.")
        if open_browser:
            import webbrowser

            webbrowser.open(address)

    serve(found, port, ready)
