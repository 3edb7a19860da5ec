"""The report: one HTML file that needs nothing else, neither network nor fonts nor a server."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from invariscope.errors import InputError
from invariscope.report.kit.page import PAGE, asset, write_page
from invariscope.report.kit.provenance import warnings
from invariscope.report.kit.shades import shade
from invariscope.report.kit.words import images_counted
from invariscope.report.run.cards import curves
from invariscope.report.run.channels import section
from invariscope.report.run.conventions import command, conventions
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

_HEADINGS = (
    ("Transformation", ""),
    ("Level", "number"),
    ("Magnitude", "number"),
    ("Metric", ""),
    ("Layer", ""),
    ("Control", ""),
    ("Value", "number"),
    ("95 % low", "number"),
    ("95 % high", "number"),
    ("n", "number"),
    ("Undefined", "number"),
)


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
    template = PAGE.get_template("layer.html")
    css = Markup(asset("page.css") + asset("layer.css"))
    for name, shown in pages(Layered(Readings(result)), report):
        yield name, template.render(css=css, **shown)


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
    script, css = asset("page.js"), asset("page.css")
    settings, manifest = readings.settings, readings.manifest
    model = str(settings.get("model", "the model"))
    words = readings.meaning(readings.headline[0]).phrase if readings.headline else ""
    where = f" at the {readings.headline[1]}" if readings.headline else ""
    table = full_table(readings)
    return PAGE.get_template("page.html").render(
        title=f"{model} on {settings.get('data', 'images')}",
        model=model,
        facts=_facts(readings),
        headline_words=f"{words}{where}",
        images_words=images_counted(readings.n),
        unfinished=_unfinished(readings),
        heat=None if channels and about.heat_map else heat_map(readings),
        channels=channels,
        layer_links=dict(channels["pages"]) if channels else {},
        levels_words=about.levels_words,
        graded=about.graded,
        quality=about.quality,
        gradient=", ".join(shade(k / 8)[0] for k in range(9)),
        extremes=_extremes(readings, order),
        headings=_HEADINGS,
        table=table,
        table_words=_table_words(table),
        conventions=conventions(readings),
        decisions=manifest.get("decisions", {}),
        read_first=manifest.get("warnings", ()),
        warnings=[*warnings(manifest), *undefined_values(readings)],
        command=command(readings),
        repeat_words=(
            "The manifest below holds everything that decides the numbers: specs, resolved"
            " preprocessing, seed, the hashes of the weights and of the image ids, and the versions"
            " of what ran."
        ),
        manifest=readings.manifest_text,
        version=manifest.get("version", ""),
        css=Markup(css),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
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
    from_table = f"{count} from the table “{settings.get('table', 'standard')}”"
    facts = [
        ("Data", settings.get("data", "")),
        ("Images", used),
        ("Transformations", from_table if count else ""),
        ("Groups", ", ".join(groups)),
        ("Layers", f"{layers}"),
        ("Date", str(execution.get("started", ""))[:10]),
    ]
    if settings.get("weights"):
        facts.append(("Weights (sha256)", str(settings["weights"])[:12]))
    return [(term, str(value)) for term, value in facts if value not in ("", None)]


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
    return {
        "lead": lead,
        "rest": [f for f in findings if f not in lead and f not in last],
        "last": last,
        "glance": rows,
        "glance_ends": about.end_words(),
        "glance_order": "from the least reaction to the most" if about.graded else "best first",
        "has_words": about.graded,
        "has_twin": any(standing.twin for standing in order),
        "has_kept": any(row.kept != ABSENT for row in rows),
    }


def _extremes(readings: Readings, order: list[Standing]) -> list[dict[str, Any]]:
    shown = []
    for found in class_extremes(readings, order):
        note = f"{found.ranked:,} classes ranked"
        if found.too_small:
            note += f"; {found.too_small:,} with a single image have no interval and are not ranked"
        if not found.apart:
            note += "; the intervals of the first and the last overlap, so the order is open"
        sides = [("Most invariant", found.most), ("Least invariant", found.least)]
        words = readings.words(found.transformation)
        shown.append({"words": words, "sides": sides, "note": f"{note}."})
    return shown


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
