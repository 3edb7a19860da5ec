"""What stands on the pages of the documentation is there, and works as it stands."""

import re
import shutil

import pytest
from pages import DOCS, ROOT, blocks, do_page, own_commands, parsed, pieces
from PIL import Image

from invariscope.data import open_source

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
# Made by docs/generated.py where the site was built, and not followed by Git.
MADE = ("metrics", "studies", "api")
PAGES = [page for page in PAGES if page.relative_to(ROOT).parts[1:2] not in [(m,) for m in MADE]]
# What a page needs beside the package and `demo`.
NEEDED = {"data.md": ("datasets", "h5py"), "model.md": ("transformers",), "bands.md": ("tifffile",)}
HOW_TOS = sorted(page for page in (DOCS / "howto").glob("*.md") if page.name != "index.md")


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


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_a_how_to_works_from_top_to_bottom(page, photos, tmp_path, monkeypatch, capsys):
    for needed in NEEDED.get(page.name, ()):
        pytest.importorskip(needed)
    shutil.copytree(photos, tmp_path / "photos")
    do_page(page, tmp_path, monkeypatch)
    capsys.readouterr()
