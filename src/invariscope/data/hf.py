"""Data sets of the Hugging Face library: ``hf:NAME?split=…&image=…&label=…&config=…``.

NAME is the name of a data set, or a folder written by ``save_to_disk``. ``split`` is ``test``
unless given; ``image`` and ``label`` name the columns and are found by their type otherwise. The
images are decoded here, by the rules of `invariscope.data.decode`, not by the library.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from invariscope.data.decode import decode, decode_alpha
from invariscope.data.source import SOURCES, ImageSource, NumberedIds, UnreadableImage
from invariscope.errors import InputError
from invariscope.registry import unknown_name


@SOURCES.register("hf")
class HuggingFaceSource(ImageSource):
    """The images of one split; the ids are "0", "1", ….

    Args:
        argument: The name of a data set, or a folder written by ``save_to_disk``.
        split: Which split, such as ``test`` or ``train[:100]`` (the latter not from a folder).
        image: The column of the images; None: the first image column.
        label: The column of the labels; None: the first class column, if there is one.
        config: The configuration of the data set; None: its default.

    Raises:
        InputError: The package ``datasets``, the data set, the split or a column is missing.
    """

    concurrent = True

    def __init__(
        self,
        argument: str | None = None,
        *,
        split: str = "test",
        image: str | None = None,
        label: str | None = None,
        config: str | None = None,
    ):
        if not argument:
            raise InputError("hf: which data set? Write hf:NAME?split=test")
        self.name = f"hf:{argument}"
        datasets = hub_library()
        data = _read(datasets, self.name, argument, split, config)
        self._column = self._find_column(datasets, data, image)
        # the library would decode by its own rules: take the bytes or the path instead
        self._data = data.cast_column(self._column, datasets.Image(decode=False))
        self.ids = NumberedIds(len(data))
        self._read_labels(datasets, data, label)

    def load(self, index: int) -> Image.Image:
        """The RGB image of a row."""
        return decode(self._file(index), self.ids[index])

    def alpha(self, index: int) -> np.ndarray | None:
        """The alpha channel of a row's image, float32 [height, width] in [0, 1], or None."""
        return decode_alpha(self._file(index), self.ids[index])

    def _file(self, index: int) -> str | bytes:
        row = self._data[index][self._column]
        file = None if row is None else row.get("bytes") or row.get("path")
        if file is None:
            raise UnreadableImage(self.ids[index], f"the column {self._column!r} is empty here")
        return file

    def _find_column(self, datasets: Any, data: Any, wanted: str | None) -> str:
        columns = [name for name, kind in data.features.items() if isinstance(kind, datasets.Image)]
        if not len(data):
            raise InputError(f"{self.name}: this split is empty; choose another with split=…")
        if not columns:
            raise InputError(
                f"{self.name} has no column of images among {', '.join(data.features)}; "
                "give a data set with an Image column"
            )
        if wanted is not None and wanted not in columns:
            raise unknown_name(f"image column of {self.name}", wanted, columns)
        return columns[0] if wanted is None else wanted

    def _read_labels(self, datasets: Any, data: Any, wanted: str | None) -> None:
        # of one column at a time, so that no image is touched
        classes = [
            name for name, kind in data.features.items() if isinstance(kind, datasets.ClassLabel)
        ]
        if wanted is None and not classes:
            return
        if wanted is not None and wanted not in data.features:
            raise unknown_name(f"label column of {self.name}", wanted, data.features)
        column = wanted or classes[0]
        values = data.select_columns([column])[:][column]
        if column in classes:
            # in this library None stands for a missing label, here -1
            self.labels = [-1 if value is None else int(value) for value in values]
            self.class_names = list(data.features[column].names)
            return
        from invariscope.data.labels import class_indices

        try:
            self.labels, self.class_names = class_indices(values, len(self.ids))
        except ValueError as error:
            raise InputError(f"{self.name}: column {column!r}: {error}") from error


def hub_library() -> Any:
    """The package ``datasets``, where it is installed."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise InputError("hf: needs the package datasets: pip install 'invariscope[hf]'") from error
    return datasets


def _read(datasets: Any, name: str, argument: str, split: str, config: str | None) -> Any:
    folder = Path(argument).expanduser()
    saved = any((folder / file).is_file() for file in ("dataset_dict.json", "state.json"))
    try:
        if not saved:
            return datasets.load_dataset(argument, config, split=split)
        data = datasets.load_from_disk(os.fspath(folder))
    # it raises its own and other libraries' errors: not found, no network, bad split, bad config
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{name}?split={split} cannot be opened: {type(error).__name__}: {reason}"
        ) from error
    if not isinstance(data, datasets.DatasetDict):
        return data
    if split not in data:
        raise unknown_name(f"split of {name}", split, data)
    return data[split]
