"""The list: what is there, what is wrong with it, from manifests alone; nothing is written."""

import shutil

import pytest

from invariscope.errors import InputError
from invariscope.runs.manifest import read_manifest, write_manifest
from invariscope.view.runs import Runs


@pytest.fixture
def copy(folder, tmp_path):
    """Copies the first run into a folder of its own under a name."""

    def made(name):
        return shutil.copytree(folder / "first", tmp_path / "runs" / name)

    return made


def the_only(path):
    (entry,) = Runs(path).entries()
    return entry


def test_a_run_is_listed_by_its_manifest(folder, results):
    first = next(entry for entry in Runs(folder).entries() if entry.name.endswith("first"))
    settings = results[0].manifest["settings"]
    assert (first.model, first.data, first.images) == (settings["model"], settings["data"], "16")
    assert first.when == results[0].manifest["execution"]["started"][:16].replace("T", " ")
    assert first.metrics.startswith("Relative invariance, ")
    assert (first.problem, first.unfinished) == ("", False)


def test_the_newest_come_first_and_a_run_may_be_the_folder_itself(folder, copy):
    old = copy("old")
    manifest = read_manifest(old)
    manifest["execution"]["started"] = "2020-01-01T00:00:00+00:00"
    write_manifest(old, manifest)
    copy("new")
    assert [entry.name[-3:] for entry in Runs(old.parent).entries()] == ["new", "old"]
    assert the_only(old).when == "2020-01-01 00:00"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:99]), "cannot read"),
        (lambda path: path.write_text("[]"), "is not a manifest of invariscope"),
        (lambda path: path.write_text('{"format": 99}'), "has format 99"),
        (lambda path: path.write_text(path.read_text().replace('"seed": 0', '"seed": 1')),
         "is not as it was written"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_manifest_is_a_line(copy, damage, said):
    run = copy("run")
    damage(run / "manifest.json")
    problem = the_only(run.parent).problem
    assert said in problem
    assert "\n" not in problem


def test_a_manifest_that_is_sealed_and_lacks_something_is_a_line(copy):
    run = copy("run")
    manifest = read_manifest(run)
    del manifest["execution"]["started"]
    write_manifest(run, manifest)
    assert "it lacks 'started'" in the_only(run.parent).problem


def test_damaged_numbers_are_said_when_the_run_is_opened(copy, opened):
    run = copy("run")
    (run / "summary.parquet").write_bytes(b"PAR1 and nothing")
    with opened(run.parent) as view:
        code, _, text = view.get("/choice", runs=view.keys("run"))
        assert code == 404
        assert "summary.parquet" in text
        assert "Traceback" not in text
        assert view.get("/")[0] == 200


def test_an_unfinished_run_is_shown_as_far_as_it_is(copy, opened):
    run = copy("run")
    manifest = read_manifest(run)
    manifest["execution"]["status"] = "running"
    write_manifest(run, manifest)
    assert the_only(run.parent).unfinished
    with opened(run.parent) as view:
        assert "<em>unfinished</em>" in view.get("/")[2]
        code, _, text = view.get("/choice", runs=view.keys("run"))
        assert code == 200
        assert "the run is not finished: 16 of 16 images are there" in text


def test_what_else_lies_there_is_named_and_its_report_shown_without_scripts(tmp_path, opened):
    kinds = {"search": ("manifest.json", '{"command": "factors"}'), "net": ("recipe.json", "{}"),
             "study": ("study.json", "{}"), "better": ("improve.json", "{}")}  # fmt: skip
    for name, (file, text) in kinds.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    (tmp_path / "plain").mkdir()
    (tmp_path / "search" / "report.html").write_text("<script>alert(1)</script>found")
    with opened(tmp_path) as view:
        said = {entry.name.split("/")[-1]: entry.kind for entry in view.runs.entries()}
        assert said == {
            "search": "a run of `invariscope factors`", "net": "a training",
            "study": "a study", "better": "an improvement",
        }  # fmt: skip
        page = view.get("/")[2]
        assert "Other folders here: 4" in page
        assert page.count(">report</a>") == 1
        code, headers, text = view.get(f"/report/{view.keys('search')}/report.html")
        assert (code, text[-5:]) == (200, "found")
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("sandbox")
        assert "script" not in policy
        code, _, text = view.get("/choice", runs=view.keys("net"))
        assert (code, "it is a training" in text) == (404, True)


def test_a_run_that_is_written_anew_is_read_anew(copy):
    run = copy("run")
    runs = Runs(run.parent)
    (entry,) = runs.entries()
    (before,) = runs.shown([entry.key])
    assert runs.shown([entry.key])[0].readings is before.readings
    manifest = read_manifest(run)
    manifest["warnings"] = ["something new"]
    write_manifest(run, manifest)
    assert "something new" in runs.shown([entry.key])[0].result.warnings


def test_nothing_is_written(folder, view):
    def state():
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in folder.rglob("*")
        }

    before, keys = state(), view.keys("first", "deep/second")
    for what in ("choice", "layers", "card"):
        assert view.get(f"/{what}", runs=keys, transformation="rotate")[0] == 200
    assert view.get("/layer", run=view.keys("first"), layer="embedding")[0] == 200
    assert state() == before


def test_two_hundred_runs_are_listed_without_their_tables(copy, monkeypatch):
    first = copy("run-0")
    shutil.rmtree(first / "rows")
    (first / "summary.parquet").unlink()
    for number in range(1, 200):
        (first.parent / f"run-{number}").mkdir()
        shutil.copy(first / "manifest.json", first.parent / f"run-{number}")
    runs = Runs(first.parent)
    assert len(runs.entries()) == 200
    monkeypatch.setattr("invariscope.view.runs.read_manifest", None)  # what is known is not read
    assert len([entry for entry in runs.entries() if not entry.problem]) == 200


def test_there_must_be_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"no folder at .*give the folder in which runs lie"):
        Runs(tmp_path / "none")
    with pytest.raises(InputError, match="9 runs: choose one, or up to 8 to compare"):
        Runs(tmp_path).shown(list("123456789"))
    assert Runs(tmp_path).entries() == []
