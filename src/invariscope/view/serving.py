"""Serves the view on this machine until Ctrl-C."""

import os
import secrets
import socket
from collections.abc import Callable

from invariscope.errors import InputError
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


def serve(runs: Runs, port: int, ready: Callable[[str], None]) -> None:
    """Serves runs until Ctrl-C.

    Args:
        runs: Them.
        port: As for `listening`.
        ready: What is told the address, with its token, once it answers.

    Raises:
        InputError: The port is taken.
    """
    import uvicorn

    from invariscope.view.app import application

    with listening(port) as opened:
        number, token = opened.getsockname()[1], secrets.token_urlsafe(24)
        app = application(runs, token, f"invariscope-{number}")
        server = uvicorn.Server(
            uvicorn.Config(
                app, http="h11", ws="none", loop="asyncio", lifespan="off", log_level="error",
                access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        ready(f"http://{LOOPBACK}:{number}/?token={token}")
        try:
            server.run(sockets=[opened])
        except KeyboardInterrupt:  # uvicorn has ended, and passes on what ended it
            return
