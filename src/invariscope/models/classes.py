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
