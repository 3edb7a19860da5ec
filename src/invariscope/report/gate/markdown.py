"""A verdict as Markdown, for a job's summary or a comment: a table, then what failed.

Names stand in code spans, in which nothing is markup and nobody is mentioned.
"""

import html
import re

from invariscope.gate.verdict import RuleFinding, Verdict
from invariscope.outside import visible
from invariscope.report.gate.text import LISTED, said_of_others
from invariscope.report.gate.words import cell_name, headline, notes, number, slack

_MARKS = {"held": "✅ held", "failed": "❌ failed", "undecided": "❔ undecided"}
_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")


def gate_markdown(verdict: Verdict) -> str:
    """Renders a verdict as Markdown: the rules, then the cells of those that did not hold."""
    lines = [f"## invariscope check: {_MARKS[verdict.outcome]}", "", plain(headline(verdict)), ""]
    lines += ["| rule | outcome | tightest cell | value, 95 % interval | n | by |"]
    lines += ["|---|---|---|---:|---:|---:|"]
    for rule in verdict.rules:
        cell = rule.worst[0]
        parts = (code(rule.title), _MARKS[rule.outcome], code(cell_name(cell, rule)))
        lines.append(_row((*parts, number(cell), cell.n, slack(cell))))
    for rule in verdict.rules:
        if rule.outcome != "held":
            lines += _details(rule)
    said = notes(verdict)
    lines += ["", *(f"- note: {plain(note)}" for note in said)] if said else []
    return "\n".join(lines) + "\n"


def _details(rule: RuleFinding) -> list[str]:
    """The cells that made the outcome of a rule, as far as they are listed."""
    shown = rule.worst[:LISTED]
    text = "" if rule.title == rule.text else f": {code(rule.text)}"
    lines = ["", f"**{code(rule.title)}** {rule.outcome}{text}", ""]
    lines += ["| cell | value, 95 % interval | n | by |", "|---|---:|---:|---:|"]
    lines += [_row((code(cell_name(c, rule)), number(c), c.n, slack(c))) for c in shown]
    rest = [text for text in (said_of_others(rule, len(shown)), rule.remedy) if text]
    return lines + (["", plain("; ".join(rest))] if rest else [])


def _row(parts: tuple[object, ...]) -> str:
    return "| " + " | ".join(map(str, parts)) + " |"


def code(text: str) -> str:
    r"""Writes text as a code span, in a table as well.

    Example:
        >>> code("a|b <c> @d"), code("a`b")
        ('`a\\|b <c> @d`', '`` a`b ``')
    """
    text = visible(text).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, room = "`" * (longest + 1), " " * bool(longest)
    return f"{fence}{room}{text}{room}{fence}"


def plain(text: str) -> str:
    r"""Writes a sentence so that Markdown shows it as it is.

    Example:
        >>> plain("a|b_c <b>")
        'a\\|b\\_c &lt;b&gt;'
    """
    text = _SPECIAL.sub(r"\\\1", html.escape(visible(text), quote=False))
    return text.replace("@", "@\u200b")  # mentions nobody
