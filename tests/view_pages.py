"""Asks the application of `invariscope view` without a server."""

import asyncio
from typing import Any
from urllib.parse import urlencode


def asked(app: Any, path: str, **query: str) -> tuple[int, str]:
    """Status and text of the answer to who has the token "token"."""
    said: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": [
            (b"host", b"localhost"), (b"cookie", b"invariscope=token")],
        "query_string": urlencode(query).encode(), "http_version": "1.1", "scheme": "http",
        "server": ("localhost", 80), "client": ("localhost", 1), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    asyncio.run(app(scope, receive, send))
    return said[0]["status"], b"".join(part.get("body", b"") for part in said[1:]).decode()
