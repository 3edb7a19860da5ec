"""What the tests of a search's page share: known searches, and the words of a page."""

import html
import re

EVIL = "<script>alert(1)</script>"
SPACE = "\u00a0"


def closes(name, family):
    """In the cat two families close something, in the dog one, in the others none."""
    known = {("cat", "rotate"): 0.30, ("cat", "translate_x"): 0.12, ("dog", "invert"): 0.20}
    return known.get((name, family), 0.01)


def own_best(name, operation):
    """Each class has an operation of its own that helps; all others hurt."""
    best = {"cat": "rotate 9", "dog": "invert 3", "owl": "posterize 8", "fox": "translate_x 3"}
    return (0.10 if best[name[:3]] == operation else -0.05) + 0.001 * len(operation)


def plain(text):
    """The words of a page, without style, script and marks."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())
