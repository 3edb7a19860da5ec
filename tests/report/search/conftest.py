"""Known searches and what stands beside them, for the tests of the page."""

import numpy as np
import pandas as pd
import pytest

from invariscope.advice.alignment import Alignment
from invariscope.foregrounds.foregrounds import measure_foregrounds
from invariscope.report.search.page import page
from invariscope.search import Factors
from invariscope.search.hierarchy import OUTCOMES, Hierarchy
from oracles.searches import known_examples, known_search
from search_pages import EVIL, closes, own_best


@pytest.fixture(scope="module")
def alike():
    """In every class the same operation helps, by 0.05 to 0.07."""

    def change(name, operation):
        return 0.05 + 0.01 * "cdo".index(name[0]) if operation == "rotate 9" else -0.05

    return known_search(change=change)


@pytest.fixture(scope="module")
def differing():
    return known_search(("cat", "dog", "owl", "fox"), change=own_best, closed=closes)


@pytest.fixture(scope="module")
def alignment():
    families = pd.DataFrame(
        {"family": ["rotate", "invert", EVIL], "gap": [0.4, 0.1, -0.2], "share": [0.5, 0.25, 0.125],
         "operations": [4, 1, 2], "grows": [True, True, False]}
    )  # fmt: skip
    sides = pd.DataFrame(
        {"grows": [True, False], "families": [2, 1], "share": [0.375, 0.125], "low": [0.3, 0.1],
         "high": [0.4, 0.2]}
    )  # fmt: skip
    return Alignment(
        families, 0.25, 0.1, 0.3, 0.012, 1.0, 0.33, 3, ("equalize",), sides
    )  # fmt: skip


@pytest.fixture(scope="module")
def hierarchy():
    random = np.random.default_rng(0)
    pairs = pd.DataFrame(
        {"class_a": "a", "class_b": "b", "wup": random.random(900), "path": 0.5, "lch": 1.0,
         "rank_correlation": random.random(900), "iou_25": 0.5, "iou_5": 0.5}
    )  # fmt: skip
    rows = [
        {"outcome": outcome, "measure": measure, "spearman": 0.31, "ci_low": 0.11, "ci_high": 0.52,
         "p": 0.02, "n_pairs": 900, "n_classes": 43}
        for outcome in OUTCOMES for measure in ("wup", "path", "lch")
    ]  # fmt: skip
    groups = pd.DataFrame({"outcome": OUTCOMES})
    for name, value in (("similar", 0.61), ("dissimilar", 0.21), ("difference", 0.4)):
        groups[name], groups[f"{name}_low"], groups[f"{name}_high"] = value, value - 0.1, 0.9
        groups[f"n_{name}"] = 30
    return Hierarchy(
        pd.DataFrame(rows), groups, pairs, {}, {f"{EVIL}x": "no synset: it is no wnid"}
    )


@pytest.fixture(scope="module")
def foregrounds():
    from PIL import Image

    pictures = []
    for left in (0, 20, 40):
        pixels = np.zeros((50, 100, 4), dtype=np.uint8)
        pixels[10:40, left : left + 40, 3] = 255
        pictures.append(Image.fromarray(pixels))
    return measure_foregrounds(pictures, masks="alpha")


@pytest.fixture(scope="module")
def whole(differing, alignment, hierarchy, foregrounds):
    found = Factors(
        differing.manifest, differing.frame, differing.factors, differing._rows, None,
        known_examples(),
    )  # fmt: skip
    return page(found, alignment=alignment, hierarchy=hierarchy, foregrounds=foregrounds)
