"""The command line keeps freed memory where the C library is glibc."""

import platform

import pytest

from invariscope.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_glibc_takes_the_setting():
    assert keep_freed_memory()


def test_other_systems_go_without(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory()
