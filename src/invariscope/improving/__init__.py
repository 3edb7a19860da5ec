"""From a failed rule to a network that keeps it: evidence, augmentation, fine-tuning, check."""

from invariscope.improving.improvement import Improvement
from invariscope.improving.improving import HELD_OUT, MARGIN, Watching, improve

__all__ = ["HELD_OUT", "MARGIN", "Improvement", "Watching", "improve"]
