"""`invariscope view`: one address, Ctrl-C, and one line for whatever is wrong."""

import http.client
import re
import signal
import socket
import subprocess
import sys

import pytest

ENTRY = "from invariscope.cli import main; main()"


@pytest.fixture
def runs(place):
    """A folder with one folder that something of ours wrote."""
    (place / "runs" / "net").mkdir(parents=True)
    (place / "runs" / "net" / "recipe.json").write_text("{}")
    return place / "runs"


def test_it_shows_one_address_and_ends_on_ctrl_c(runs, environment):
    command = [sys.executable, "-c", ENTRY, "view", "runs"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"view: http://127\.0\.0\.1:(\d+)/\?token=([\w-]{32})\n", line)
            assert found, line
            assert process.stdout.readline() == "Ctrl-C ends it.\n"
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
            connection.request("GET", f"/?token={found[2]}")
            answer = connection.getresponse()
            assert (answer.status, answer.read()[:15]) == (200, b"<!doctype html>")
            process.send_signal(signal.SIGINT)  # the connection is still open
            out, err = process.communicate(timeout=30)
            connection.close()
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_a_line(runs, invariscope):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = invariscope("view", "runs", "--port", port)
    assert (code, out) == (2, "")
    assert re.fullmatch(
        rf"invariscope: port {port} cannot be had \(.*\): give another --port.*\n", err
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [("none", "no folder at none: give the folder"), ("pictures", "no runs in pictures: ")],
)
def test_without_runs_it_says_so(runs, invariscope, given, said):
    code, out, err = invariscope("view", given)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_without_its_packages_it_says_how_to_get_them(runs, invariscope, monkeypatch):
    monkeypatch.setattr("invariscope.cli.view.find_spec", lambda name: None)
    code, out, err = invariscope("view", "runs")
    assert (code, out) == (2, "")
    assert "pip install 'invariscope[view]'" in err
    assert err.count("\n") == 1


def test_the_browser_is_opened_where_that_is_asked(runs, invariscope, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    assert invariscope("view", "runs")[0] == 0
    assert opened == []
    code, out, _ = invariscope("view", "runs", "--open")
    assert code == 0
    assert out.splitlines()[0] == f"view: {opened[0]}"
