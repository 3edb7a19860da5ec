"""Reads groups of images from a file: what each image, found by its name, belongs to.

The file is CSV, TSV, Parquet, JSON lines or a JSON list of objects, one row an image; ImageNet-X is
read as its authors publish it. A column called ``path``, ``file_name``, ``image``, … holds the
names, else the first one. Of the others,

- a column of yes and no (0 and 1, true and false) is one group: the images that have it;
- a column of 2 to 100 different words or numbers is a group for each, where a value has two images
  on the average: ``weather: rain``;
- what is left (remarks, measured numbers) is no group, which is said.

An empty cell is unknown: that image is neither in the group nor among those it is held against.

Names are matched whole, else by the last three, two or one parts of the path, else without the
ending, whichever finds the most images; of two that find as many, the longer one.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.data.table import PATH_COLUMNS
from invariscope.errors import InputError, first_of
from invariscope.files import read_csv, read_parquet, undamaged

if TYPE_CHECKING:
    import pandas as pd

#: A column of more values than this is no set of groups.
MOST_VALUES = 100
_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".json")
_YES, _NO = frozenset(("1", "true", "yes")), frozenset(("0", "false", "no"))
_SHOWN = 3
#: A table of groups: for each column, of each image True, False, a word, or None where unknown.
Columns = Mapping[str, Sequence[bool | str | None]]


@dataclass(frozen=True)
class ImageGroups:
    """What some images belong to.

    Attributes:
        name: The file.
        images: Ids, in the order of the rows.
        columns: Of each column, for each image: True or False, a word, or None where unknown.
        said: What was read and how names were matched, a sentence.
        note: What may surprise, or "".
    """

    name: str
    images: tuple[str, ...]
    columns: Columns
    said: str = ""
    note: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 of what each image belongs to."""
        content = [list(self.images), {name: list(own) for name, own in self.columns.items()}]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def frame(self) -> "pd.DataFrame":
        """The same as a data frame with the column ``image``, as `read_image_groups` takes it."""
        import pandas as pd

        return pd.DataFrame({"image": list(self.images), **self.columns}, dtype=object)


def read_image_groups(
    given: "str | os.PathLike[str] | pd.DataFrame", images: Sequence[str]
) -> ImageGroups:
    """Reads what images belong to.

    Args:
        given: A file, or a data frame of the same form.
        images: The ids of the images.

    Raises:
        InputError: The file cannot be read, names an image twice, none of the images, or no group.

    Example:
        >>> import pandas
        >>> table = pandas.DataFrame({"file_name": ["b.png", "a.png"], "pose": [1, 0]})
        >>> dict(read_image_groups(table, ["cats/a.png", "dogs/b.png"]).columns)
        {'pose': [False, True]}
    """
    name, rows = _rows(given)
    if not rows:
        raise InputError(f"{name} has no row: give a row for each image, with its name and groups")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    names = _column_of_names(columns)
    texts = {key: [_text(row.get(key)) for row in rows] for key in columns}
    kept, left_out = _groups(texts, names)
    if not kept:
        raise InputError(
            f"{name} has no group: beside the names in {names!r} it needs a column of yes and no "
            f"(0, 1) or of at most {MOST_VALUES} different values"
            + (f"; it has {first_of(left_out, _SHOWN)}" if left_out else "")
        )
    found, how = _matched(name, names, texts, kept, images)
    empty = [index is None for index in found]
    values = {
        key: [None if index is None else own[index] for index in found] for key, own in kept.items()
    }
    said = f"{_counted(values)} of {name}, images found by {how} in {names!r}"
    said += f"; no groups: {first_of(left_out, _SHOWN)}" if left_out else ""
    note = ""
    if any(empty):
        first = images[empty.index(True)]
        note = (
            f"{sum(empty)} of {len(images)} images have no row in {name} and belong to no group, "
            f"the first: {first}"
        )
    return ImageGroups(name, tuple(images), values, said, note)


def _rows(given: Any) -> tuple[str, Sequence[Mapping[Any, Any]]]:
    """The name of the file, and its rows."""
    if hasattr(given, "to_dict"):
        return "the table of image groups", given.rename(columns=str).to_dict("records")
    path = Path(given).expanduser()
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise InputError(f"{path}: image groups are read from {', '.join(_ENDINGS)}")
    if not path.is_file():
        raise InputError(f"no file {path}: give one with a row for each image")
    remedy = "give a table with a row for each image"
    with undamaged(path, remedy):
        if ending == ".parquet":
            return path.name, read_parquet(path, remedy).to_pylist()
        if ending in (".csv", ".tsv"):
            separator = "," if ending == ".csv" else "\t"
            table = read_csv(path, sep=separator, dtype=str, keep_default_na=False)
            return path.name, table.rename(columns=str).to_dict("records")
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.strip()]
        rows = json.loads(text) if ending == ".json" else [json.loads(line) for line in lines]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path} holds no list of objects: {remedy}")
        return path.name, rows


def _text(value: Any) -> str:
    """A value as text; "" where there is none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _column_of_names(columns: Sequence[str]) -> str:
    """The column of names: the first that is called so, or the first."""
    known = [key for key in columns if key.lower().replace(" ", "_") in PATH_COLUMNS]
    return columns[0] if columns[0] in known or not known else known[0]


def _groups(
    texts: Mapping[str, list[str]], names: str
) -> tuple[dict[str, list[bool | str | None]], list[str]]:
    """The columns that are groups, with their values, and the names of the others."""
    kept: dict[str, list[bool | str | None]] = {}
    left_out = []
    for key, own in texts.items():
        if key == names:
            continue
        known = [text for text in own if text]
        values = set(known)
        if values and {text.lower() for text in values} <= _YES | _NO:
            kept[key] = [text.lower() in _YES if text else None for text in own]
        elif 2 <= len(values) <= min(MOST_VALUES, len(known) / 2):
            kept[key] = [text or None for text in own]
        else:
            left_out.append(key)
    return kept, left_out


def _matched(
    name: str,
    names: str,
    texts: Mapping[str, list[str]],
    kept: Columns,
    images: Sequence[str],
) -> tuple[list[int | None], str]:
    """The row of each image, or None, and in what words names were matched."""
    rows = texts[names]
    _refuse_twice(name, rows, kept)
    best: tuple[int, list[int | None], str] = (0, [], "")
    for how, key in _KEYS.items():
        own, wanted = [key(row) for row in rows], [key(image) for image in images]
        if len(set(own)) < len(set(rows)) or len(set(wanted)) < len(set(images)):
            continue  # two images of one name, so it says not which
        places = {text: index for index, text in enumerate(own) if text}
        found = [places.get(text) for text in wanted]
        count = sum(index is not None for index in found)
        if count > best[0]:
            best = count, found, how
    if not best[0]:
        raise InputError(
            f"{name} names none of the {len(images)} images: its column {names!r} has "
            f"{_quoted(rows)}, the images are {_quoted(images)}; give names that agree, at least "
            "in the last part of the path"
        )
    return best[1], best[2]


def _refuse_twice(name: str, rows: Sequence[str], kept: Columns) -> None:
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        before = first.setdefault(row, index)
        if row and any(own[before] != own[index] for own in kept.values()):
            raise InputError(
                f"{name} has two rows for {row!r} that differ (rows {before + 1} and {index + 1}): "
                "give one row for each image"
            )


def _last(parts: int) -> Callable[[str], str]:
    return lambda text: "/".join(text.replace("\\", "/").split("/")[-parts:])


_KEYS: dict[str, Callable[[str], str]] = {
    "the whole name": lambda text: text,
    "the last three parts of the path": _last(3),
    "the last two parts of the path": _last(2),
    "the file name": _last(1),
    "the file name without its ending": lambda text: os.path.splitext(_last(1)(text))[0],
}


def _quoted(names: Sequence[str]) -> str:
    return first_of([repr(text) for text in names], _SHOWN)


def _counted(columns: Columns) -> str:
    factors = sum(not any(isinstance(v, str) for v in own) for own in columns.values())
    words = [f"{factors} yes-or-no"] if factors else []
    words += [f"{len(columns) - factors} of values"] if factors < len(columns) else []
    return f"{' and '.join(words)} {'column' if len(columns) == 1 else 'columns'}"
