"""The site has a page for each metric and each study, made of what the program knows of them."""

import contextlib
import re
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import invariscope
from children import Child
from invariscope.metrics.kinds import METRICS
from invariscope.studies.claims import CLAIMS
from invariscope.studies.lab.study import studies

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    spec = spec_from_file_location("generated", DOCS / "generated.py")
    assert spec
    assert spec.loader
    generated = module_from_spec(spec)
    spec.loader.exec_module(generated)
    folder = tmp_path_factory.mktemp("site")
    (folder / "metrics").mkdir()
    (folder / "metrics" / "of_old.md").write_text("a metric that there was")
    made = generated.make_pages(folder)
    assert set(folder.rglob("*.md")) == set(made)
    return folder


def test_each_metric_has_a_page_with_its_facts(site):
    toctree = (site / "metrics" / "index.md").read_text().splitlines()
    for name in METRICS:
        metric, group = METRICS.get(name), name.split(":")[0]
        assert group in toctree
        page = (site / "metrics" / f"{group}.md").read_text()
        (own,) = re.findall(rf"^## `{name}`\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
        facts = metric.as_dict()
        for fact in ("label", "paragraph", "direction", "source", "estimate", "null"):
            text = own if fact != "label" else page
            assert facts[fact] in text, (name, fact)
        for words in (metric.where, *metric.ends, *metric.brings):
            assert words in own, (name, words)
        ends = re.search(r"^\| range \| [(\[](\S+), (\S+)[)\]] \|$", own, re.MULTILINE)
        assert ends
        for end, written, none in zip(facts["range"], ends.groups(), ("−∞", "∞"), strict=True):
            assert written == none if end is None else float(written.replace("−", "-")) == end


def test_a_metrics_page_has_its_formula(site):
    page = (site / "metrics" / "relative_invariance.md").read_text()
    assert "    invariance_i = (b_i − d_i) / b_i" in page
    pooled = (site / "metrics" / "channel_invariance.md").read_text()
    assert "    r_cc′ = correlation of" in pooled


def test_each_study_has_a_page_with_its_claims(site):
    toctree = (site / "studies" / "index.md").read_text().splitlines()
    for name, study in studies().items():
        assert name in toctree
        page = (site / "studies" / f"{name}.md").read_text()
        for words in (study.expected, f"study run {name}", *study.cost.values()):
            assert words in page, (name, words)
        for claim in CLAIMS.values():
            row = f"| {claim.id} | §{claim.section} | {claim.statement} | "
            assert (row in page.replace("\\|", "|")) == (claim.study == name), (name, claim.id)


def test_a_studys_figures_are_those_of_the_results(site):
    results = (DOCS / "results" / "laptop.md").read_text()
    names = re.findall(r"^## (\S+) \(", results, re.MULTILINE)
    assert set(names) <= set(studies())
    (warning,) = re.findall(r"^\*\*Computed before.*?(?=\n\n)", results, re.DOTALL | re.MULTILINE)
    seen = set()
    for name in studies():
        page = (site / "studies" / f"{name}.md").read_text()
        found = page.partition("## What two cores found")[2]
        assert (warning in found) == (name in names)
        rows = {line for line in found.splitlines() if line.startswith("| ")}
        assert rows <= set(results.splitlines())
        seen |= rows
    assert seen == {line for line in results.splitlines() if line.startswith("| ")}


def test_all_public_names_are_on_the_page_of_the_api(site):
    page = (site / "api" / "index.md").read_text()
    named = re.findall(
        r"^\.\. auto(?:module|class|function):: invariscope\.(\w+)$", page, re.MULTILINE
    )
    assert named == [name for name in invariscope.__all__ if name != "__version__"]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("myst_nb", reason="pip install 'invariscope[docs]'")
    shutil.copytree(DOCS, tmp_path / "docs")
    for made in ("metrics", "studies", "api"):
        shutil.rmtree(tmp_path / "docs" / made, ignore_errors=True)
    # Notebooks have a test of their own, which runs them without a kernel.
    settings = ("-D", "nb_execution_mode=off", "-D", "suppress_warnings=myst-nb.lexer")
    command = ("-q", "-W", "--keep-going", "-E", *settings, "docs", "site")
    script = "import sys\nfrom sphinx.cmd.build import main\nsys.exit(main(sys.argv[1:]))"
    with contextlib.chdir(tmp_path), Child(script, *command, said=tmp_path / "said") as child:
        code, _, err = child.ended(600)
    assert code == 0, err
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}
    for page in pages:
        assert (tmp_path / "site" / page.with_suffix(".html")).is_file(), page
    assert (tmp_path / "site" / "metrics" / "relative_invariance.html").is_file()
