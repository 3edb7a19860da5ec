"""The report: one HTML file that needs nothing else, neither network nor fonts nor a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from invariscope.errors import InputError
from invariscope.report.kit.heat import GRADIENT
from invariscope.report.kit.page import columns, write_page
from invariscope.report.kit.page import render as render_page
from invariscope.report.kit.provenance import command, decisions, warnings
from invariscope.report.kit.words import counted
from invariscope.report.run.by_group import groups_section
from invariscope.report.run.cards import curves
from invariscope.report.run.channels import section
from invariscope.report.run.conventions import conventions
from invariscope.report.run.flips import flips_section
from invariscope.report.run.glance import ABSENT, glance
from invariscope.report.run.layer_page import folder_of, pages
from invariscope.report.run.layered import Layered
from invariscope.report.run.readings import Readings, ResultLike
from invariscope.report.run.standings import Standing, standings
from invariscope.report.run.tables import (
    FullTable,
    class_extremes,
    full_table,
    heat_map,
    undefined_values,
)
from invariscope.report.run.verdict import verdict
from invariscope.transformations.groups import is_group

_HEADINGS = [
    *columns("Transformation", numbers=["Level", "Magnitude"]),
    *columns("Metric", "Layer", "Control"),
    *columns(numbers=["Value", "95 % low", "95 % high", "n", "Undefined"]),
]


def render(result: ResultLike, path: str | Path) -> Path:
    """Writes the report of a result, and beside it a page for each layer.

    Layers have pages where channels or orbits were measured: in the folder ``layers`` next to
    ``report.html``, in ``NAME-layers`` next to a report of another name.

    Args:
        result: A `Result`, or anything with its ``frame``, ``controls``, ``manifest`` and
            ``example``.
        path: The file to write, or a folder, which gets ``report.html``. The same result gives the
            same bytes.

    Returns:
        The file that was written.

    Raises:
        InputError: If a file cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        target = target / "report.html"
    folder = folder_of(target)
    for name, text in layer_pages(result, f"../{quote(target.name)}"):
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot make the folder {folder} for the pages of the layers: "
                f"{error.strerror or error}; name a report in a folder that can be written"
            ) from None
        write_page(folder / name, text)
    return write_page(target, page(result, folder.name))


def layer_pages(result: ResultLike, report: str = "../report.html") -> Iterator[tuple[str, str]]:
    """(file name, text) of the page of each layer; none without measures of channels or orbits.

    Args:
        result: A `Result`, or anything like it.
        report: The report's file, as a link from the pages' folder.
    """
    for name, shown in pages(Layered(Readings(result)), report):
        yield name, render_page("run/layer.html", **shown)


def page(result: ResultLike, layers: str = "layers") -> str:
    """The report as the text of an HTML page.

    Args:
        result: A `Result`, or anything like it.
        layers: The folder of the layers' pages, as the links name it.
    """
    readings = Readings(result)
    layered = Layered(readings)
    about = readings.meaning(readings.headline[0] if readings.headline else "")
    channels = section(layered, layers)
    order = standings(readings)
    settings, manifest = readings.settings, readings.manifest
    model = str(settings.get("model", "the model"))
    words = readings.meaning(readings.headline[0]).phrase if readings.headline else ""
    where = f" at the {readings.headline[1]}" if readings.headline else ""
    table = full_table(readings)
    links = dict(channels["pages"]) if channels else {}
    return render_page(
        "run/page.html",
        kind="run",
        model=model,
        data=settings.get("data", "images"),
        facts=_facts(readings),
        headline_words=f"{words}{where}",
        images_words=counted(readings.n, "image"),
        unfinished=_unfinished(readings),
        heat=None if channels and about.heat_map else heat_map(readings, links),
        channels=channels,
        levels_words=about.levels_words,
        graded=about.graded,
        quality=about.quality,
        gradient=GRADIENT,
        flips=flips_section(readings),
        groups=groups_section(readings),
        extremes=class_extremes(readings, order),
        headings=_HEADINGS,
        table=table,
        table_words=_table_words(table),
        conventions=conventions(readings),
        decisions=decisions(manifest),
        read_first=manifest.get("warnings", ()),
        warnings=[*warnings(manifest), *undefined_values(readings)],
        command=command_of(readings),
        manifest=readings.manifest_text,
        version=manifest.get("version", ""),
        **_verdict_parts(readings, order),
        **curves(readings, order),
    )


def _facts(readings: Readings) -> list[tuple[str, str]]:
    settings, manifest = readings.settings, readings.manifest
    images, execution = manifest.get("images", {}), manifest.get("execution", {})
    of = images.get("available")
    used = f"{readings.n:,} of {of:,}" if of else f"{readings.n:,}"
    layers = len(readings.layers)
    groups = [name for name in readings.transformations if is_group(name)]
    count = len(readings.transformations) - len(groups)
    own = [word for word in readings.asked if "=" in word]
    from_table = [f"{count - len(own)} from the table “{settings.get('table', 'standard')}”"]
    said = "; ".join([*(from_table if count > len(own) else []), *own])
    facts = [
        ("Data", settings.get("data", "")),
        ("Images", used),
        ("Transformations", said if count else ""),
        ("Groups", ", ".join(groups)),
        ("Layers", f"{layers}"),
        ("Date", str(execution.get("started", ""))[:10]),
    ]
    if settings.get("weights"):
        facts.append(("Weights (sha256)", str(settings["weights"])[:12]))
    return [(term, str(value)) for term, value in facts if value not in ("", None)]


def command_of(readings: Readings) -> str:
    """What makes the run and its figures again: its command line, or the call in Python."""
    return command(readings.manifest, "measure")


def _unfinished(readings: Readings) -> str:
    if readings.manifest.get("execution", {}).get("status", "finished") == "finished":
        return ""
    return (
        "The numbers are those of the images measured so far; the same command, given again, goes"
        " on where it stopped."
    )


def _verdict_parts(readings: Readings, order: list[Standing]) -> dict[str, Any]:
    findings = verdict(readings)
    lead = [f for f in findings if f.kind in ("least", "most", "none")]
    last = [f for f in findings if f.kind == "words"]
    rows = glance(readings, order)
    about = readings.meaning(readings.headline[0] if readings.headline else "")
    has_words = about.graded
    has_twin = any(standing.twin for standing in order)
    has_kept = any(row.kept != ABSENT for row in rows)
    return {
        "lead": lead,
        "rest": [f for f in findings if f not in lead and f not in last],
        "last": last,
        "glance": rows,
        "glance_order": "from the least reaction to the most" if about.graded else "best first",
        "glance_headings": [
            ("Transformation", ""),
            (about.end_words(), "track"),
            ("Mean [interval]", ""),
            *columns(*["The model"] * has_words, *["Than its untrained twin"] * has_twin),
            *columns(numbers=["Prediction kept"] * has_kept),
        ],
        "has_words": has_words,
        "has_twin": has_twin,
        "has_kept": has_kept,
    }


def _table_words(table: FullTable) -> str:
    text = f"{len(table.rows):,} rows: every metric at the embedding and the logits."
    if table.note:
        text = (
            f"This table shows {table.note}: {len(table.rows):,} of {table.total:,} rows at the"
            " embedding and the logits."
        )
    return (
        f"{text} All layers and classes are in summary.parquet in the run’s folder, and in"
        " Result.frame."
    )
