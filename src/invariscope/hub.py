"""Reaches for the hub of Hugging Face, or says at once that it does not answer.

Its libraries try again and again where there is no network: 20 to 50 s for each model or data set.
So the hub is asked first whether it answers, within three seconds. Where it does not, they are told
to take what is kept on the disk. Behind a proxy they are left alone.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

TIMEOUT = 3.0
_LIBRARIES = ("huggingface_hub", "datasets")


@contextmanager
def hub_at_once() -> Iterator[None]:
    """Lets what is done inside fetch from the hub if it answers, else read what is on the disk.

    Raises:
        ConnectionError: The hub does not answer, and what is wanted is not on the disk.
    """
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    if constants.HF_HUB_OFFLINE or getproxies() or answers(host):
        yield
        return
    loaded = getattr(sys.modules.get("datasets"), "config", None)
    settings: list[Any] = [constants] if loaded is None else [constants, loaded]
    before = [module.HF_HUB_OFFLINE for module in settings]
    for module in settings:
        module.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:
        if not _of_the_hub(error):
            raise
        message = f"{host} does not answer, and what is wanted is not kept on the disk"
        raise ConnectionError(message) from error
    finally:
        for module, value in zip(settings, before, strict=True):
            module.HF_HUB_OFFLINE = value


def answers(host: str, port: int = 443) -> bool:
    """Says whether a host takes connections."""
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except OSError:
        return False
    return True


def _of_the_hub(error: BaseException) -> bool:
    """Whether the libraries of the hub raised it, or something that they raised is its reason."""
    own = type(error).__module__.partition(".")[0] in _LIBRARIES or type(error) is ConnectionError
    reason = error.__cause__ or error.__context__
    return own or (reason is not None and _of_the_hub(reason))
