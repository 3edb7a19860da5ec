import json

import pytest

from invariscope.errors import InputError
from invariscope.sealed import write_sealed
from invariscope.studies.claims import above, decide, newest, not_run, read_claims, write_claims
from invariscope.studies.claims.record import CLAIMS_FILE, Record, counts

YES = decide("000.c1", [above([0.1, 0.2, 0.15], name="one"), above([0.5])], ran_on="toys")
NOT = not_run("000.c2", "no weights")


def write(folder, *claims, preset="laptop", finished="2026-01-01T00:00:00Z"):
    write_claims(folder, Record("rrc-decomposition", preset, finished, claims))


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, YES, NOT)
    record = read_claims(tmp_path / CLAIMS_FILE)
    assert repr(record.claims) == repr((YES, NOT))
    assert (record.study, record.preset, record.folder) == ("rrc-decomposition", "laptop", tmp_path)
    assert "NaN" not in (tmp_path / CLAIMS_FILE).read_text()
    assert counts(record.claims) == {
        "supported": 0, "contradicted": 0, "undecided": 1, "not run": 1,
    }  # fmt: skip


def test_the_newest_verdict_counts_and_smoke_only_alone(tmp_path):
    old, new = not_run("000.c1", "old"), not_run("000.c1", "new")
    write(tmp_path / "b" / "deep", new, finished="2026-02-01T00:00:00Z")
    write(tmp_path / "c", old, not_run("000.c3", "old"))
    write(tmp_path / "a", not_run("000.c1", "smoke"), preset="smoke", finished="2026-03-01")
    write(tmp_path / "d", not_run("000.c4", "smoke"), preset="smoke")
    found = newest([tmp_path, tmp_path / "b", tmp_path / "nowhere"])
    assert {name: claim.note for name, (claim, _) in found.items()} == {
        "000.c1": "new", "000.c3": "old", "000.c4": "smoke",
    }  # fmt: skip
    assert found["000.c1"][1].folder == tmp_path / "b" / "deep"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format=2), "has format 2"),
        (lambda content: content.pop("claims"), "claims.json .it lacks 'claims'.: run"),
        (
            lambda content: content["claims"][0].update(verdict="yes"),
            "claims.json .it lacks .verdict yes",
        ),
        (
            lambda content: content["claims"][0].update(id="000.c77"),
            "claims.json .it lacks .claim 000.c77",
        ),
    ],
)
def test_damage_is_one_line(tmp_path, change, message):
    write(tmp_path, YES)
    path = tmp_path / CLAIMS_FILE
    content = json.loads(path.read_text())
    del content["sha256"], content["files"]
    change(content)
    path.write_text(json.dumps({**content, "files": {}, "sha256": "of other content"}))
    with pytest.raises(InputError, match=r"claims.json is not as it was written: run the study"):
        read_claims(path)
    write_sealed(path, content)  # as another version may write it
    with pytest.raises(InputError, match=message):
        read_claims(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*claims.json .*: run the study again"):
        read_claims(path)
