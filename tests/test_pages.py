"""What stands on the pages of the documentation is there, and works as it stands."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from invariscope.data import open_source
from pages import DOCS, ROOT, blocks, own_commands, parsed, pieces
from pages_apart import WORDS, done

# What docs/generated.py makes is not followed by Git, and has tests of its own.
MADE = [DOCS / part for part in ("metrics", "studies", "api")]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"] + [
    page for page in sorted(DOCS.rglob("*.md")) if page.parent not in MADE
]
RUN = ("start", "howto/model", "howto/data", "howto/bands", "howto/transformation", "howto/gate")
# What a page needs beside the package and `demo`.
NEEDED = {
    "howto/data": ("datasets", "h5py"),
    "howto/model": ("transformers",),
    "howto/bands": ("tifffile",),
}
INSTALL = "python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[demo]'"
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Photographs in folders by class: what a reader of the pages has."""
    source = open_source("samples")
    folder = tmp_path_factory.mktemp("mine") / "photos"
    for name in ("chelsea", "coffee", "flower", "motorcycle"):
        (folder / name).mkdir(parents=True)
        for id in [id for id in source.ids if id.startswith(f"{name}/")][:9]:
            image = source.load(source.ids.index(id))
            image.resize((64, 64), Image.Resampling.BILINEAR).save(folder / f"{id}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_a_page_works_from_top_to_bottom(page, photos, tmp_path):
    for needed in NEEDED.get(page, ()):
        pytest.importorskip(needed)
    shutil.copytree(photos, tmp_path / "photos")
    assert "relative_invariance at the embedding" in done(page, tmp_path)
    (report, *_) = tmp_path.rglob("report.html")
    assert report.stat().st_size > 50_000


@pytest.mark.slow
@pytest.mark.parametrize("page", WORDS)
def test_a_notebook_runs_and_its_words_hold(page, tmp_path):
    done(page, tmp_path)


def test_what_installs_is_the_readmes_command():
    lines = re.findall(r"^    (python3 -m venv.*)$", (DOCS / "start.md").read_text(), re.MULTILINE)
    assert lines == [f"{INSTALL} && invariscope measure"]
    assert f"    {lines[0]}\n" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_command_is_one_that_the_program_takes(page):
    for piece in pieces(page):
        for words in own_commands(piece.text) if piece.language in ("console", "sh") else []:
            parsed(words)


def test_commands_are_found_and_read():
    commands = [w for page in PAGES for text in blocks(page, "console") for w in own_commands(text)]
    assert len(commands) > 100
    assert {words[0] for words in commands} >= {"measure", "check", "compare", "train", "study"}
    with pytest.raises(AssertionError, match="--modle"):
        parsed(["measure", "--modle", "timm:resnet18"])
    with pytest.raises(AssertionError, match="--batch-size"):
        parsed(["measure", "--batch-size", "many"])
    with pytest.raises(AssertionError, match="messure"):
        parsed(["messure"])


def test_the_tasks_of_the_array_measure_one_model_each(tmp_path):
    (script,) = [text for text in blocks(DOCS / "howto" / "cluster.md", "sh") if "#SBATCH" in text]
    (tmp_path / "models.txt").write_text("timm:resnet50\nsmall:cnn7\n")
    words = []
    for task in ("0", "1"):
        run = subprocess.run(
            ["bash", "-c", "invariscope() { printf '%s\\n' \"$@\"; }\n" + script],
            env={"SLURM_ARRAY_TASK_ID": task},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        words.append(run.stdout.splitlines())
        parsed(words[-1])
    assert [w[1] for w in words] == ["timm:resnet50", "small:cnn7"]
    folders = [w[w.index("--output") + 1] for w in words]
    (compared,) = [w for w in own_commands(_console("howto/cluster")) if w[0] == "compare"]
    assert len(set(folders)) == 2
    assert all(Path(folder).match(compared[1]) for folder in folders)


def _console(page):
    return "\n".join(blocks(DOCS / f"{page}.md", "console"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_something(page):
    for target in LINK.findall(page.read_text()):
        path, _, anchor = target.partition("#")
        if re.match(r"https?:|mailto:", target) or not path:
            continue
        file = page.parent / path
        made = file.resolve().parent in [part.resolve() for part in MADE]
        assert made or file.exists(), target
        if anchor and not made:
            heads = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in [_slug(head) for head in heads], target


def _slug(head):
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
