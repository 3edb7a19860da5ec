"""Makes a page for each layer: its numbers by element, its channels, and what they become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import pandas as pd

from invariscope.report.kit.drawings import Drawing, drawing
from invariscope.report.kit.pictures import Thumbnail
from invariscope.report.kit.words import (
    number,
    with_interval,
)
from invariscope.report.run.channel_figures import COLOURS, histogram
from invariscope.report.run.channel_tables import extremes, fate, rows_of
from invariscope.report.run.layered import Layered
from invariscope.report.run.levels import strip
from invariscope.report.run.map_pictures import gradient, picture
from invariscope.results.pairs import ChannelPair

#: Elements whose histograms and extremes are shown.
MOST_SHOWN = 4
#: Rows of the numbers; a larger group is cut, and the page says so.
LONGEST = 160
_CONTROLS = {"shuffled": "by chance", "floor": "floor", "untrained": "untrained"}


@dataclass(frozen=True)
class Motion:
    """An element that is shown: its cell, its name for people, and that of what moves."""

    cell: str
    transformation: str
    level: int
    label: str
    family: str

    @property
    def words(self) -> str:
        """Such as "90° (turns of C4)"."""
        return f"{self.label} ({self.family})"


def pages(layered: Layered, report: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, what the template shows) of each layer, in depth order.

    Args:
        layered: The run.
        report: The report's file, as a link from the pages' folder.
    """
    names = list(layered.files)
    shown = shown_motions(layered)
    for position, layer in enumerate(names):
        before = names[position - 1] if position else ""
        after = names[position + 1] if position + 1 < len(names) else ""
        links = {
            "report": report,
            "before": (before, quote(layered.files[before])) if before else None,
            "after": (after, quote(layered.files[after])) if after else None,
        }
        yield layered.files[layer], {**layer_facts(layered, layer, shown), **links}


def shown_motions(layered: Layered) -> list[Motion]:
    """The elements that the pages show: those with pictures, else the first with channels."""
    every = {
        cell: Motion(cell, name, level, layered.labels[name, level], layered.readings.words(name))
        for (name, level), cell in reversed(layered.cells.items())
        if level > 0 and (name, level) in layered.labels
    }
    pairs = getattr(layered.readings.result, "channel_pairs", None)
    wanted = list(dict.fromkeys(pair.cell for pair in pairs.pairs)) if pairs else []
    table = layered.readings.channels
    if not wanted and table is not None:
        wanted = list(dict.fromkeys(table.loc[table["control"] == "", "cell"]))
    return [every[cell] for cell in wanted if cell in every][:MOST_SHOWN]


def layer_facts(layered: Layered, layer: str, shown: Sequence[Motion]) -> dict[str, Any]:
    """What the template shows of a layer, but for the links to its neighbours and the report."""
    readings = layered.readings
    about = next(known for known in readings.layers if known["name"] == layer)
    table = readings.channels
    here = table[table["layer"] == layer] if table is not None else pd.DataFrame()
    vector = layered.without_positions(layer)
    count = here["channel"].nunique() if len(here) else 0
    facts = [
        ("Model", str(readings.settings.get("model", ""))),
        ("Data", f"{readings.settings.get('data', '')}, {readings.n:,} images"),
        ("Part", f"{about['part']}, at {100 * about.get('depth', 1.0):.0f}\u00a0% of the depth"),
    ]
    if about.get("grid") and not vector:
        facts.append(("Map", f"{about['grid'][0]} × {about['grid'][1]} cells"))
    if count:
        facts.append(("Channels", f"{count:,}"))
    present = [motion for motion in shown if len(here) and (here["cell"] == motion.cell).any()]
    tables, cut = _numbers(layered, layer)
    return {
        "model": readings.settings.get("model", "the model"),
        "layer": layer,
        "facts": [(term, text) for term, text in facts if text],
        "vector": vector and count > 0,
        "n": readings.n,
        "metrics": tables[0] if tables else [],
        "numbers": tables[1] if tables else [],
        "cut": cut,
        "fates": _fates(layered, here, layer, vector),
        "spreads": [_spread(here, layer, motion, k) for k, motion in enumerate(present)],
        "ends": _ends(here, layer, present),
        "becoming": _becoming(layered, layer, present, here),
        "missing_pictures": _missing(layered, layer, vector, count),
        "gradient": gradient(),
        "version": readings.manifest.get("version", ""),
    }


def _numbers(layered: Layered, layer: str) -> tuple[tuple[list[str], list[Any]] | None, int]:
    """(headings, groups of rows) of every metric at the layer, and how many rows were cut."""
    readings = layered.readings
    rows = readings.overall
    rows = rows[rows["layer"] == layer]
    measured = list(dict.fromkeys(rows.loc[rows["control"] == "", "metric"]))
    known = [m for m in (*layered.main, *layered.beside) if m in measured]
    metrics = [*known, *(m for m in measured if m not in known)]
    indexed = {
        (row.transformation, int(cast(Any, row.level)), row.metric, row.control): row
        for row in rows.itertuples(index=False)
        if not row.control or readings.meaning(str(row.metric)).quality
    }
    groups, left, cut = [], LONGEST, 0
    for name in readings.transformations:
        levels = [level for family, level in layered.labels if family == name]
        cut += max(0, len(levels) - left)
        shown = [
            (
                layered.labels[name, level],
                [_number(indexed, name, level, metric) for metric in metrics],
            )
            for level in levels[: max(0, left)]
        ]
        left -= len(levels)
        if shown:
            groups.append((readings.words(name), shown))
    return (
        ([layered.readings.meaning(m).label for m in metrics], groups) if metrics else None
    ), cut


def _number(indexed: dict, name: str, level: int, metric: str) -> tuple[str, str]:
    row = indexed.get((name, level, metric, ""))
    if row is None:
        return "–", ""
    beside = [
        f"{words} {number(control_row.value)}"
        for control, words in _CONTROLS.items()
        if (control_row := indexed.get((name, level, metric, control))) is not None
    ]
    return with_interval(row.value, row.ci_low, row.ci_high), ", ".join(beside)


def _fates(layered: Layered, here: pd.DataFrame, layer: str, vector: bool) -> list[tuple[Any, ...]]:
    fates = []
    seen = set()
    for (name, level), cell in layered.cells.items():
        if level == 0 or cell in seen or not len(here) or len(fates) >= LONGEST:
            continue
        seen.add(cell)
        rows = rows_of(here, layer, cell)
        if len(rows):
            label = layered.labels.get((name, level), cell)
            maps = "no positions" if vector else "exact" if rows["exact"].all() else "interpolated"
            fates.append((label, *fate(rows, rows_of(here, layer, cell, "shuffled")), maps))
    return fates


def _spread(here: pd.DataFrame, layer: str, motion: Motion, k: int) -> tuple[str, list[Drawing]]:
    rows = rows_of(here, layer, motion.cell)
    null = rows_of(here, layer, motion.cell, "shuffled")
    words = "dashed: by chance"
    if null.empty:
        cells = here.loc[here["control"] == "shuffled", "cell"]
        null = rows_of(here, layer, str(cells.iloc[0]), "shuffled") if len(cells) else null
        words = "dashed: by chance, measured at another element" if len(cells) else ""
    drawings = []
    for column, colour in zip(("invariance", "equivariance"), COLOURS, strict=True):
        values = rows[column].to_numpy(dtype=float)
        chance = null[column].to_numpy(dtype=float) if len(null) else None
        known = values[np.isfinite(values)]
        cuts = np.quantile(known, (0.25, 0.5, 0.75)) if known.size else []
        quartiles = ", ".join(number(cut) for cut in cuts) or "–"
        label = (
            f"Histogram: channel {column} of {len(known)} living channels under {motion.words};"
            f" quartiles {quartiles}."
        )
        figure = histogram(values, chance, colour)
        name = f"Channel {column}"
        caption = f"{name}; {words}" if words else name
        drawings.append(drawing(figure, f"h{k}{column[0]}", label, caption))
    return motion.words, drawings


def _ends(here: pd.DataFrame, layer: str, present: Sequence[Motion]) -> list[tuple[str, Any]]:
    if not present:
        return []
    first = present[0]
    return [(first.words, extremes(rows_of(here, layer, first.cell)))]


def _becoming(
    layered: Layered, layer: str, present: Sequence[Motion], here: pd.DataFrame
) -> list[dict[str, Any]]:
    pairs = getattr(layered.readings.result, "channel_pairs", None)
    if pairs is None:
        return []
    sections = []
    for motion in present:
        own = [pair for pair in pairs.at(layer) if pair.cell == motion.cell]
        if not own:
            continue
        rows = {
            int(row["channel"]): row for row in rows_of(here, layer, motion.cell).to_dict("records")
        }
        shown = [(pair, _pair(pair, rows)) for pair in own]
        photographs = strip(layered.readings, motion.transformation, (0, motion.level))
        others = [picture for pair, picture in shown if pair.channel != pair.match]
        selves = [picture for pair, picture in shown if pair.channel == pair.match]
        sections.append(
            {
                "words": motion.words,
                "photographs": [
                    replace(photograph, caption=caption)
                    for photograph, caption in zip(photographs, ("x", "T_g x"), strict=False)
                ],
                "pairs": [("Another channel", others), ("The same channel", selves)],
            }
        )
    return sections


def _pair(pair: ChannelPair, rows: dict[int, dict]) -> dict[str, Any]:
    row = rows[pair.channel]
    error = float(row["equivariance_error"])
    text = f"{number(float(row['equivariance']))} over the data set"
    if np.isfinite(error):
        text = f"{number(float(row['equivariance']))} ± {number(1.96 * error)} over the data set"
    title = f"Channel {pair.channel} still shows what it showed"
    if pair.channel != pair.match:
        title = f"Channel {pair.channel} shows what {pair.match} showed"
        text += f" (with itself {number(float(row['invariance']))})"
    text += f", {number(pair.similarity)} in this image"
    captions = (f"f(x)_{pair.match}", f"T_g f(x)_{pair.match}", f"f(T_g x)_{pair.channel}")
    maps = [
        Thumbnail(caption, f"Map {caption}", picture(cells))
        for caption, cells in zip(captions, pair.maps, strict=True)
    ]
    return {"title": title, "words": text, "maps": maps}


def _missing(layered: Layered, layer: str, vector: bool, count: int) -> str:
    """Says why there are no pictures of channels, if there are none."""
    pairs = getattr(layered.readings.result, "channel_pairs", None)
    if not count:
        return ""
    if vector:
        return "No pictures: a channel is a single number here."
    if pairs is None:
        return (
            "The run’s folder holds no readable pictures of channel pairs (channel_pairs.npz); the"
            " run’s command, given again, makes them."
        )
    return "" if pairs.at(layer) else "No channel is alive in this layer under these elements."


def folder_of(report: Path) -> Path:
    """The folder of the layers' pages of a report: ``layers``, or ``NAME-layers`` beside others.

    Example:
        >>> folder_of(Path("run/report.html")).name, folder_of(Path("mine.html")).name
        ('layers', 'mine-layers')
    """
    name = "layers" if report.name == "report.html" else f"{report.stem}-layers"
    return report.with_name(name)
