"""Knows the data sets of torchvision that may be read in several threads at once.

Each of these opens a file for each item, or indexes arrays. Others keep a file open (LSUN, PCAM),
draw from torch's generator (FakeData), or run what the user gave them: a transform, a loader.
"""

import sys
from typing import Any

_NAMES = frozenset(
    """
    Caltech101 Caltech256 CelebA CIFAR10 CIFAR100 Country211 DatasetFolder DTD EMNIST EuroSAT
    FashionMNIST FGVCAircraft Flowers102 Food101 GTSRB ImageFolder Imagenette ImageNet INaturalist
    KMNIST MNIST OxfordIIITPet Places365 QMNIST RenderedSST2 StanfordCars STL10 SUN397 SVHN USPS
    """.split()
)
_GIVEN = ("transform", "target_transform", "transforms")


def opens_anew(dataset: Any) -> bool:
    """Tells whether reading an item shares nothing with reading another at the same time.

    Example:
        >>> opens_anew([1, 2])
        False
    """
    kind = type(dataset)
    torch = sys.modules.get("torch")
    if torch is not None and kind is torch.utils.data.Subset:
        return opens_anew(dataset.dataset)
    if kind.__name__ not in _NAMES or not kind.__module__.startswith("torchvision.datasets."):
        return False
    if any(getattr(dataset, name, None) is not None for name in _GIVEN):
        return False
    loader = getattr(dataset, "loader", None)
    return loader is None or getattr(loader, "__module__", "") == "torchvision.datasets.folder"
