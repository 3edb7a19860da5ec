"""Reads a table of paths and labels: ``labels.csv``, ``.tsv``, ``.parquet``, or a data frame.

The columns are found by name, whatever the case. A path: ``path``, ``file``, ``filename``,
``image``, … (of several, the one whose files exist). A label: ``label``, ``class``, ``target``,
``category``, …; one that numbers the classes and one that names them go together. What cannot be
decided is an error that says what to write:

    labels.csv?path=COLUMN&label=COLUMN&root=FOLDER&suffix=.jpg&split=test

Paths are relative to the folder of the table, or to ``root``; ``suffix`` completes bare ids. Where
a column tells splits, the ``test`` part is taken unless ``split`` says otherwise. ``label=none``
leaves the labels out. A CSV without a header is read if its first line names an image.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.data.folder import SUFFIXES
from invariscope.data.paths import PathsSource, numbers
from invariscope.data.source import SOURCES
from invariscope.errors import InputError
from invariscope.registry import unknown_name

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".parquet")
PATH_COLUMNS = tuple(
    """
    path filepath file_path filename file_name file image_path img_path imagepath image_file
    image_name image img img_name fname image_id imageid id_code uuid name id
    """.split()
)
LABEL_COLUMNS = tuple(
    """
    label labels class classes target targets category y cls class_name classname label_name
    category_name class_id classid class_idx label_id label_idx category_id diagnosis dx species
    breed
    """.split()
)
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "phase", "usage", "data_set", "dataset")
_SPLITS = frozenset("train training test testing val valid validation dev eval".split())
_TESTS = ("test", "testing", "val", "valid", "validation")
_TRIED = 20
_FEW = 20  # images that may well be of a class each


class TableSource(PathsSource):
    """The images that a data frame names.

    Args:
        frame: A data frame of pandas, a row an image.
        path: The column of paths; None: found by its name.
        label: The column of labels; None: found by its name; "none": unlabelled.
        root: What the paths are relative to.
        suffix: What is missing at the end of each path, such as ".jpg".
        split: Which part, where a column tells; "all" takes every row.
        name: What the report calls it.

    Raises:
        InputError: A column is not there, or several may be meant; the files do not exist.

    Example:
        >>> import pandas, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as root:
        ...     Image.new("RGB", (8, 6)).save(Path(root, "1.png"))
        ...     source = TableSource(pandas.DataFrame({"File": ["1.png"], "y": [3]}), root=root)
        >>> source.ids, source.labels, source.decisions["columns"]
        (['1.png'], [3], "path 'File', label 'y'")
    """

    def __init__(
        self,
        frame: "pd.DataFrame",
        *,
        path: str | None = None,
        label: str | None = None,
        root: str | os.PathLike[str] = "",
        suffix: str = "",
        split: str | None = None,
        name: str = "table",
    ):
        frame = frame.rename(columns=str)
        if not len(frame):
            raise InputError(f"{name}: it has no row")
        self.splits, frame, note = _part(name, frame, split)
        path_column = _path_column(name, frame, path, os.path.expanduser(root), suffix)
        column, names = _label_columns(name, frame, label, path_column)
        labels = None if column is None else _labels(frame[column])
        if labels is not None and any(map(_is_fraction, labels)):
            raise InputError(
                f"{name}: column {column!r} holds fractions, no classes; label=COLUMN names "
                "another, label=none leaves labels out"
            )
        class_names = None
        if column is not None and names is not None:
            class_names = _class_names(name, labels, list(frame[names]))
            self.label_meaning = "numbers"
        files = [_text(name, path_column, value) for value in frame[path_column]]
        super().__init__(
            files, labels, root=root, suffix=suffix, name=name, class_names=class_names
        )
        named = f", names {names!r}" if names else ""
        what = f"label {column!r}{named}" if column else "no label"
        self.decisions = {"columns": f"path {path_column!r}, {what}"}
        lines = [note] if note else []
        if self.labels is not None and _FEW < len(self.labels) == len(set(self.labels)):
            lines.append(
                f"{name}: every image has a label of its own in column {column!r}; label=COLUMN "
                "names another, label=none leaves labels out"
            )
        if column is None and label is None:
            others = ", ".join(repr(key) for key in frame.columns if key != path_column)
            lines.append(
                f"{name}: unlabelled: none of its columns is called label, class, target, …"
                + (f"; label=COLUMN names one of {others}" if others else "")
            )
        self.notes = [*self.notes, *lines]


@SOURCES.register("table")
def table(
    argument: str | None = None,
    *,
    path: str | None = None,
    label: str | None = None,
    root: str | None = None,
    suffix: str = "",
    split: str | None = None,
) -> TableSource:
    """Paths and labels in a table: labels.csv?path=COLUMN&label=COLUMN&root=FOLDER.

    Raises:
        InputError: The file cannot be read, or as for `TableSource`.

    Example:
        >>> table()
        Traceback (most recent call last):
        invariscope.errors.InputError: table: which file? table:labels.csv?label=COLUMN works
    """
    if not argument:
        raise InputError("table: which file? table:labels.csv?label=COLUMN works")
    file = Path(argument).expanduser()
    return TableSource(
        _read(argument, file),
        path=path,
        label=label,
        root=file.parent if root is None else root,
        suffix=suffix,
        split=split,
        name=argument,
    )


def _read(name: str, file: Path) -> "pd.DataFrame":
    import pandas as pd

    kind = file.suffix.lower()
    try:
        if kind == ".parquet":
            return pd.read_parquet(file)
        # text as it stands: "007" is no 7 yet, and "NA" or "None" may be a class
        how: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        with open(file, encoding="utf-8-sig") as lines:
            first = lines.readline()
        how["sep"] = "\t" if kind == ".tsv" else max(",;\t", key=first.count)
        if _names_an_image(first, how["sep"]):
            frame = pd.read_csv(file, header=None, **how)
            return frame.rename(columns=dict(enumerate(("path", "label"))))
        return pd.read_csv(file, **how)
    # pandas and pyarrow raise their own and each other's errors
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{name}: cannot be read as a table: {type(error).__name__}: {reason}"
        ) from error


def _names_an_image(line: str, separator: str) -> bool:
    cell = line.split(separator)[0].strip().strip('"')
    return os.path.splitext(cell)[1].lower() in SUFFIXES


def _part(
    name: str, frame: "pd.DataFrame", split: str | None
) -> tuple[list[str], "pd.DataFrame", str]:
    """The splits, the rows of the one that is taken, and a note if it was not asked for."""
    column = next((key for key in frame.columns if key.strip().lower() in SPLIT_COLUMNS), None)
    parts = [] if column is None else [str(part) for part in frame[column].unique()]
    if not {part.lower() for part in parts} & _SPLITS:
        column, parts = None, []
    if split == "all" or (split is None and len(parts) < 2):
        return parts, frame, ""
    if column is None:
        raise InputError(f"{name}?split={split}: no column is called split; leave it out")
    wanted, note = split, ""
    if split is None:
        wanted = next((part for test in _TESTS for part in parts if part.lower() == test), None)
        if wanted is None:
            raise InputError(
                f"{name}: column {column!r} has the parts {', '.join(parts)}; add ?split=… with "
                "one of them, or ?split=all"
            )
        note = f"{name}: split={wanted} was chosen of {', '.join(parts)}; say otherwise in the spec"
    if wanted not in parts:
        raise unknown_name(f"split of {name}", str(wanted), parts)
    return parts, frame[frame[column].astype(str) == wanted], note


def _columns(frame: "pd.DataFrame", known: Sequence[str]) -> list[str]:
    """The columns of the frame with one of these names, in the order of the names."""
    by_name: dict[str, str] = {}
    for column in frame.columns:
        by_name.setdefault(column.strip().lower().replace(" ", "_").replace("-", "_"), column)
    return [by_name[name] for name in known if name in by_name]


def _path_column(
    name: str, frame: "pd.DataFrame", wanted: str | None, root: str, suffix: str
) -> str:
    if wanted is not None:
        if wanted not in frame.columns:
            raise unknown_name(f"column of {name}", wanted, list(frame.columns))
        return wanted
    columns = _columns(frame, PATH_COLUMNS)
    if not columns:
        raise InputError(
            f"{name}: none of its columns ({', '.join(map(repr, frame.columns))}) is called path, "
            "file or image; name it with path=COLUMN"
        )
    if isinstance(frame[columns[0]].iloc[0], dict):
        raise InputError(
            f"{name}: column {columns[0]!r} holds the pictures themselves; give the data set: "
            f"datasets.Dataset.from_parquet({name!r})"
        )
    exist = [column for column in columns if _exists(frame[column], root, suffix)]
    if len(exist) > 1 and not frame[exist[0]].equals(frame[exist[1]]):
        raise InputError(
            f"{name}: files exist for the columns {', '.join(map(repr, exist))}; name one with "
            "path=COLUMN"
        )
    return (exist or columns)[0]


def _exists(values: Any, root: str, suffix: str) -> bool:
    tried = [str(value) + suffix for value in values.iloc[:_TRIED]]
    return any(os.path.isfile(os.path.join(root, os.path.expanduser(file))) for file in tried)


def _label_columns(
    name: str, frame: "pd.DataFrame", wanted: str | None, path: str
) -> tuple[str | None, str | None]:
    """The column of labels and, where they are numbers with names, that of the names."""
    if wanted == "none":
        return None, None
    if wanted is not None:
        if wanted not in frame.columns:
            raise unknown_name(f"column of {name}", wanted, list(frame.columns))
        return wanted, None
    columns = [column for column in _columns(frame, LABEL_COLUMNS) if column != path]
    if len(columns) < 2:
        return (columns[0] if columns else None), None
    if len(columns) == 2:
        numbered = [not isinstance(_labels(frame[column])[0], str) for column in columns]
        pairs = frame[columns].astype(str).drop_duplicates()
        if sum(numbered) == 1 and set(pairs.nunique()) == {len(pairs)}:  # one to one
            first = numbered.index(True)
            return columns[first], columns[1 - first]
    raise InputError(
        f"{name}: the columns {', '.join(map(repr, columns))} may all be labels; name one with "
        "label=COLUMN"
    )


def _labels(values: Any) -> list[Any]:
    """A column as labels; empty cells are no label, text that is whole numbers is numbers."""
    if hasattr(values, "cat"):
        values = values.astype(object)
    labels = [None if value is None or value != value or value == "" else value for value in values]
    words = [value for value in labels if value is not None]
    if words and all(isinstance(word, str) for word in words):
        known = dict(zip(words, numbers(words), strict=True))
        return [None if value is None else known[value] for value in labels]
    return labels


def _is_fraction(value: Any) -> bool:
    """Says whether a cell is a number that is not whole.

    Example:
        >>> _is_fraction("0.5"), _is_fraction("7"), _is_fraction(2.0), _is_fraction("n02")
        (True, False, False, False)
    """
    if isinstance(value, str) and value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return False
    try:
        return float(value) % 1 != 0
    except (TypeError, ValueError):
        return False


def _class_names(name: str, labels: Any, words: list[Any]) -> list[str]:
    """The name of each class index; an index without an image goes by its number."""
    named = {int(k): str(w) for k, w in zip(labels, words, strict=True) if k is not None}
    if not named or min(named) < 0 or max(named) > 10**6:
        raise InputError(f"{name}: labels must be 0, 1, …; name another column with label=COLUMN")
    return [named.get(index, str(index)) for index in range(max(named) + 1)]


def _text(name: str, column: str, value: Any) -> str:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or value != value or value == "":
        raise InputError(f"{name}: column {column!r} has an empty path")
    return str(value)
