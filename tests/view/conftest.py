"""A folder with runs of two small networks, and a view of it that answers."""

import http.client
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.view.runs import Runs
from invariscope.view.serving import listening, server_for

FIRST, SECOND = "rotate=15/45/90,brightness_down=0.6/0.2", "rotate=15/30/90"


def network(seed):
    """Small, and quick to change its mind."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 4)
    )


def pictures():
    coarse = np.random.default_rng(3).integers(0, 256, (16, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(6, axis=1).repeat(6, axis=2)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """runs/first, with channels and a twin; runs/deep/second, of other levels."""
    runs = tmp_path_factory.mktemp("a place") / "runs"
    how = {
        "images": (pictures(), ["a", "b", "c", "<i>d</i>"] * 4),
        "task": "classification",
        "device": "cpu",
        "workers": 0,
    }
    invariscope.measure(
        network(0), **how, transformations=FIRST, groups="C4", output=runs / "first",
        metrics="relative_invariance,prediction_consistency,channel_equivariance",
    )  # fmt: skip
    invariscope.measure(network(1), **how, transformations=SECOND, output=runs / "deep" / "second")
    return runs


@pytest.fixture(scope="session")
def results(folder):
    """What the two runs hold, read as anybody would."""
    return [invariscope.Result.load(folder / name) for name in ("first", "deep/second")]


class Asked:
    """Asks a view, by the address that it printed; `get` brings the token's cookie."""

    def __init__(self, runs, address):
        self.runs, self.address = runs, address
        about = urlsplit(address)
        self.host, self.port = str(about.hostname), about.port
        (self.token,) = parse_qs(about.query)["token"]
        self.cookie = f"invariscope-{self.port}={self.token}"

    def send(self, path, *, method="GET", **headers):
        """(status, headers, text); nothing of the path or the headers is made nicer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read().decode()
        connection.close()
        return found

    def get(self, path, **query):
        more = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        return self.send(f"{path}?{more}" if more else path, Cookie=self.cookie)

    def keys(self, *names):
        known = {entry.name: entry.key for entry in self.runs.entries()}
        return ",".join(known[f"{self.runs.name}/{name}"] for name in names)


@contextmanager
def view_of(folder):
    runs = Runs(folder)
    with listening(0) as opened:
        server, address = server_for(runs, opened)
        how = {"sockets": [opened]}
        thread = threading.Thread(target=server.run, kwargs=how, daemon=True)
        thread.start()
        try:
            yield Asked(runs, address)
        finally:
            server.should_exit = True
            thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def opened():
    """Opens a view of a folder, as a context."""
    return view_of


@pytest.fixture(scope="session")
def view(folder):
    with view_of(folder) as asked:
        yield asked
