"""The page of an improvement: before and after side by side, names as text, numbers as found."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.improving.improvement import Improvement
from invariscope.report.improve.words import accuracy_words, lead
from invariscope.statistics.non_inferiority import non_inferiority

RULE = "rotate@<=15deg relative_invariance >= 0.999"


@pytest.fixture(scope="module")
def found():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = ["<b>bag</b>", "coat"] * 40
    pictures = rng.integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    return invariscope.improve(
        network, (pictures, labels), RULE, epochs=0.2, tuning_batch=8, device="cpu",
        model_classes="order", workers=0,
    )  # fmt: skip


def test_the_page_tells_before_and_after(found: Improvement, tmp_path):
    page = found.to_html(tmp_path / "report.html").read_text()
    assert found.after is not None
    assert "http" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL).replace(
        "http-equiv", ""
    )
    assert "<b>bag" not in page
    assert "&lt;b&gt;bag" in page
    for verdict in (found.before, found.after):
        for cell in verdict.rules[0].cells:
            assert f"{cell.value:.3f}".replace("-", "−")[:4] in page
    assert page.count('<span class="stamp failed">') == 2
    assert "from 0° to ±15°" in page
    assert 'class="strip"' in page
    assert page.count("<svg") == 1
    assert "Before [95 %]" in page


def test_the_text_says_the_same_in_80_columns(found: Improvement):
    text = found.to_text()
    assert max(map(len, text.splitlines())) <= 80
    assert f"✗ failed: {RULE} (before: failed)" in text
    assert "24 held out" in text


def answers(gained, missed, n=1000):
    before = np.arange(n) < n // 2
    after = before.copy()
    after[:missed], after[n - gained :] = False, True
    return non_inferiority(before, after, 0.01)


def test_words_of_the_accuracy():
    assert accuracy_words(answers(4, 2)) == (
        "Accuracy 50.00 % before, 50.20 % after: +0.20 points, at least −0.25 (one-sided 95 %), "
        "so it was kept within 1 point."
    )
    assert "do not show that it was kept within 1 point" in accuracy_words(answers(40, 42))
    assert "so more than 1 point was lost" in accuracy_words(answers(0, 50))
    assert "at most −3." in accuracy_words(answers(0, 50))


def test_the_lead(found: Improvement):
    assert lead(found).startswith("The rule did not hold before; it does not now either.")
