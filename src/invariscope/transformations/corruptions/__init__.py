"""Makes the corruptions of ImageNet-C as the model is shown its images, from a seed per image."""

from invariscope.transformations.corruptions.severities import CORRUPTIONS, PREFIX, corruption

__all__ = ["CORRUPTIONS", "PREFIX", "corruption"]
