"""Finds which folder of a path is the class of an image, and which folders are splits.

| layout | classes |
|---|---|
| ``cat/1.png``, ``cat/deep/1.png`` | the top folder |
| ``train/…``, ``val/…`` | none: these are splits, and an error says which folder to give |
| ``images/cat/1.png``: all below one folder | the first level that has several folders |
| ``a/abbey/1.png``: letters | the path |
| ``photo/dog/1.png``, ``sketch/dog/1.png``: the same names again and again | the last folder |
| ``animals/n02123045/1.png``: WordNet ids in the last folder only | the last folder |

What is not a plain class folder is said in a note, and so is the way to say otherwise:
``folder:PATH?classes=top``, ``leaf`` (the last folder), ``path`` (all of it) or a level, such as 2.
"""

import os
import re
from collections.abc import Sequence

from invariscope.data.labels import are_wordnet_ids, class_order, numbers_of
from invariscope.errors import InputError

TOP, LEAF, PATH = "top", "leaf", "path"
_SPLIT = re.compile(
    r"(?P<kind>train(ing)?|val(id(ation)?)?|test(ing)?|eval(uation)?|dev)"
    r"([-_ ]?(set|data|split|images|imgs|\d{4}))?",
    re.IGNORECASE,
)
_KINDS = {"tra": "train", "val": "val", "tes": "test", "eva": "val", "dev": "val"}


def split_kind(name: str) -> str | None:
    """Recognises the split that a folder's name says: "train", "val", "test", or None.

    Example:
        >>> split_kind("Validation"), split_kind("train2017"), split_kind("trains")
        ('val', 'train', None)
    """
    match = _SPLIT.fullmatch(name)
    return _KINDS[match["kind"][:3].lower()] if match else None


def split_names(folders: Sequence[str]) -> dict[str, str]:
    """Finds the splits among folders, by kind; empty where they are no splits.

    They are where all are named so, or two kinds at least and half of the folders: a class "train"
    beside "bus" and "car" is one.

    Example:
        >>> split_names(["val", "train"]), split_names(["bus", "car", "train"])
        ({'train': 'train', 'val': 'val'}, {})
    """
    kinds: dict[str, str] = {}
    named = 0
    for name in sorted(folders):
        kind = split_kind(name)
        if kind is not None:
            kinds.setdefault(kind, name)
            named += 1
    if named == len(folders) or (len(kinds) > 1 and 2 * named >= len(folders)):
        return kinds
    return {}


def split_folders(root: str | os.PathLike[str]) -> dict[str, str]:
    """Finds the split folders directly below a folder, by kind; empty where there are none."""
    try:
        with os.scandir(os.path.expanduser(root)) as scan:
            folders = [entry.name for entry in scan if entry.is_dir() and entry.name[0] != "."]
    except OSError:
        return {}
    return {kind: os.path.join(root, name) for kind, name in split_names(folders).items()}


def refuse_splits(root: str, folders: Sequence[str], above: str = "") -> None:
    """Raises an `InputError` where the folders below a root are splits and no classes."""
    splits = split_names(folders)
    if splits:
        wanted = next(splits[kind] for kind in ("val", "test", "train") if kind in splits)
        root = os.path.normpath(root)
        here = os.path.normpath(os.path.join(root, above))
        folder = os.path.join(root, above, wanted)
        listed = ", ".join(f"{name}/" for name in splits.values())
        raise InputError(
            f"the folder {here!r} holds splits ({listed}), not classes; give "
            f"one of them, such as {folder}, or folder:{root}?classes={TOP if not above else 2} if "
            "they are classes"
        )


def class_of_each(
    root: str, images: Sequence[str], wanted: str | None
) -> tuple[list[str], str, str]:
    """Finds the name of the class of each image.

    Args:
        root: The folder, for messages.
        images: POSIX paths below it, each with one folder at least.
        wanted: "top", "leaf", "path" or a level from 1 on; None: by the table of this module.

    Returns:
        The names; how they were found; a note where that may surprise, else "".

    Raises:
        InputError: The top folders are splits, or there is no such level.
    """
    folders = [image.split("/")[:-1] for image in images]
    if wanted is not None:
        return _at(root, folders, wanted), _sentence(wanted), ""
    refuse_splits(root, sorted({parts[0] for parts in folders}))
    level, why = _guess(root, folders)
    names = _at(root, folders, level)
    if not why:
        return names, _sentence(level), ""
    others = ", ".join(f"classes={choice}" for choice in (TOP, LEAF, PATH) if choice != level)
    said = f"{_sentence(level)}: {why}"
    return names, said, f"{said}; folder:{root}?… takes another: {others} or a level"


def labels_by_folder(
    root: str, images: Sequence[str], wanted: str | None
) -> tuple[list[int], list[str], str, str]:
    """Returns the class index of each image, the classes, and the words of `class_of_each`."""
    folders, how, note = class_of_each(root, images, wanted)
    classes = class_order(folders)
    index = {name: position for position, name in enumerate(classes)}
    return [index[name] for name in folders], classes, how, note


def _at(root: str, folders: Sequence[list[str]], wanted: str) -> list[str]:
    if wanted == PATH:
        return ["/".join(parts) for parts in folders]
    if wanted == LEAF:
        return [parts[-1] for parts in folders]
    level = 1 if wanted == TOP else int(wanted) if wanted.isdecimal() else 0
    if not level:
        raise InputError(
            f"folder:{root}?classes={wanted}: top, leaf, path and levels such as 2 work"
        )
    missing = next((parts for parts in folders if len(parts) < level), None)
    if missing is not None:
        raise InputError(
            f"folder:{root}?classes={wanted}: images in {'/'.join(missing)}/ have no folder at "
            "this level"
        )
    return [parts[level - 1] for parts in folders]


def _sentence(level: str) -> str:
    words = {
        TOP: "a class is a top folder",
        LEAF: "a class is the last folder of the path",
        PATH: "a class is the path of folders",
    }
    return words.get(level) or f"a class is a folder of level {level}"


def _guess(root: str, folders: Sequence[list[str]]) -> tuple[str, str]:
    """The level of the classes, and why, where it is not simply the top folder."""
    start = _first_of_several(folders)
    if start:
        below = sorted({parts[start] for parts in folders})
        refuse_splits(root, below, "/".join(folders[0][:start]))
        if start + 1 < max(map(len, folders)) and (nested := _deep([p[start:] for p in folders])):
            return nested
        return str(start + 1), f"all images lie in {'/'.join(folders[0][:start])}/"
    return _deep(folders) or (TOP, "")


def _first_of_several(folders: Sequence[list[str]]) -> int:
    """Counts the folders that all images share while every image has one more below; else 0."""
    shared = 0
    while all(len(parts) > shared + 1 for parts in folders) and (
        len({parts[shared] for parts in folders}) == 1
    ):
        shared += 1
    several = len({parts[shared] for parts in folders}) > 1
    return shared if several else 0


def _deep(folders: Sequence[list[str]]) -> tuple[str, str] | None:
    """The level of classes that are nested, and why; None where the top folder holds images."""
    if any(len(parts) < 2 for parts in folders):
        return None
    tops = sorted({parts[0] for parts in folders})
    leaves = {top: set() for top in tops}
    for parts in folders:
        leaves[parts[0]].add(parts[-1])
    names = sorted(set().union(*leaves.values()))
    if all(len(parts[0]) == 1 and parts[1].startswith(parts[0]) for parts in folders):
        return PATH, "the top folders are letters of the alphabet"
    if are_wordnet_ids(tops):
        return None
    if are_wordnet_ids(names):
        return LEAF, "these are WordNet ids, the top folders are not"
    if splits := split_names(sorted({parts[1] for parts in folders})):
        return TOP, f"the splits {', '.join(splits.values())} below are taken together"
    repeated = [name for name in names if sum(name in leaves[top] for top in tops) > 1]
    if len(names) > 1 and 2 * len(repeated) >= len(names):
        shown = ", ".join(repeated[:3]) + (", …" if len(repeated) > 3 else "")
        below = f"{shown} are found below several top folders ({', '.join(tops[:3])}, …)"
        # numbers below a name count its instances, as in class/video/frame.png
        return (LEAF if numbers_of(names) is None else TOP), below
    if len(tops) > 1 and len(names) > len(tops):
        return TOP, f"there are {len(names)} folders of other names below the {len(tops)}"
    return None
