"""A gate: rules that a model must keep to, decided with confidence."""

from invariscope.gate.baseline import Baseline
from invariscope.gate.checking import BUDGET, check
from invariscope.gate.rule import Rule, parse_rule
from invariscope.gate.verdict import CellFinding, RuleFinding, Verdict

__all__ = [
    "BUDGET",
    "Baseline",
    "CellFinding",
    "Rule",
    "RuleFinding",
    "Verdict",
    "check",
    "parse_rule",
]
