"""The Python of docs/pipelines.md runs as it stands."""

import pytest

from pages import DOCS, blocks

BLOCKS = blocks(DOCS / "pipelines.md", "python")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", BLOCKS, ids=["lightning", "transformers", "torchmetrics"])
def test_it_runs(block, tmp_path, monkeypatch, capsys):
    (name,) = {n for n in ("lightning", "transformers", "torchmetrics") if f"import {n}" in block
               or f"from {n}" in block or f".{n} import" in block} & {
        "lightning", "transformers", "torchmetrics"}  # fmt: skip
    pytest.importorskip(name, reason=f"pip install 'invariscope[{name}]'")
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    capsys.readouterr()
