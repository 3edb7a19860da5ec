"""A verdict as annotations of GitHub Actions: a workflow command for each rule that did not hold.

A rule that failed is an error, one that is undecided a warning, at its line of the rules file where
it has one. Percent signs and line breaks are escaped, in properties colons and commas as well, as
GitHub's toolkit does, so that no name can end a command or begin one.
"""

from invariscope.gate.verdict import RuleFinding, Verdict
from invariscope.outside import visible
from invariscope.report.gate.text import said_of_others
from invariscope.report.gate.words import said

#: GitHub shows ten errors and ten warnings of a step; more cells stand in one message.
_CELLS = 8


def gate_annotations(verdict: Verdict) -> list[str]:
    """Renders the workflow commands, one line for each rule that failed or is undecided."""
    return [_command(rule) for rule in verdict.rules if rule.outcome != "held"]


def problem_annotation(message: str) -> str:
    """Renders the workflow command for what kept rules from being checked."""
    return f"::error title=invariscope check::{escaped(visible(message))}"


def _command(rule: RuleFinding) -> str:
    kind = "error" if rule.outcome == "failed" else "warning"
    where = {"file": rule.file, "line": rule.line} if rule.file else {}
    properties = {**where, "title": f"invariscope check {rule.outcome}"}
    shown = rule.worst[:_CELLS]
    lines = [rule.title, *(said(cell, rule) for cell in shown)]
    lines += [text for text in (said_of_others(rule, len(shown)), rule.remedy) if text]
    message = "\n".join(visible(line) for line in lines)
    said_properties = ",".join(f"{key}={in_property(str(v))}" for key, v in properties.items())
    return f"::{kind} {said_properties}::{escaped(message)}"


def escaped(text: str) -> str:
    r"""Escapes a message.

    Example:
        >>> escaped("100 %\n::error::no")
        '100 %25%0A::error::no'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def in_property(text: str) -> str:
    """Escapes the value of a property.

    Example:
        >>> in_property("a:b,c")
        'a%3Ab%2Cc'
    """
    return escaped(visible(text)).replace(":", "%3A").replace(",", "%2C")
