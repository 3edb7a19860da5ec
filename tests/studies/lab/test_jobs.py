import json

import pytest

import oracles.jobs  # noqa: F401
from invariscope.errors import InputError
from invariscope.studies.lab.jobs import DONE, JOB, JOB_KINDS, JobKind, StudyJob, do_job, finished


def test_the_key_is_that_of_kind_version_and_settings(monkeypatch):
    job = StudyJob("double", {"number": 1, "more": [1, 2]})
    assert job.key == StudyJob("double", {"more": [1, 2], "number": 1}).key
    assert job == StudyJob("double", {"more": [1, 2], "number": 1})
    others = StudyJob("append", job.settings), StudyJob("double", {"number": 1})
    assert len({job.key, *(other.key for other in others)}) == 3
    before = job.key
    changed = JobKind("double", JOB_KINDS.get("double").write, version=2)
    monkeypatch.setitem(JOB_KINDS._entries, "double", changed)
    assert job.key != before


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_settings_are_what_json_holds(value):
    with pytest.raises(InputError, match="settings of a 'double' job"):
        _ = StudyJob("double", {"number": value}).key


def test_an_unknown_kind_lists_the_nearest():
    with pytest.raises(InputError, match="unknown kind of job 'doubel': did you mean double"):
        _ = StudyJob("doubel", {}).key


def test_a_finished_cell_never_runs_twice(tmp_path):
    job = StudyJob("double", {"number": 4})
    first = do_job(job, tmp_path)
    (tmp_path / job.key / "mine").write_text("")
    assert do_job(job, tmp_path) == first == finished(tmp_path / job.key)
    assert len((tmp_path / job.key / "log").read_text().split()) == 1
    assert (tmp_path / job.key / "mine").exists()
    about = json.loads((tmp_path / job.key / JOB).read_text())
    assert about["kind"] == "double"
    assert about["settings"] == {"number": 4}


def test_a_half_written_cell_is_redone_from_nothing(tmp_path):
    job = StudyJob("double", {"number": 4})
    do_job(job, tmp_path)
    folder = tmp_path / job.key
    (folder / DONE).unlink()
    (folder / "left over").write_text("")
    do_job(job, tmp_path)
    assert len((folder / "log").read_text().split()) == 1
    assert not (folder / "left over").exists()
    assert finished(folder) is not None


def test_a_kind_that_resumes_finds_what_it_left(tmp_path):
    job = StudyJob("append", {"fails": 2})
    for _ in range(2):
        with pytest.raises(Exception, match="interrupted"):
            do_job(job, tmp_path)
        assert finished(tmp_path / job.key) is None
    do_job(job, tmp_path)
    assert len((tmp_path / job.key / "lines").read_text().splitlines()) == 3


def test_a_damaged_marker_is_no_marker(tmp_path):
    (tmp_path / DONE).write_text("{")
    assert finished(tmp_path) is None
    assert finished(tmp_path / "nowhere") is None


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "jobs").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write jobs in .*; give another folder"):
        do_job(StudyJob("double", {"number": 1}), tmp_path / "jobs")
