"""The application: what each address of the view answers. All of them only read."""

import threading
from collections.abc import Callable
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from invariscope.errors import InputError, InvariscopeError
from invariscope.report.kit.heat import link
from invariscope.report.kit.page import render
from invariscope.report.run.layer_page import layer_facts, shown_motions
from invariscope.report.run.layered import Layered
from invariscope.report.view.card import card_html
from invariscope.report.view.choice import choice_html, choose, layers_html, transformations_of
from invariscope.report.view.page import page_html, problem_html, script
from invariscope.report.view.shown import ShownRun
from invariscope.runs.manifest import MEASURE
from invariscope.view.guards import HOSTS, SafeHeaders, TokenGuard
from invariscope.view.runs import REPORT, Runs

# A written report may be anybody's: it is shown as it is, and none of its scripts run.
_STILL = "sandbox allow-same-origin; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Figures are drawn under settings that hold for the whole process: one at a time.
_one_at_a_time = threading.Lock()


def application(runs: Runs, token: str, cookie: str = "invariscope") -> Starlette:
    """Makes the application.

    Args:
        runs: What it shows.
        token: What whoever asks must bring.
        cookie: The name of the cookie that keeps it; cookies of all ports share one jar.
    """
    answers = Answers(runs)
    routes = {
        "/": answers.page,
        "/view.js": answers.script,
        "/choice": answers.choice,
        "/card": answers.card,
        "/layers": answers.layers,
        "/layer": answers.layer,
        "/report/{key}/{name:path}": answers.report,
    }
    return Starlette(
        routes=[Route(path, _answer(make), methods=["GET"]) for path, make in routes.items()],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(TokenGuard, token=token, cookie=cookie),
        ],
        exception_handlers={HTTPException: _refusal},
    )


class Answers:
    """What the addresses answer.

    Args:
        runs: What they show.
    """

    def __init__(self, runs: Runs):
        self.runs = runs

    def page(self, request: Request) -> Response:
        """All runs."""
        entries = self.runs.entries()
        rows = [
            (
                entry.name,
                entry.kind,
                link("report", f"report/{entry.key}/{REPORT}")
                if self.runs.has_report(entry)
                else "",
            )
            for entry in entries
            if entry.kind != MEASURE
        ]
        measured = [entry for entry in entries if entry.kind == MEASURE]
        return HTMLResponse(page_html(self.runs.name, measured, rows))

    def script(self, request: Request) -> Response:
        """What moves on the page."""
        return Response(script(), media_type="text/javascript")

    def choice(self, request: Request) -> Response:
        """The filters of the runs that are chosen."""
        runs, choice = self._chosen(request)
        return HTMLResponse(choice_html(runs, choice, _links(runs)))

    def card(self, request: Request) -> Response:
        """The card of a transformation."""
        runs, choice = self._chosen(request)
        name = request.query_params.get("transformation", "")
        if name not in [known for known, *_ in transformations_of(runs)]:
            raise InputError("none of these runs has this transformation")
        return HTMLResponse(card_html(runs, choice, name))

    def layers(self, request: Request) -> Response:
        """The layers of each run that is chosen."""
        runs, choice = self._chosen(request)
        return HTMLResponse(layers_html(runs, choice, _links(runs)))

    def layer(self, request: Request) -> Response:
        """The page of a layer, as beside the report."""
        (run,) = self.runs.shown([request.query_params.get("run", "")])
        layered, name = Layered(run.readings), request.query_params.get("layer", "")
        names = [layer["name"] for layer in _layers(run)]
        if name not in names:
            raise InputError(f"{run.name} has no such layer")
        place = names.index(name)
        sides = {"before": names[place - 1 : place] if place else [], "after": names[place + 1 :]}
        links = {
            side: (own[0], _layer_link(run, own[0])) if own else None for side, own in sides.items()
        }
        facts = layer_facts(layered, name, shown_motions(layered))
        text = render(
            "run/layer.html", **facts, **links, report=f"./#runs={run.key}", report_words="The runs"
        )
        return HTMLResponse(text)

    def report(self, request: Request) -> Response:
        """A written report, or a layer's page beside it."""
        path = self.runs.page(request.path_params["key"], request.path_params["name"])
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"cannot read {path.name} ({error.strerror}): see who may read it"
            ) from error
        return Response(
            content, media_type="text/html", headers={"Content-Security-Policy": _STILL}
        )

    def _chosen(self, request: Request):
        asked = request.query_params
        runs = self.runs.shown([key for key in asked.get("runs", "").split(",") if key])
        return runs, choose(runs, asked.get("metric", ""), asked.get("layer", ""))


def _layers(run: ShownRun) -> list[dict]:
    return Layered(run.readings).layers()


def _links(runs: list[ShownRun]) -> dict[str, dict[str, str]]:
    return {
        run.key: {layer["name"]: _layer_link(run, layer["name"]) for layer in _layers(run)}
        for run in runs
    }


def _layer_link(run: ShownRun, layer: str) -> str:
    return f"layer?{urlencode({'run': run.key, 'layer': layer}, quote_via=quote)}"


def _answer(make: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Answers one request at a time; what cannot be shown is said in its place."""

    def answer(request: Request) -> Response:
        with _one_at_a_time:
            try:
                return make(request)
            except InvariscopeError as problem:
                return HTMLResponse(problem_html(str(problem)), 404)

    return answer


def _refusal(request: Request, problem: Exception) -> Response:
    code = problem.status_code if isinstance(problem, HTTPException) else 500
    said = {404: "there is nothing here", 405: "this view only reads: GET"}
    return PlainTextResponse(said.get(code, "refused") + "\n", code)
