"""Matplotlib figures as inline SVG: small, deterministic, and in the page's own colours.

Several SVGs in one page share one name space of ids and one style sheet. So every id that is used
gets the figure's own prefix, the others go, and so do matplotlib's style sheet and metadata.
"""

import html
import io
import re
from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from invariscope.outside import visible
from invariscope.report.kit import look

# Drawing colour -> CSS variable, so that one SVG serves the light page, the dark one and print.
COLOURS: Mapping[str, str] = {
    look.MODEL: "--model",
    look.TWIN: "--twin",
    look.FLOOR: "--floor",
    look.KEPT: "--kept",
    look.NULL: "--quiet",
    look.INK: "--ink",
    look.FAINT: "--line",
    look.SKY: "--sky",
    look.AMBER: "--amber",
    look.VIOLET: "--violet",
}

_REMOVED = re.compile(
    r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>|<!--.*?-->", re.DOTALL
)
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")
_FAMILY = re.compile(r"; font-family: [^;\"]*")
_EMPTY = re.compile(r"<(g|defs)>\s*</\1>|<g/>")
_TAG, _DECIMALS = re.compile(r"<[^>]*>"), re.compile(r"(\d\.\d\d)\d+")


def inline(figure: Figure, identifier: str, label: str, css_class: str = "") -> str:
    """The figure as an ``<svg>`` element for an HTML page.

    Args:
        figure: What to draw.
        identifier: A prefix for the element's ids, unique in the page; ASCII letters, digits and
            dashes.
        label: The text alternative; escaped here.
        css_class: The element's class.

    Returns:
        Markup that is safe to insert as it is: its texts are escaped.

    Example:
        >>> from matplotlib.figure import Figure
        >>> markup = inline(Figure(figsize=(1, 1)), "one", 'Says "hello"', "wide")
        >>> markup[:5], 'aria-label="Says &quot;hello&quot;"' in markup, "http" in markup
        ('<svg ', True, False)
    """
    body = _REMOVED.sub("", drawn(figure, "Date", "Creator", "Format", "Type"))
    width, height = figure.get_size_inches() * 72
    body = body[body.index(">", body.index("<svg")) + 1 :]
    body = _own_ids(body.replace("xlink:href=", "href="), identifier)
    body = _TAG.sub(lambda tag: _DECIMALS.sub(r"\1", tag[0]), body)  # and no number in a text
    body = _FONT.sub(r"font-size: \1px", body)
    for colour, variable in COLOURS.items():
        body = body.replace(colour, f"var({variable})")
    body = _EMPTY.sub("", _FAMILY.sub("", body)).replace(' transform="rotate(-0 ', ' data-x="(')
    body = re.sub(r' data-x="[^"]*"', "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    start = (
        f'<svg class="{html.escape(css_class)}" role="img" aria-label="{html.escape(label)}"'
        f' viewBox="0 0 {width:g} {height:g}">'
    )
    return start + body.strip()


def drawn(figure: Figure, *unsaid: str) -> str:
    """The figure as an SVG file, without some of its metadata."""
    make_visible(figure)
    buffer = io.StringIO()
    with look.without_usetex():
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(unsaid))
    return buffer.getvalue()


def make_visible(figure: Figure) -> None:
    """Shows the control characters in the texts of a figure, for which fonts have no glyphs.

    Matplotlib would draw boxes, and warn in a line that has the characters themselves.
    """
    for text in figure.findobj(Text):
        text.set_text(visible(text.get_text(), lines=True))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):  # the words of ticks are made as they are drawn
            words = axis.get_major_formatter()
            if isinstance(words, FixedFormatter | FuncFormatter):
                axis.set_major_formatter(
                    FuncFormatter(lambda x, at=None, words=words: visible(words(x, at), lines=True))
                )


def _own_ids(body: str, identifier: str) -> str:
    used = set(re.findall(r'href="#([^"]+)"', body)) | set(re.findall(r"url\(#([^)]+)\)", body))

    def keep(match: re.Match[str]) -> str:
        return f' id="{identifier}-{match[1]}"' if match[1] in used else ""

    # Text between tags has its quotes as they are: only look inside tags.
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r' id="([^"]+)"', keep, tag[0]), body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{identifier}-\1"', body)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{identifier}-\1)", body)
