"""What a source says of itself."""

import numpy as np

from invariscope.data import open_source


def test_what_a_source_says_stays_its_own():
    first, second = (open_source(np.zeros((2, 4, 4, 3), dtype=np.uint8)) for _ in range(2))
    first.say("labels", "made up")
    first.say("axes", "surprising", noted=True)
    assert first.decisions["labels"] == "made up"
    assert "surprising" in first.notes
    assert "made up" not in first.notes
    assert "labels" not in second.decisions
    assert list(second.notes) == []
