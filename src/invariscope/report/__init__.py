"""The report of a result, and the leaderboard of several: words, figures, one HTML page each."""

from invariscope.report.figures import plot
from invariscope.report.html import page, render
from invariscope.report.leaderboard import render_leaderboard
from invariscope.report.verdict import Finding, verdict

__all__ = ["Finding", "page", "plot", "render", "render_leaderboard", "verdict"]
