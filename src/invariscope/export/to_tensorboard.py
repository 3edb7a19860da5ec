"""Writes event files that ``tensorboard --logdir FOLDER`` shows."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from invariscope.errors import InputError
from invariscope.export.record import Record, altered, flat
from invariscope.files import writable
from invariscope.training.trackers import summary_writer

_LONGEST = 2000


def to_tensorboard(record: Record, *, output: Path, replace: bool = False) -> list[str]:
    """Writes a run into a folder: scalars by level, pictures, settings and tables as text.

    Raises:
        InputError: The package is missing, or the folder has events already.
    """
    make = summary_writer()
    events = sorted(output.glob("events.out.tfevents.*"))
    if events and not replace:
        raise InputError(
            f"{output} has events already: give `replace` to write them anew, or another `output`"
        )
    names = record.names()
    with writable(output):
        writer = make(str(output))
        try:
            for curve in record.curves:
                for step, value in curve.points:
                    writer.add_scalar(names[curve.name], value, step)
            for name, value in record.numbers.items():
                writer.add_scalar(names[name], value, 0)
            for name, draw in record.figures.items():
                writer.add_image(f"figures/{name}", _pixels(draw()), dataformats="HWC")
            writer.add_text("settings", _listed(flat(record.settings, _LONGEST)))
            if changed := altered(names):
                writer.add_text("names", _listed(changed))
            writer.add_text("summary", _markdown(record.summary))
            writer.add_text("manifest", f"```\n{json.dumps(record.manifest, indent=1)}\n```")
        finally:
            writer.close()
        for event in events:  # the new ones are whole
            event.unlink()
    return [f"tensorboard: tensorboard --logdir {output}"]


def _pixels(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        return np.array(image.convert("RGB"))


def _listed(values: dict[str, str]) -> str:
    rows = pd.DataFrame({"name": list(values), "value": list(values.values())})
    return _markdown(rows)


def _markdown(frame: pd.DataFrame) -> str:
    """A table of Markdown; text from outside is no markup in it."""

    def cell(value: object) -> str:
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        for mark in "\\`*_|<[":
            text = text.replace(mark, f"\\{mark}")
        return " ".join(text.split())

    rows = [list(frame.columns), ["---"] * len(frame.columns)]
    lines = [f"| {' | '.join(str(part) for part in rows[0])} |", f"| {' | '.join(rows[1])} |"]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in frame.itertuples(index=False)]
    return "\n".join(lines)
