"""The report of a result: its verdict in words, its figures, and one HTML page."""

from invariscope.report.figures import plot
from invariscope.report.html import page, render
from invariscope.report.verdict import Finding, verdict

__all__ = ["Finding", "page", "plot", "render", "verdict"]
