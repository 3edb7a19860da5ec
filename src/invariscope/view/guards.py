"""Keeps strangers out: whoever has not the token, other sites in the browser, other hosts.

The address that the command prints holds a token, drawn for each start. The page that it opens sets
a cookie with the same token, which scripts cannot read and which no other site can make the browser
send; its own script takes the token out of the address. Every other request needs the cookie. What
asks under another host's name (DNS rebinding) is refused before that.
"""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Names under which this machine may be asked.
HOSTS = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SafeHeaders:
    """Sends with every answer what a browser must not do with it.

    Args:
        app: What answers; a policy of its own is kept.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Content-Security-Policy", _POLICY)
            await send(message)

        await self.app(scope, receive, with_headers)


class TokenGuard:
    """Answers only who has the token, in the address or in the cookie.

    Args:
        app: What answers.
        token: It.
        cookie: The cookie's name.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str):
        self.app, self.token, self.cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        request = Request(scope)
        brought = self._is_token(request.query_params.get("token", ""))
        if not brought and not self._is_token(request.cookies.get(self.cookie, "")):
            text = "open the address that `invariscope view` printed, with its token\n"
            await PlainTextResponse(text, 403)(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if brought and message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", self._set())
            await send(message)

        await self.app(scope, receive, with_cookie)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    def _set(self) -> str:
        return f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
