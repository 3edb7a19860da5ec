"""Examines every member of the zoo and writes docs/zoo.md.

    python benchmarks/zoo.py                              # half an hour on one core
    python benchmarks/zoo.py --rows rows.jsonl            # goes on where it was stopped
    python benchmarks/zoo.py --rows rows.jsonl --only levit_128s,nest_tiny   # these anew

What is examined stands in `tests/networks/examined.py`, the members in `tests/networks/members.py`;
`tests/models/test_zoo.py` asserts the same. Needs the extra `test`, and transformers for its part.
"""

import argparse
import collections
import datetime
import importlib.metadata
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

LIBRARIES = ("torch", "timm", "torchvision", "transformers")

RULE = """\
# Which vector, which layers: every family that builds without weights

**The rule for the embedding.** It is what the model's own pre-logits function gives (timm's
`forward_head(pre_logits=True)`), and where there is none, what the classifier reads, or what all
classifiers read that the answer is made of, concatenated. A network without a classifier is read at
its pooled output (`image_embeds`, `pooler_output`), and failing that at its deepest map, averaged
over the positions. Whatever was taken stands in the manifest, in `--dry-run` and in the report, and
`--embedding LAYER` takes another.

"""

CHECKS = """\
Each network is built untrained; constant parameters get noise and batch norms the statistics of
four pictures, so that no part is idle. On two batches of five and three other pictures the
embedding is compared with the library's own (column "from", found without invariscope), and the
logits with the output. Each ninth of a picture is replaced in turn; of the cells of a layer read
as a map that one ninth changes 1.5 times as much as any other, 60 % must lie there. "Shown" counts
the maps at which they do, and after a + those at the end of deep untrained networks where every
ninth changes every cell and the grid is that of a convolution, or the form that of a map before.
"Layers" are those of `auto` without embedding and logits. "Layout": nchw
(channels first), nhwc (channels last), tokens (+ prefix tokens), sequence (no grid is shown; it is
averaged to a vector).

"""


def main() -> None:
    """Examines what has no row yet, then writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=Path, help="file of finished rows, read and written")
    parser.add_argument("--only", default="", help="names of members to examine anew, commas")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "zoo.md")
    options = parser.parse_args()

    from networks.examined import examine
    from networks.members import all_members

    members = all_members()
    rows = {}
    if options.rows and options.rows.exists():
        rows = {row["model"]: row for row in map(json.loads, options.rows.open())}
    anew = set(options.only.split(",")) if options.only else set()
    for member in members:
        if str(member) in rows and member.name not in anew:
            continue
        started = time.time()
        rows[str(member)] = row_of(examine(member))
        seconds = f"{time.time() - started:.1f} s"
        print(member, seconds, *rows[str(member)]["problems"], sep="  ", file=sys.stderr)
        if options.rows:
            with options.rows.open("a") as kept:
                kept.write(json.dumps(rows[str(member)]) + "\n")
    options.output.write_text(page([rows[str(member)] for member in members]))


def row_of(found) -> dict:
    """What the table says of a member."""
    kinds = collections.Counter(found.layouts.values())
    shown = len(found.maps) - len(found.silent)
    return {
        "library": found.member.library,
        "family": found.member.family,
        "model": str(found.member),
        "name": found.member.name,
        "side": found.member.side,
        "width": found.width,
        "how": found.how,
        "read": found.decisions.get("embedding", ""),
        "layers": len(found.layers),
        "layouts": dict(kinds),
        "maps": len(found.maps),
        "shown": shown,
        "silent": len(found.silent),
        "problems": found.problems,
        "cost": found.member.cost,
    }


def page(rows: list[dict]) -> str:
    """The page in Markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    right = sum(not row["problems"] for row in rows)
    date = datetime.date.today().isoformat()
    head = (
        f"{right} of {len(rows)} networks pass. `python benchmarks/zoo.py`, {date}, {versions}.\n"
    )
    tables = "".join(table(rows, library) for library in ("timm", "torchvision", "transformers"))
    return RULE + CHECKS + head + tables


def table(rows: list[dict], library: str) -> str:
    """The rows of one library."""
    lines = [
        f"\n## {library}\n",
        "| family | member | px | embedding | from | read at | layers | layout | shown | remarks |",
        "|---|---|--:|--:|---|---|--:|---|--:|---|",
    ]
    for row in rows:
        if row["library"] != library:
            continue
        layouts = ", ".join(
            kind if len(row["layouts"]) == 1 else f"{count} {kind}"
            for kind, count in row["layouts"].items()
        )
        shown = f"{row['shown']}" + (f" + {row['silent']}" if row["silent"] else "")
        remarks = "; ".join(row["problems"][:3]) + ("; …" if len(row["problems"]) > 3 else "")
        cells = [row["family"], row["name"], row["side"], row["width"], row["how"], place(row)]
        cells += [row["layers"], layouts, f"{shown} of {row['maps']}", remarks.replace("|", "/")]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def place(row: dict) -> str:
    """Where invariscope reads the embedding, short."""
    text = row["read"].partition(";")[0]
    return text.replace("timm's forward_head(pre_logits=True)", "pre-logits").replace("|", "/")


if __name__ == "__main__":
    main()
