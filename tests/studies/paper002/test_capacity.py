import pytest

from invariscope.studies.paper002.capacity import capacity_claim
from invariscope.studies.paper002.parts import EQUIVARIANCE
from parts_tables import parts_table
from smoke import run_smoke

WIDTHS = (1.0, 2.0, 4.0, 8.0)


def table(slope=-0.03, final=0.0):
    def value(width, part, kind):
        if part == "Final":
            return 0.8 + final * width
        return 0.5 + slope * width + (0.1 if kind == EQUIVARIANCE else 0)

    return parts_table("width", WIDTHS, value)


def test_claim():
    assert capacity_claim(table(), "toys").verdict == "supported"
    assert capacity_claim(table(slope=0.03), "toys").verdict == "contradicted"
    assert capacity_claim(table(final=0.1), "toys").verdict == "contradicted"
    assert capacity_claim(table(final=-0.1), "toys").verdict == "contradicted"
    assert capacity_claim(table(), "toys").parts[0].value == -1


@pytest.mark.slow
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    run_smoke("capacity", tmp_path)
