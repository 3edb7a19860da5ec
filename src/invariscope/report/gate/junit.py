"""A verdict as JUnit XML: a test case for each rule.

A rule that failed is a failure. One that is undecided is an error: it was not shown to hold, and
must not be counted among those that passed.
"""

from datetime import UTC, datetime
from xml.etree import ElementTree

from invariscope.gate.verdict import RuleFinding, Verdict
from invariscope.outside import visible
from invariscope.report.gate.text import LISTED, said_of_others
from invariscope.report.gate.words import said

SUITE = "invariscope check"


def gate_junit(verdict: Verdict, seconds: float = 0.0) -> bytes:
    """Renders a verdict as JUnit XML.

    Args:
        verdict: What was found.
        seconds: How long it took.
    """
    ends = [rule.outcome for rule in verdict.rules]
    counts = {
        "tests": str(len(ends)),
        "failures": str(ends.count("failed")),
        "errors": str(ends.count("undecided")),
        "skipped": "0",
        "time": f"{seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": SUITE, **counts})
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    suite = ElementTree.SubElement(root, "testsuite", {"name": SUITE, "timestamp": stamp, **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("subject", verdict.subject), ("images", str(verdict.images))):
        ElementTree.SubElement(properties, "property", name=name, value=visible(value))
    for rule in verdict.rules:
        _case(suite, rule, verdict, seconds / len(ends))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: ElementTree.Element, rule: RuleFinding, verdict: Verdict, seconds: float) -> None:
    attributes = {
        "name": visible(rule.title),
        "classname": visible(verdict.subject),
        "time": f"{seconds:.3f}",
    }
    if rule.file:
        attributes |= {"file": visible(rule.file), "line": str(rule.line)}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    shown = rule.worst[:LISTED]
    lines = [rule.text, *(said(cell, rule) for cell in shown)]
    lines += [text for text in (said_of_others(rule, len(shown)), rule.remedy, *rule.notes) if text]
    text = visible("\n".join(lines), lines=True)
    if rule.outcome == "held":
        ElementTree.SubElement(case, "system-out").text = text
        return
    kind = "failure" if rule.outcome == "failed" else "error"
    message = visible(f"{rule.outcome}: {said(rule.worst[0], rule)}")
    ElementTree.SubElement(case, kind, message=message, type=rule.outcome).text = text
