"""What goes out of a measurement.

| name | what |
|---|---|
| METRIC/TRANSFORMATION/LAYER | the value at each level; steps are the levels |
| ci_low/…, ci_high/… | the ends of its 95 % interval over images |
| shuffled/…, floor/…, untrained/… | the same for the controls, where the run has them |
| magnitude/TRANSFORMATION | what the levels are: degrees, factors (its unit is in the settings) |
| average/METRIC/TRANSFORMATION/LAYER | one number: the mean over the levels (`Result.averages`) |
| group/GROUP/METRIC/TRANSFORMATION/LAYER | the same over a group of images (`Result.by_group`) |

Curves are those of the embedding and the logits, and of metrics that neither has (of feature maps)
at every layer; `layers` chooses others. Values that no image has are left out and counted.
"""

import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.export.record import Curve, Name, Record
from invariscope.registry import unknown_name
from invariscope.report.run.readings import HEADLINE_LAYERS
from invariscope.results import Result
from invariscope.search import Factors

#: Lists of the manifest that would swamp the parameters of a tracker; manifest.json has them.
_LONG = ("cells", "layers")


@dataclass(frozen=True)
class Choice:
    """What of a run goes out; None: all, or what is usual.

    Args:
        metrics: Names.
        transformations: Names.
        layers: Names or globs.
    """

    metrics: tuple[str, ...] | None = None
    transformations: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Chooses rows of a frame with the columns metric, transformation and layer.

        Raises:
            InputError: The frame has none of a name.
        """
        for column, wanted in (("metric", self.metrics), ("transformation", self.transformations)):
            known = list(dict.fromkeys(frame[column].dropna()))
            for name in wanted or ():
                if name not in known:
                    raise unknown_name(f"{column} of this run", name, known)
            if wanted is not None:
                frame = frame[frame[column].isin(wanted)]
        if self.layers is not None:
            known = list(dict.fromkeys(frame["layer"].dropna()))
            chosen = [name for name in known if any(fnmatch(name, p) for p in self.layers)]
            if not chosen:
                raise unknown_name("layer of this run", self.layers[0], known)
            frame = frame[frame["layer"].isin(chosen)]
        return frame


def record_of_run(result: Result, choice: Choice) -> Record:
    """Collects what goes out of a measurement.

    Raises:
        InputError: The run is not finished, or has nothing of what was chosen.
    """
    manifest = result.manifest
    if manifest["execution"]["status"] != "finished":
        raise InputError(
            f"{result.folder} is not finished: go on with its run, with the same command as before"
        )
    settings = manifest["settings"]
    whole = result.summary[result.summary["class"].isna()]
    curves, undefined = _curves(_usual(choice.of(whole), choice))
    averages = choice.of(result.averages(choice.metrics, choice.transformations))
    numbers = _averages(averages)
    groups = None if result.image_groups is None else choice.of(result.by_group())
    numbers |= {} if groups is None else _groups(groups)
    about = {key: value for key, value in settings.items() if key not in _LONG}
    about["levels"] = _levels(settings["cells"])
    about["images_used"] = manifest["images"]["used"]
    return Record(
        command="measure",
        title=f"{settings['model']} on {settings['data']}",
        identity=manifest["identity"],
        settings={**about, "environment": manifest["environment"], "version": manifest["version"]},
        manifest=manifest,
        curves=curves,
        numbers=numbers,
        table=choice.of(result.frame),
        summary=averages,
        paper=paper_table(averages, manifest, choice),
        figures=_figures(result, curves, choice),
        groups=groups,
        page=lambda folder: copied_page(result, folder),
        notes=_said(undefined),
    )


def paper_table(averages: pd.DataFrame, manifest: dict[str, Any], choice: Choice) -> pd.DataFrame:
    """Arranges averages for a paper: a row per transformation, a column per metric (and model).

    A metric is read at the embedding, else at the logits, else in the last part that has it.
    Without a choice of metrics, those of the headline and of predictions.

    Args:
        averages: Of one run, or of several.
        manifest: Of a run: what things are called.
        choice: What was chosen.

    Returns:
        Cells (value, low, high); names in words, of columns as tuples.
    """
    several = averages["model"].nunique() > 1
    about, words = manifest["metrics"], manifest["transformations"]
    cells: dict[tuple[str, ...], dict[str, tuple[float, float, float]]] = {}
    for metric, rows in averages.groupby("metric", sort=False):
        known = about.get(metric, {})
        if choice.metrics is None and known.get("role") not in ("headline", "kept", "right"):
            continue
        for row in rows[_headline_place(rows)].to_dict("records"):
            head = (str(known.get("label", metric)), *([str(row["model"])] if several else []))
            name = row["transformation"] if isinstance(row["transformation"], str) else "mean"
            name = str(words.get(name, {}).get("words", name))
            cells.setdefault(head, {})[name] = (row["value"], row["ci_low"], row["ci_high"])
    names = list(dict.fromkeys(name for column in cells.values() for name in column))
    names.sort(key=lambda name: name == "mean")
    data = {k: [column.get(name) for name in names] for k, column in enumerate(cells.values())}
    table = pd.DataFrame(data, index=pd.Index(names, name="transformation"), dtype=object)
    table.columns = pd.Index(list(cells), tupleize_cols=False)
    return table


def _headline_place(rows: pd.DataFrame) -> pd.Series:
    for layer in HEADLINE_LAYERS:
        if (rows["layer"] == layer).any():
            return rows["layer"] == layer
    part = rows["part"].iloc[-1]
    return rows["layer"].isna() & (rows["part"] == part)


def _usual(frame: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The rows whose curves go out."""
    if choice.layers is not None:
        return frame
    headline = frame["layer"].isin(HEADLINE_LAYERS)
    there = set(frame.loc[headline & (frame["n"] > 0), "metric"])
    return frame[headline | ~frame["metric"].isin(there)]


def _curves(frame: pd.DataFrame) -> tuple[tuple[Curve, ...], int]:
    curves: dict[Name, Curve] = {}
    undefined = 0
    keys = ["control", "metric", "transformation", "layer"]
    for key, rows in frame.groupby(keys, sort=False):
        control, *name = map(str, key)
        rows = rows.drop_duplicates("level").sort_values("level")
        axis = ("magnitude", name[1])
        undefined += int((rows["n"] == 0).sum())
        if len(rows) > 1 and (rows.loc[rows["level"] > 0, "n"] == 0).all():
            continue  # trackers show the last point of a curve: that of the identity says nothing
        ends = () if control else ("ci_low", "ci_high")
        for prefix, column in (
            ((control,) if control else (), "value"),
            *(((e,), e) for e in ends),
        ):
            curve = Curve((*prefix, *name), _points(rows, column), axis)
            if curve.points:
                curves[curve.name] = curve
        magnitudes = curves.get(axis, Curve(axis, ())).points
        merged = dict(magnitudes) | dict(_points(rows, "magnitude"))
        curves[axis] = Curve(axis, tuple(sorted(merged.items())))
    return tuple(curves.values()), undefined


def _points(rows: pd.DataFrame, column: str) -> tuple[tuple[int, float], ...]:
    pairs = zip(rows["level"], rows[column].astype(float), strict=True)
    return tuple((int(level), float(value)) for level, value in pairs if np.isfinite(value))


def _averages(averages: pd.DataFrame) -> dict[Name, float]:
    numbers: dict[Name, float] = {}
    for row in averages.to_dict("records"):
        if np.isfinite(row["value"]):
            name = row["transformation"] if isinstance(row["transformation"], str) else "all"
            place = row["layer"] if isinstance(row["layer"], str) else row["part"]
            numbers["average", str(row["metric"]), name, str(place)] = float(row["value"])
    return numbers


def _groups(groups: pd.DataFrame) -> dict[Name, float]:
    numbers: dict[Name, float] = {}
    for row in groups.to_dict("records"):
        if np.isfinite(row["value"]):
            name = row["transformation"] if isinstance(row["transformation"], str) else "all"
            key = ("group", str(row["group"]), str(row["metric"]), name, str(row["layer"]))
            numbers[key] = float(row["value"])
    return numbers


def _levels(cells: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The magnitudes of each transformation in words, in the order of its levels."""
    levels: dict[str, list[str]] = {}
    for cell in cells:
        levels.setdefault(cell["transformation"], []).append(str(cell["shown"]))
    return {name: ", ".join(shown) for name, shown in levels.items()}


def _figures(result: Result, curves: Sequence[Curve], choice: Choice) -> dict[str, Any]:
    """A picture for each metric, of all transformations as small multiples."""
    places: dict[str, str] = {}
    known = set(result.frame["metric"])
    for curve in curves:
        if curve.name[0] in known:
            places.setdefault(curve.name[0], curve.name[-1])
    return {
        metric: lambda metric=metric, layer=layer: png(
            result.plot(_with_values(result, metric, layer, choice), metric=metric, layer=layer)
        )
        for metric, layer in places.items()
    }


def _with_values(result: Result, metric: str, layer: str, choice: Choice) -> list[str]:
    frame = choice.of(result.frame)
    rows = frame[(frame["metric"] == metric) & (frame["layer"] == layer) & (frame["n"] > 0)]
    return list(dict.fromkeys(rows["transformation"]))


def png(figure: Any) -> bytes:
    """A matplotlib figure as PNG."""
    from invariscope.report.kit.look import without_usetex

    buffer = io.BytesIO()
    with without_usetex():
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def copied_page(run: Result | Factors, folder: Path) -> None:
    """Copies the report of a run's folder, or writes it."""
    there = None if run.folder is None else run.folder / "report.html"
    if there is None or not there.is_file():
        run.to_html(folder / "report.html")
        return
    shutil.copy(there, folder / "report.html")
    if (there.parent / "layers").is_dir():
        shutil.copytree(there.parent / "layers", folder / "layers")


def _said(undefined: int) -> tuple[str, ...]:
    return (f"values that no image has, so gaps: {undefined}",) if undefined else ()


def chosen(text: Iterator[str] | Sequence[str] | None) -> tuple[str, ...] | None:
    """Names that are repeated or separated by commas, as a tuple."""
    if text is None:
        return None
    return tuple(name.strip() for part in text for name in part.split(",") if name.strip()) or None
