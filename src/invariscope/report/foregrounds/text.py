"""Writes the text of `invariscope foregrounds`: findings, then the table, in 80 columns."""

import numpy as np
import pandas as pd

from invariscope.errors import first_of
from invariscope.foregrounds.masks import SALIENCY
from invariscope.foregrounds.result import FAINT, Foregrounds
from invariscope.foregrounds.spread import EVERY, QUANTILES, SUMMARISED
from invariscope.report.kit.words import counted, number
from invariscope.terminal import Table, rendered, table

_SHOWN = 3
_EXTREMES = 3
_ENOUGH = 3  # images of a class before its mean is worth a sentence


def findings(foregrounds: Foregrounds) -> list[str]:
    """States the findings, a sentence or two each: scale, place, which of them varies more."""
    area, x, y = (foregrounds.overall(measure) for measure in ("area", "x", "y"))
    return [
        f"Size: the box of the foreground covers {_percent(area['q05'])} to "
        f"{_percent(area['q95'])} of the image (5 to 95 % of the images), the median is "
        f"{_percent(area['q50'])}.",
        f"Place: its centre is at x = {_with_error(x)}, y = {_with_error(y)} (mean ± standard "
        "error; x to the right, y down, 0.5 is the middle).",
        _comparison(foregrounds.spread[foregrounds.spread["class"] == EVERY].iloc[0]),
        *_extremes(foregrounds),
    ]


def notes(foregrounds: Foregrounds) -> list[str]:
    """Lists images that do not count, and cautions."""
    manifest = foregrounds.manifest
    lines = [f"masks: {manifest['decisions']['masks']}"]
    settings, images = manifest["settings"], manifest["images"]
    empty, skipped = images["empty"], images["skipped"]
    if empty:
        lines.append(
            f"{counted(len(empty), 'image')} without any foreground above "
            f"{settings['threshold']:g}, in no mean: {first_of(empty, _SHOWN)}"
        )
    if skipped:
        first = skipped[0]
        lines.append(
            f"skipped {counted(len(skipped), 'image')}, first {first['image']}: {first['reason']}"
        )
    faint = int((foregrounds.images["peak"] < FAINT).sum())
    if settings["masks"] == SALIENCY and faint:
        lines.append(
            f"in {counted(faint, 'image')} the network found nothing (peak below {FAINT:g}): their "
            "boxes come from scaling a faint map up"
        )
    return [*lines, *images["notes"], *manifest["warnings"]]


def to_text(foregrounds: Foregrounds) -> str:
    """Findings, table and notes, at most 80 columns wide."""
    settings = foregrounds.manifest["settings"]
    boxes = int(foregrounds.spread.loc[foregrounds.spread["class"] == EVERY, "n"].iloc[0])
    title = (
        f"foregrounds of {settings['data']}: {counted(boxes, 'image')}, masks {settings['masks']}, "
        f"threshold {settings['threshold']:g}"
    )
    text = (f"note: {line}" for line in notes(foregrounds))
    return rendered(title, *findings(foregrounds), "", _statistics(foregrounds), "", *text)


def _statistics(foregrounds: Foregrounds) -> Table:
    """The statistics over all images; ± is the longer arm of the 95 % interval."""
    rows = []
    for measure in SUMMARISED:
        row = foregrounds.overall(measure)
        quantiles = (f"{row[name]:.3f}" for name in QUANTILES)
        sem = number(row["sem"], 4)
        rows.append([measure, _with_arm(row, "mean"), _with_arm(row, "sd"), sem, *quantiles])
    shares = (f">{100 * share:.0f} %" for share in QUANTILES.values())
    return table(("", ">mean", ">sd", ">SEM", *shares), rows)


def _comparison(row: pd.Series) -> str:
    share, low, high = row["size_share"], row["size_share_low"], row["size_share_high"]
    if not np.isfinite(share):
        return "Size or place: nothing varies, or there is one box only."
    interval = f", 95 % interval {_percent(low)} to {_percent(high)}" if np.isfinite(low) else ""
    if np.isfinite(low) and low > 0.5:
        verdict = "size varies more than place"
    elif np.isfinite(high) and high < 0.5:
        verdict = "place varies more than size"
    else:
        verdict = "which of them varies more cannot be told"
    return (
        f"Size or place: {_percent(share)} of the variance of the box's edges comes from its size "
        f"(half its side: ±{row['size']:.3f} of the frame), the rest from its place (±"
        f"{row['translation']:.3f}){interval}: {verdict}."
    )


def _extremes(foregrounds: Foregrounds) -> list[str]:
    rows = foregrounds.summary
    rows = rows[(rows["measure"] == "area") & (rows["class"] != EVERY) & (rows["n"] >= _ENOUGH)]
    if len(rows) < 2 * _EXTREMES:
        return []
    rows = rows.sort_values("mean", kind="stable")
    small, large = (
        ", ".join(f"{row['class']} {_percent(row['mean'])}" for _, row in part.iterrows())
        for part in (rows.head(_EXTREMES), rows.tail(_EXTREMES)[::-1])
    )
    return [
        f"Of {len(rows)} classes with {_ENOUGH} images or more the largest on average: {large}; "
        f"the smallest: {small}."
    ]


def _with_arm(row: pd.Series, name: str) -> str:
    arm = max(row[f"{name}_high"] - row[name], row[name] - row[f"{name}_low"])
    return f"{number(row[name], 3)} ±{number(arm, 3)}"


def _with_error(row: pd.Series) -> str:
    return f"{row['mean']:.3f} ± {number(row['sem'], 3)}"


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"
