"""Augmentations by the papers' names, each usable alone in a torchvision pipeline."""

from invariscope.training.augmentations.augmentation import Augmentation, Composition
from invariscope.training.augmentations.boxes import AreaLaw
from invariscope.training.augmentations.crops import FixedSizeCrop, RandomSizeCrop, enlarged
from invariscope.training.augmentations.cutmix import CutMix
from invariscope.training.augmentations.named import NAMES, augmentation, evaluation_resize, mixing
from invariscope.training.augmentations.per_class import Choice, PerClassPolicy, class_policies
from invariscope.training.augmentations.places import HorizontalFlip, Rotation, Translation
from invariscope.training.augmentations.randaugment import RandAugment

__all__ = [
    "NAMES",
    "AreaLaw",
    "Augmentation",
    "Choice",
    "Composition",
    "CutMix",
    "FixedSizeCrop",
    "HorizontalFlip",
    "PerClassPolicy",
    "RandAugment",
    "RandomSizeCrop",
    "Rotation",
    "Translation",
    "augmentation",
    "class_policies",
    "enlarged",
    "evaluation_resize",
    "mixing",
]
