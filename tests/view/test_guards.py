"""Each guard refuses: without the token, from another host, by another method, outside."""

import os
import socket

import pytest

from invariscope.errors import InputError
from invariscope.view.serving import LOOPBACK, listening

PLACES = ("/", "/view.js", "/choice", "/card", "/layers", "/layer", "/report/k/report.html", "/no")


@pytest.mark.parametrize("path", PLACES)
def test_nothing_is_answered_without_the_token(view, path):
    for given in ("", "?token=", "?token=wrong", f"?token={view.token[:-1]}", "?token=%C3%A9"):
        code, headers, text = view.send(path + given)
        assert (code, "Set-Cookie" in headers) == (403, False)
        assert "with its token" in text
    cookie = f"invariscope-{view.port}=wrong; invariscope-1={view.token}"
    assert view.send(path, Cookie=cookie)[0] == 403


def test_the_token_of_the_address_becomes_a_cookie_that_scripts_and_sites_cannot_use(view):
    code, headers, text = view.send(f"/?token={view.token}")
    assert code == 200
    assert headers["Set-Cookie"] == f"{view.cookie}; HttpOnly; SameSite=Strict; Path=/"
    assert view.token not in text
    code, headers, again = view.get("/")
    assert (code, "Set-Cookie" in headers, again) == (200, False, text)


def test_each_start_draws_another_token(folder, view, opened):
    with opened(folder) as other:
        assert len(other.token) >= 32
        assert other.token != view.token
        assert other.send("/", Cookie=view.cookie)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.2", ""])
def test_another_host_is_refused_even_with_the_token(view, host):
    code, headers, _ = view.send(f"/?token={view.token}", Host=host, Cookie=view.cookie)
    assert (code, "Set-Cookie" in headers) == (400, False)


def test_this_machine_may_be_called_localhost(view):
    assert view.send("/", Host=f"localhost:{view.port}", Cookie=view.cookie)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_answered(view, method):
    assert view.send("/choice", method=method, Cookie=view.cookie)[0] == 405


def test_every_answer_says_what_a_browser_must_not_do(view):
    refused = view.send("/"), view.send("/", Host="evil.example"), view.get("/nothing")
    for _, headers, _ in (view.get("/"), view.get("/choice", runs=view.keys("first")), *refused):
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not [rule for rule in policy if "script" in rule and "unsafe" in rule]
        assert "Access-Control-Allow-Origin" not in headers
        assert "server" not in {name.lower() for name in headers}


def test_only_this_machine_can_reach_the_socket():
    with listening(0) as opened:
        assert opened.getsockname()[0] == LOOPBACK == "127.0.0.1"
        port = opened.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} cannot be had .*give another `port`"):
            listening(port)
        others = {about[4][0] for about in socket.getaddrinfo(socket.gethostname(), None)}
        for address in {str(one) for one in others if not str(one).startswith("127.")}:
            with socket.socket() as other:
                other.settimeout(2)
                assert other.connect_ex((address, port)) != 0


OUTSIDE = ("../../secret.html", "..%2f..%2fsecret.html", "layers/../../../secret.html",
           "/etc/passwd", "manifest.json", "rows/block-00000.parquet", "layers/", "")  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_page_but_a_report_and_its_layers_is_served(view, folder, path):
    (folder.parent / "secret.html").write_text("secret")
    code, _, text = view.get(f"/report/{view.keys('first')}/{path}")
    assert code == 404
    assert "secret" not in text


def test_a_run_is_not_named_by_a_path(view):
    for path in ("first", "../runs/first", "/", ".", "deep/second"):
        code, _, text = view.get("/choice", runs=path)
        assert code == 404
        assert "there is no such run in this folder" in text


def test_what_leads_out_of_the_folder_is_not_opened(folder, tmp_path, opened):
    """A link to a run elsewhere is not listed; one whose manifest or rows are links is refused."""
    runs = tmp_path / "runs"
    for name in ("whole", "rows", "manifest"):
        (runs / name).mkdir(parents=True)
        for path in (folder / "first").iterdir():
            os.symlink(path, runs / name / path.name)
    for name in ("rows", "whole"):
        (runs / name / "manifest.json").unlink()
        (runs / name / "manifest.json").write_bytes((folder / "first/manifest.json").read_bytes())
    os.symlink(folder / "first", runs / "link")
    (runs / "whole" / "report.html").symlink_to(tmp_path / "secret.html")
    (tmp_path / "secret.html").write_text("secret")
    with opened(runs) as view:
        names = {entry.name: entry for entry in view.runs.entries()}
        assert f"{runs}/link" not in names
        assert names[f"{runs}/manifest"].problem == f"its manifest.json leads out of {runs}"
        code, _, text = view.get("/choice", runs=view.keys("rows"))
        assert code == 404
        assert f"leads out of {runs}, so it is not opened" in text
        code, _, text = view.get(f"/report/{view.keys('whole')}/report.html")
        assert (code, "secret" in text) == (404, False)
