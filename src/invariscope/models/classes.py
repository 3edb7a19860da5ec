"""Names the outputs of a classifier; knows the classes of ImageNet-1k in their order."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from invariscope.errors import InputError

_WORDNET_ID = re.compile(r"n\d{8}")


def imagenet_class_ids() -> tuple[str, ...]:
    """Returns the 1000 WordNet ids, from timm's list.

    Example:
        >>> imagenet_class_ids()[0], len(imagenet_class_ids())
        ('n01440764', 1000)
    """
    return _subset_ids("imagenet-1k")


@lru_cache(maxsize=1)
def imagenet_class_names() -> tuple[tuple[str, ...], ...]:
    """Returns the names of the 1000 classes: alone, as torchvision spells them, and with synonyms.

    Alone, the names are unique: "crane" is the machine, "crane bird" the bird.

    Example:
        >>> imagenet_class_names()[0]
        ('tench', 'tench, Tinca tinca')
    """
    from timm.data import ImageNetInfo
    from torchvision.models import ResNet18_Weights

    information = ImageNetInfo("imagenet-1k")
    alone = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    synonyms = (information.index_to_description(index) for index in range(len(alone)))
    return tuple(tuple(dict.fromkeys(names)) for names in zip(alone, synonyms, strict=True))


def known_class_names(module: Any) -> tuple[str, ...] | None:
    """Returns the names of a module's outputs that its own configuration tells, or None.

    timm's configurations have ``label_names`` or tell which subset of ImageNet it is (its WordNet
    ids then); transformers' have ``id2label``, whose placeholders ("LABEL_0") are no names.
    """
    config = getattr(module, "pretrained_cfg", None)
    if config and (isinstance(config, Mapping) or hasattr(config, "label_names")):
        names = config.get("label_names") if isinstance(config, Mapping) else config.label_names
        if names:
            return tuple(map(str, names))
        return _imagenet_subset(config)
    labels = getattr(getattr(module, "config", None), "id2label", None)
    labels = {int(key): str(name) for key, name in labels.items()} if labels else {}
    if not labels or set(labels) != set(range(len(labels))):
        return None
    names = tuple(labels[index] for index in range(len(labels)))
    placeholders = all(name in (f"LABEL_{index}", str(index)) for index, name in enumerate(names))
    return None if placeholders else names


def _imagenet_subset(config: Any) -> tuple[str, ...] | None:
    from timm.data import infer_imagenet_subset

    subset = infer_imagenet_subset(config)
    return _subset_ids(subset) if subset else None


@lru_cache(maxsize=4)
def _subset_ids(subset: str) -> tuple[str, ...]:
    from timm.data import ImageNetInfo

    return tuple(ImageNetInfo(subset).label_names())


def wordnet_ids_of(names: Sequence[str]) -> tuple[str, ...] | None:
    """Returns the WordNet ids of outputs named by ids, or by the 1000 names of ImageNet-1k.

    Example:
        >>> wordnet_ids_of(["n01440764", "n01443537"]), wordnet_ids_of(["cat", "dog"])
        (('n01440764', 'n01443537'), None)
    """
    if all(_WORDNET_ID.fullmatch(name) for name in names):
        return tuple(names)
    if len(names) != len(imagenet_class_ids()):
        return None
    known = zip(names, imagenet_class_names(), strict=True)
    return imagenet_class_ids() if all(name in own for name, own in known) else None


def class_aliases(
    names: Sequence[str] | None, ids: Sequence[str] | None
) -> list[tuple[str, ...]] | None:
    """Returns all names that each output goes by; None where it has none.

    Args:
        names: One name per output, or None.
        ids: One WordNet id per output, or None.

    Example:
        >>> class_aliases(["cat", "dog"], None)
        [('cat',), ('dog',)]
        >>> class_aliases(None, imagenet_class_ids())[0]
        ('n01440764', 'tench', 'tench, Tinca tinca')
    """
    if names is None and ids is None:
        return None
    columns = [column for column in (ids, names) if column is not None]
    aliases = [tuple(dict.fromkeys(own)) for own in zip(*columns, strict=True)]
    if ids is not None and tuple(ids) == imagenet_class_ids():
        own_and_known = zip(aliases, imagenet_class_names(), strict=True)
        aliases = [tuple(dict.fromkeys(own + known)) for own, known in own_and_known]
    return aliases


def stated_class_names(
    words: str | os.PathLike[str] | Sequence[str], outputs: int | None, model: str
) -> tuple[str, ...]:
    """Returns the names of outputs that the user states.

    Args:
        words: "imagenet" for the 1000 classes of ImageNet-1k in their usual order; a file with a
            name a line, or a JSON list, or a JSON object from index to name; or the names.
        outputs: How many the model has.
        model: Its spec, for messages.

    Raises:
        InputError: There is no such file, or it does not hold one name for each output.

    Example:
        >>> stated_class_names(["cat", "dog"], 2, "toy")
        ('cat', 'dog')
        >>> stated_class_names("imagenet", 2, "toy")
        Traceback (most recent call last):
        invariscope.errors.InputError: model_classes: 1000 names for the 2 outputs of toy; give...
    """
    if not isinstance(words, str | os.PathLike):
        names = [str(name) for name in words]
    elif words == "imagenet":
        names = imagenet_class_ids()
    else:
        names = _read_names(Path(words).expanduser())
    if len(names) != outputs:
        raise InputError(
            f"model_classes: {len(names)} names for the {outputs} outputs of {model}; give one each"
        )
    return tuple(names)


def _read_names(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix.lower() != ".json":
            return [line.strip() for line in text.splitlines() if line.strip()]
        names = json.loads(text)
        if isinstance(names, dict):
            names = [names[str(index)] for index in range(len(names))]
        # ImageNet's own file has [id, name] for each index
        return [str(name[0] if isinstance(name, list) else name) for name in names]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"model_classes: {str(file)!r} is no file of class names ({type(error).__name__}); "
            "imagenet, order, or a file with one name a line works"
        ) from error
