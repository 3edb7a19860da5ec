"""Measures which single classes and images augmentations help and hurt."""

from invariscope.effects.correctness import Correctness
from invariscope.effects.on_classes import ClassEffects, class_effects
from invariscope.effects.wordnet import WordNet

__all__ = ["ClassEffects", "Correctness", "WordNet", "class_effects"]
