"""The pytest plugin: a fixture, and what was measured in the summary and in the JUnit file.

pytest loads it through the entry point `invariscope` of the group `pytest11`, at the start of every
session in an environment that has invariscope. So it imports nothing: torch and the rest come with
the first assertion.
"""

from typing import Any

import pytest

_SECTION = "invariscope"


@pytest.fixture(name="assert_invariant")
def assert_invariant_fixture(request: pytest.FixtureRequest) -> Any:
    """`invariscope.testing.assert_invariant`, whose numbers the session shows at its end."""
    from invariscope.testing import NotInvariant, assert_invariant

    def asserting(*arguments: Any, **settings: Any) -> Any:
        __tracebackhide__ = True
        try:
            verdict = assert_invariant(*arguments, **settings)
        except NotInvariant as failure:
            _keep(request.node, failure.verdict)
            raise
        _keep(request.node, verdict)
        return verdict

    return asserting


def _keep(item: pytest.Item, verdict: Any) -> None:
    """Keeps a line for each rule with the test: properties go to the JUnit file as they are."""
    from invariscope.report.gate.words import MARKS, said

    for rule in verdict.rules:
        line = f"{MARKS[rule.outcome]} {rule.text}: {said(rule.worst[0], rule)}"
        item.user_properties.append((_SECTION, line))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Shows what was measured, test by test."""
    lines = [
        (report.nodeid, text)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in getattr(report, "user_properties", ())
        if name == _SECTION
    ]
    if lines:
        terminalreporter.section(_SECTION)
    for nodeid, text in lines:
        terminalreporter.write_line(f"{nodeid}: {text}")
