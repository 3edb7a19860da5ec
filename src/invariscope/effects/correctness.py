"""Arranges which images several training seeds of several methods get right.

The tidy form is a table with one row per image, method and seed, as CSV or parquet:

| column | meaning |
|---|---|
| image | id of a test image, the same for every run |
| class | name of its true class |
| method | how the model was trained: `none`, `rrc`, … |
| seed | which run of the method: a number or a word |
| correct | 1 or 0 (also true and false): whether the model's first answer is right |

Run folders that `measure` wrote give the same table: a run is a seed of the method that the caller
names, and correct is its `accuracy` on the untouched image.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Int64

from invariscope.errors import InputError
from invariscope.files import read_csv
from invariscope.results import RowStore
from invariscope.results.agreement import other_contents
from invariscope.results.cells import metric_as
from invariscope.runs.block_files import ROWS
from invariscope.runs.manifest import read_manifest
from invariscope.transformations import IDENTITY

COLUMNS = ("image", "class", "method", "seed", "correct")
_LAYER = "logits"
_TRUTH = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True)
class Correctness:
    """Right and wrong answers of all runs on the images that all of them have.

    Attributes:
        images: Their ids, in the order of the first run's rows.
        classes: The names of the classes, sorted.
        members: The class of each image, as a place in `classes`.
        seeds: The seeds of each method.
        correct: Whether each seed is right about each image, by method.
        notes: What was left out.
    """

    images: tuple[str, ...]
    classes: tuple[str, ...]
    members: Int64[np.ndarray, " image"]
    seeds: dict[str, tuple[str, ...]]
    correct: dict[str, Bool[np.ndarray, "seed image"]]
    notes: list[str] = field(default_factory=list)


def arrange(frame: pd.DataFrame) -> Correctness:
    """Arranges the tidy table by method, seed and image.

    Args:
        frame: The columns image, class, method, seed, correct; others are not used.

    Raises:
        InputError: A column is missing or empty, `correct` is neither right nor wrong, an image is
            there twice in one run or of two classes, or no image is in every run.

    Example:
        >>> rows = [("a", "cat", m, s, int(m == "rrc")) for m in ("none", "rrc") for s in (1, 2)]
        >>> answers = arrange(pd.DataFrame(rows, columns=list(COLUMNS)))
        >>> answers.seeds, answers.correct["rrc"].tolist()
        ({'none': ('1', '2'), 'rrc': ('1', '2')}, [[True], [True]])
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(
            f"the table has the columns {', '.join(map(str, frame.columns)) or 'none'}: "
            f"{', '.join(COLUMNS)} are needed"
        )
    if frame.empty:
        raise InputError(f"the table is empty: give one row per {', '.join(COLUMNS[:-1])}")
    keys = {name: frame[name].astype(str).str.strip() for name in COLUMNS[:-1]}
    for name, values in keys.items():
        empty = (values == "") | frame[name].isna()
        if empty.any():
            raise InputError(f"row {int(empty.argmax()) + 1} of the table has no {name}: add it")
    right = frame["correct"].astype(str).str.strip().str.lower().map(_TRUTH)
    if right.isna().any():
        row = int(right.isna().argmax())
        raise InputError(
            f"row {row + 1} of the table has {frame['correct'].iloc[row]!r} as correct: give 1 or 0"
        )
    run = keys["method"] + "\0" + keys["seed"]
    places, runs = pd.factorize(run)
    columns, images = pd.factorize(keys["image"])
    _check_once(keys, places.astype(np.int64) * len(images) + columns)
    classes = _classes(keys, columns, len(images))
    answers = np.full((len(runs), len(images)), -1, dtype=np.int8)
    answers[places, columns] = right.to_numpy(dtype=bool)
    common = np.asarray((answers >= 0).all(axis=0))
    if not common.any():
        raise InputError(
            f"no image is in all {len(runs)} runs: test every seed of every method on the same "
            "images, under the same ids"
        )
    notes = []
    if not common.all():
        notes.append(
            f"{len(images) - int(common.sum()):,} of {len(images):,} images are left out: not in "
            "every run"
        )
    return _by_method(
        runs.tolist(), images[common].tolist(), classes[common], answers[:, common] > 0, notes
    )


def _check_once(keys: Mapping[str, pd.Series], cells: np.ndarray) -> None:
    twice = pd.Series(cells).duplicated().to_numpy()
    if twice.any():
        row = int(twice.argmax())
        method, seed, image = (keys[name].iloc[row] for name in ("method", "seed", "image"))
        raise InputError(f"image {image!r} is there twice for method {method!r}, seed {seed!r}")


def _classes(keys: Mapping[str, pd.Series], columns: np.ndarray, images: int) -> np.ndarray:
    """The class of each image."""
    names = keys["class"].to_numpy(dtype=object)
    classes = np.empty(images, dtype=object)
    classes[columns] = names
    differ = classes[columns] != names
    if differ.any():
        row = int(differ.argmax())
        raise InputError(
            f"image {keys['image'].iloc[row]!r} is of class {names[row]!r} and of "
            f"{classes[columns[row]]!r}: give each image one class"
        )
    return classes


def _by_method(
    runs: Sequence[str],
    images: Sequence[str],
    classes: np.ndarray,
    right: np.ndarray,
    notes: list[str],
) -> Correctness:
    names, members = np.unique(classes.astype(str), return_inverse=True)
    rows_of: dict[str, list[int]] = {}
    for row, run in enumerate(runs):
        rows_of.setdefault(run.partition("\0")[0], []).append(row)
    return Correctness(
        images=tuple(images),
        classes=tuple(names.tolist()),
        members=members.astype(np.int64),
        seeds={m: tuple(runs[p].partition("\0")[2] for p in where) for m, where in rows_of.items()},
        correct={m: right[where] for m, where in rows_of.items()},
        notes=notes,
    )


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a CSV or parquet file of the tidy form; all but the reading is checked by `arrange`.

    Raises:
        InputError: The file cannot be read, or ends in neither .csv nor .parquet.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".csv":  # an empty cell stays empty, and a class may be called NA
            return read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, pa.ArrowException, pd.errors.ParserError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(
            f"cannot read {path}: {reason}; give a table with the columns {', '.join(COLUMNS)}"
        ) from error
    raise InputError(f"{path}: give a file that ends in .csv or .parquet")


def read_runs(runs: Mapping[str, Sequence[str | os.PathLike[str]]]) -> pd.DataFrame:
    """Reads run folders that `measure` wrote into the tidy form.

    Args:
        runs: The run folders of each method, one for each training seed.

    Raises:
        InputError: No run there, no accuracy in it, other data or images than in the first, or a
            folder given twice for one method.
    """
    frames, stores, data = [], list[RowStore](), ""
    for method, folders in runs.items():
        for number, folder in enumerate(map(Path, folders)):
            if folder in map(Path, folders[:number]):
                raise InputError(f"{folder} is given twice for {method!r}: one run for each seed")
            manifest = read_manifest(folder)
            own = manifest["settings"]["data"]
            if data and own != data:
                raise InputError(
                    f"the runs are on different data ({data} and, in {folder}, {own}): measure all "
                    "models on the same images"
                )
            data = own
            store = RowStore(folder / ROWS, run=manifest["identity"])
            stores.append(store)
            frames.append(_run_frame(folder, store, manifest, method))
    changed = other_contents(stores)
    if changed:
        raise InputError(
            f"the runs are on different images: {changed[0]} has another content in one of them; "
            "measure all models on the same images"
        )
    return pd.concat(frames, ignore_index=True)


def _run_frame(
    folder: Path, store: RowStore, manifest: dict[str, Any], method: str
) -> pd.DataFrame:
    blocks = store.dense(_LAYER, only=[(metric_as(manifest, "right"), "")])
    if not blocks or IDENTITY not in blocks[0].cells:
        raise InputError(
            f"{folder} knows no accuracy on the untouched images: measure it with labelled data, a "
            "classifier of the same classes, and accuracy among its `metrics`"
        )
    values = blocks[0].values[:, blocks[0].cells.index(IDENTITY)]
    known = np.isfinite(values) & (store.labels >= 0)
    if not known.any():
        raise InputError(f"{folder} knows the accuracy of no image: measure it with labelled data")
    named = list(manifest.get("classes") or [])
    labels = store.labels[known].tolist()
    return pd.DataFrame(
        {
            "image": np.array(store.images, dtype=object)[known],
            "class": [str(named[k]) if k < len(named) else str(k) for k in labels],
            "method": method,
            "seed": str(folder),
            "correct": (values[known] > 0.5).astype(int),
        }
    )
