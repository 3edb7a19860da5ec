"""Does pages of the documentation in a process of its own.

The type checker of the tests makes small networks slower, and what a page does is tested elsewhere.
"""

import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from children import FORKED
from pages import DOCS, do_page


def done(page: str, folder: Path) -> str:
    """Does a page in a folder; what it says on standard output."""
    with ProcessPoolExecutor(1, mp_context=FORKED) as pool:
        return pool.submit(_do, page, folder).result()


def _do(page: str, folder: Path) -> str:
    import torch

    torch.set_num_threads(1)
    said = StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(said),
        redirect_stderr(StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        names = do_page(DOCS / f"{page}.md", folder, patch)
    if page in WORDS:
        WORDS[page](names)
    return said.getvalue()


def _curves(names: dict[str, Any]) -> None:
    assert set(names["controls"]["control"]) == {"untrained", "floor", "shuffled"}
    assert {"Early", "Middle", "Late", "Pool", "Final"} == set(names["parts"])


def _flips(names: dict[str, Any]) -> None:
    called = list(zip(names["classes"], names["upside_down"], strict=True))

    def share(digit: str, answer: int) -> float:
        answers = [given for true, given in called if true == digit]
        return answers.count(answer) / len(answers)

    assert min(share("6", 9), share("9", 6), share("0", 0)) > 0.5
    assert share("8", 8) > 0.9
    assert (names["flips"]["magnitude"] == 15).any()


def _compare(names: dict[str, Any]) -> None:
    assert names["verdict"].outcome == "failed"
    at_90 = names["compared"].query("metric == 'accuracy' and magnitude == 90")
    assert (at_90["ci_low"] > 0).all()


#: What the words of a notebook say about the names that its cells leave.
WORDS = {"notebooks/curves": _curves, "notebooks/flips": _flips, "notebooks/compare": _compare}
