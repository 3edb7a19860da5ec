"""Which layers `auto` gives for every family that builds untrained: the table of docs/layers.md.

    python benchmarks/layers.py                        # some minutes on one core
    python benchmarks/layers.py --rows rows.jsonl      # goes on where it was stopped

The members are those of the zoo (`tests/networks/members.py`), untrained, in pictures as small as
they take. Whether embedding, logits and maps are right is examined there (`benchmarks/zoo.py`).
"""

import argparse
import json
import re
import sys
import tempfile
import warnings
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
BEGIN = "| library | family |"


def main() -> None:
    """Looks at what has no row yet, then writes the table into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=Path, help="file of finished rows, read and written")
    options = parser.parse_args()

    from networks.members import all_members

    members = all_members()
    with tempfile.TemporaryDirectory() as folder:
        path = options.rows or Path(folder) / "rows.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        known = {row["name"] for row in rows}
        with path.open("a") as file:
            for member in members:
                if str(member) in known:
                    continue
                rows.append(row_of(member))
                file.write(json.dumps(rows[-1]) + "\n")
                file.flush()
                print(rows[-1], file=sys.stderr, flush=True)
    order = [str(member) for member in members]
    rows = sorted(
        (row for row in rows if row["name"] in order), key=lambda r: order.index(r["name"])
    )
    page = ROOT / "docs" / "layers.md"
    text = page.read_text()
    page.write_text(text[: text.index(BEGIN)] + table(rows))


def row_of(member) -> dict:
    """The layers of `auto` of a member, and how they are read."""
    import torch

    from invariscope.models import load_model

    warnings.simplefilter("ignore")
    size = (member.side, member.side)
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    probe = load_model(member.build(), preprocessing={"size": member.side})
    layers = [layer.name for layer in probe.watch("auto", images)]
    return {
        "name": str(member),
        "family": member.family,
        "side": member.side,
        "layers": [name for name in layers if name not in ("embedding", "logits", "output")],
        "maps": probe.decisions(images).get("maps", ""),
    }


def table(rows: list[dict]) -> str:
    """The rows as Markdown."""
    lines = [f"{BEGIN} member | px | layers | layout |", "|---|---|---|--:|---|---|"]
    for row in rows:
        library, _, member = row["name"].partition(":")
        names = ", ".join(f"`{name}`" for name in shortened(row["layers"]))
        maps = re.sub(r"(\d+) of \d+ layers: ([^;]*)", r"\2 (\1)", row["maps"])
        count = len(row["layers"])
        cells = (library, row["family"], member, row["side"], f"{count}: {names}", maps)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def shortened(names: list[str]) -> list[str]:
    """Runs of names that differ in numbers only, as the first and the last."""
    found = []
    for _, run in groupby(names, key=lambda name: re.sub(r"\d+", "", name)):
        first, *rest = run
        found.append(f"{first} … {rest[-1]}" if rest else first)
    return found


if __name__ == "__main__":
    main()
