"""Splits images into those a training learns from and those it is tested on.

A source with splits gives both: ``fashion-mnist`` is trained on as ``fashion-mnist?split=train``
and tested on as ``fashion-mnist?split=test``; torchvision's data sets likewise. A folder that holds
``train/`` and ``test/`` or ``val/`` (see `invariscope.data.class_folders`) is trained on the one
and tested on the other; of both it is ``test/``, if that has the classes of ``train/``. A source
without splits keeps a fifth of the images of each class for the test, chosen by a hash of ids.
Subsets are stratified by class and do not depend on the seed of the training, so all seeds see the
same images.
"""

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariscope.data import ImageSource, UnreadableImage, open_source, select, stratified
from invariscope.data.class_folders import split_folders, split_kind
from invariscope.data.opening import PATH_SOURCES
from invariscope.data.source import SOURCES, escaped, split_spec
from invariscope.errors import InputError
from invariscope.seeding import uniform
from invariscope.training.recipe import Recipe

HELD_OUT = 0.2
#: As a recipe's ``test``: test on held-out training images, to choose without the test images.
HELD_OUT_NAME = "held out"
_SUBSET_SEED = 0


@dataclass(frozen=True)
class Split:
    """Labelled images of one source.

    Args:
        source: The images.
        indices: Which of them, in a seeded order.
        note: How they were chosen, where the source has no such split; else "".
    """

    source: ImageSource
    indices: list[int]
    note: str = ""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> np.ndarray:
        """Class index of each image, int64."""
        assert self.source.labels is not None
        return np.asarray([self.source.labels[i] for i in self.indices], dtype=np.int64)

    @property
    def ids(self) -> list[str]:
        """Id of each image."""
        return [self.source.ids[i] for i in self.indices]


def open_splits(recipe: Recipe) -> tuple[Split, Split, tuple[str, ...]]:
    """Opens the images to train on and those to test on; also names the classes.

    Raises:
        InputError: A source cannot be opened, has no labels or fewer than two classes, the two have
            other classes, or they share their images.

    Example:
        >>> data = "torchvision:FakeData?size=40&image_size=3,8,8&num_classes=2"
        >>> train, test, classes = open_splits(Recipe(data, "small:cnn7"))
        >>> len(train), len(test), classes
        (32, 8, ('0', '1'))
    """
    train_spec, test_spec = _specs(recipe)
    in_folders = recipe.test is None and train_spec != recipe.data and os.path.isdir(recipe.data)
    source = with_labels(open_source(train_spec, recipe.value_range))
    classes = _classes(source, train_spec)
    known = labelled(source)
    if test_spec is None:
        held = held_out(source, known)
        note = f"a fifth of each class of {train_spec} is held out for the test"
        train = Split(source, [i for i in known if i not in held], note)
        test = Split(source, [i for i in known if i in held], note)
    else:
        test_source = with_labels(open_source(test_spec, recipe.value_range))
        if _classes(test_source, test_spec) != classes:
            raise InputError(
                f"the classes of {train_spec} and of {test_spec} differ; train and test on images "
                "of the same classes"
            )
        note = f"trained on {train_spec}, tested on {test_spec}" if in_folders else ""
        train = Split(source, known, note)
        test = Split(test_source, labelled(test_source), note)
    train, test = _subset(train, recipe.num_train), _subset(test, recipe.num_test)
    if not len(train) or not len(test):
        raise InputError(f"{train_spec}: too few images to train on some and test on others")
    return train, test, classes


def _specs(recipe: Recipe) -> tuple[str, str | None]:
    """Specs of both splits; None where the test is held out of the training images."""
    folders = {} if recipe.data in SOURCES else split_folders(recipe.data)
    if "train" in folders:
        return _folder_specs(folders, recipe.test)
    name, argument, query = split_spec(recipe.data)
    options = _split_options(name, argument) or _options_of_file(recipe)
    wanted = None if recipe.test == HELD_OUT_NAME else recipe.test
    if not options:
        return recipe.data, wanted
    # a split that the user names is trained on; the other one is the test
    key, train, test = options
    chosen = query.get(key, train)
    opposite = test if chosen == train else train

    def spec(value: str) -> str:
        rest = {**query, key: value}
        head = recipe.data.partition("?")[0]
        return head + "?" + "&".join(f"{k}={escaped(v)}" for k, v in rest.items())

    if recipe.test == HELD_OUT_NAME:
        return spec(chosen), None
    return spec(chosen), wanted or spec(opposite)


def _folder_specs(folders: dict[str, str], wanted: str | None) -> tuple[str, str | None]:
    """The split folders to train on and to test on: ``test/`` where it has the same classes."""
    train = folders["train"]
    if wanted is not None:
        return train, None if wanted == HELD_OUT_NAME else wanted
    others = [folders[kind] for kind in ("test", "val") if kind in folders]
    alike = [folder for folder in others if _top_folders(folder) == _top_folders(train)]
    # pictures without class folders, as a test split often has them, are no test
    return train, next(iter([*alike, *filter(_top_folders, others)]), None)


def _top_folders(folder: str) -> set[str]:
    return {entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."}


def _options_of_file(recipe: Recipe) -> tuple[str, str, str] | None:
    """The same for a file that holds its splits: a table with such a column, an ``.npz``."""
    spec = recipe.data
    if split_spec(spec)[0] in SOURCES and split_spec(spec)[0] not in PATH_SOURCES:
        return None
    parts = {split_kind(part): part for part in open_source(spec, recipe.value_range).splits}
    test = parts.get("test") or parts.get("val")
    return ("split", parts["train"], test) if "train" in parts and test else None


def _split_options(name: str, argument: str | None) -> tuple[str, str, str] | None:
    """The option that chooses a split, its value to train and its value to test."""
    if name not in SOURCES:
        return None
    if name == "torchvision":
        from torchvision import datasets

        maker = getattr(datasets, argument or "", None)
        known = inspect.signature(maker).parameters if maker else {}
        if "train" in known:
            return "train", "1", "0"
        return ("split", "train", "test") if "split" in known else None
    if name in PATH_SOURCES:
        return None
    known = inspect.signature(SOURCES.get(name)).parameters
    return ("split", "train", "test") if "split" in known else None


def with_labels(source: ImageSource) -> ImageSource:
    """Returns the source, its images loaded once where that is the only way to their labels."""
    for index, label in enumerate(source.labels or ()):
        if int(label) < 0:
            try:
                source.load(index)
            except UnreadableImage:
                continue
    return source


def _classes(source: ImageSource, spec: str) -> tuple[str, ...]:
    labels = source.labels
    if labels is None:
        raise InputError(
            f"{spec} has no labels, and a training needs them; give a folder with one folder per "
            "class, or a labelled data set"
        )
    count = 1 + max((int(label) for label in labels), default=-1)
    names = tuple(source.class_names or map(str, range(count)))
    if len(names) < 2:
        raise InputError(f"{spec} has {len(names)} class; a classifier needs two or more")
    return names


def labelled(source: ImageSource) -> list[int]:
    """Lists the positions of the images that have a label, in the order that all seeds share."""
    assert source.labels is not None
    return [i for i in select(source, None, _SUBSET_SEED) if int(source.labels[i]) >= 0]


def held_out(
    source: ImageSource,
    indices: Sequence[int],
    share: float = HELD_OUT,
    seed: int = _SUBSET_SEED,
) -> set[int]:
    """Holds out a share of each class, at least one image: those whose hash is smallest."""
    assert source.labels is not None
    keys = uniform(seed, "held out", [source.ids[i] for i in indices])
    members: dict[int, list[tuple[float, int]]] = {}
    for key, index in zip(keys, indices, strict=True):
        members.setdefault(int(source.labels[index]), []).append((float(key), index))
    held: set[int] = set()
    for member in members.values():
        count = max(1, round(share * len(member)))
        held.update(index for _, index in sorted(member)[:count])
    return held


def _subset(split: Split, count: int | None) -> Split:
    """The first images of each class, in proportion."""
    if count is None or count >= len(split):
        return split
    chosen = stratified(split.ids, split.labels.tolist(), count, _SUBSET_SEED)
    return Split(split.source, [split.indices[i] for i in chosen], split.note)
