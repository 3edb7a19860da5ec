"""The classes of ImageNet-1k, in the order of a classifier's outputs."""

from functools import lru_cache


@lru_cache(maxsize=1)
def imagenet_class_ids() -> tuple[str, ...]:
    """The 1000 WordNet ids, from timm's list.

    Example:
        >>> imagenet_class_ids()[0], len(imagenet_class_ids())
        ('n01440764', 1000)
    """
    from timm.data import ImageNetInfo  # pyright: ignore[reportPrivateImportUsage]

    return tuple(ImageNetInfo("imagenet-1k").label_names())


@lru_cache(maxsize=1)
def imagenet_class_names() -> tuple[tuple[str, ...], ...]:
    """The names of each of the 1000 classes: alone, as torchvision spells it, and with synonyms.

    Alone, the names are unique: "crane" is the machine, "crane bird" the bird.

    Example:
        >>> imagenet_class_names()[0]
        ('tench', 'tench, Tinca tinca')
    """
    from timm.data import ImageNetInfo  # pyright: ignore[reportPrivateImportUsage]
    from torchvision.models import ResNet18_Weights

    information = ImageNetInfo("imagenet-1k")
    alone = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    synonyms = (information.index_to_description(index) for index in range(len(alone)))
    return tuple(tuple(dict.fromkeys(names)) for names in zip(alone, synonyms, strict=True))
