"""Without a network, what the hub would give fails in seconds and in one line."""

import time

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from invariscope import hub
from invariscope.errors import InputError
from invariscope.hub import answers, hub_at_once
from invariscope.models import load_model


@pytest.fixture
def silent(monkeypatch):
    """A hub that does not answer."""
    monkeypatch.setattr(hub, "answers", lambda host: False)
    monkeypatch.setattr(hub, "getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_a_missing_model_fails_at_once(silent, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load_model("timm:resnet10t")
    assert time.perf_counter() - started < 10
    message = str(caught.value)
    assert "huggingface.co does not answer, and what is wanted is not kept on the disk" in message
    assert "\n" not in message
    assert not constants.HF_HUB_OFFLINE


def test_other_errors_are_left_as_they_are(silent):
    with hub_at_once():
        assert constants.HF_HUB_OFFLINE
    with pytest.raises(ValueError, match="mine"), hub_at_once():
        raise ValueError("mine")
    with pytest.raises(ConnectionError, match="does not answer"), hub_at_once():
        raise OSError("no config") from LocalEntryNotFoundError("not there")


def test_where_the_hub_answers_nothing_is_changed(silent, monkeypatch):
    monkeypatch.setattr(hub, "answers", lambda host: True)
    with hub_at_once():
        assert not constants.HF_HUB_OFFLINE
    with pytest.raises(LocalEntryNotFoundError), hub_at_once():
        raise LocalEntryNotFoundError("not there")


def test_a_host_that_is_not_there_does_not_answer():
    started = time.perf_counter()
    assert not answers("nowhere.invalid")
    assert time.perf_counter() - started < 10
