import pytest

from invariscope.studies.paper002.parts import EQUIVARIANCE
from invariscope.studies.paper002.rotation_in_the_task import TASKS, claims
from parts_tables import parts_table
from smoke import run_smoke, verdict


def table(equivariance=0.6, invariance=0.3, changed=0.0):
    def value(task, part, kind):
        shift = changed if task == "rot-eq" and part == "Middle" else 0.0
        return (equivariance if kind == EQUIVARIANCE else invariance) + shift

    return parts_table("task", TASKS, value)


def test_claims_follow_the_numbers():
    found = claims(table(), "toys")
    assert [claim.verdict for claim in found] == ["supported", "supported"]
    assert found[1].statistic == pytest.approx(0.3 - 0.05, abs=0.002)
    assert "shuffled pairs" in found[1].note
    assert verdict(claims(table(changed=0.2), "toys"), "002.c4") == "contradicted"
    assert verdict(claims(table(changed=-0.2), "toys"), "002.c4") == "contradicted"
    assert verdict(claims(table(0.3, 0.6), "toys"), "002.c5") == "contradicted"
    assert verdict(claims(table(0.44, 0.3), "toys"), "002.c5") == "contradicted"


@pytest.mark.slow
def test_smoke(tmp_path):
    pytest.importorskip("sklearn")
    run = run_smoke("rotation-in-the-task", tmp_path)
    assert len(run.findings.tables["accuracy"]) == 6
