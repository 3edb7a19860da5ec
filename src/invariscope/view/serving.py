"""Serves the view on this machine until Ctrl-C."""

import os
import secrets
import socket
from collections.abc import Callable

import uvicorn

from invariscope.errors import InputError
from invariscope.view.app import application
from invariscope.view.runs import Runs

LOOPBACK = "127.0.0.1"


def listening(port: int) -> socket.socket:
    """Opens a socket that only this machine can reach.

    Args:
        port: Which; 0: any that is free.

    Raises:
        InputError: The port is taken, or cannot be had.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere this would share a port that is in use
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((LOOPBACK, port))
        opened.listen()
    except OSError as error:
        opened.close()
        raise InputError(
            f"port {port} cannot be had ({error.strerror or error}): give another `port`, or none "
            "for one that is free"
        ) from None
    return opened


def server_for(runs: Runs, opened: socket.socket) -> tuple[uvicorn.Server, str]:
    """Makes the server of an open socket, and the address with a token that is drawn for it."""
    number, token = opened.getsockname()[1], secrets.token_urlsafe(24)
    config = uvicorn.Config(
        application(runs, token, f"invariscope-{number}"), http="h11", ws="none", loop="asyncio",
        lifespan="off", log_level="error", access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return uvicorn.Server(config), f"http://{LOOPBACK}:{number}/?token={token}"


def serve(runs: Runs, port: int, ready: Callable[[str], None]) -> None:
    """Serves runs until Ctrl-C.

    Args:
        runs: Them.
        port: As for `listening`.
        ready: What is told the address, with its token, when the socket is open.

    Raises:
        InputError: The port is taken.
    """
    with listening(port) as opened:
        server, address = server_for(runs, opened)
        try:
            ready(address)
            server.run(sockets=[opened])
        except KeyboardInterrupt:  # uvicorn has ended, and passes on what ended it
            return
