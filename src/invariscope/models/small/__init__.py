"""Architectures for small images, built from their papers: ``small:NAME?width=…&classes=…``.

>>> from invariscope.models import load_model
>>> probe = load_model("small:resnet44?width=0.25&classes=10")
>>> probe.num_outputs, probe.preprocessing.size
(10, (32, 32))
"""

# the package's own list of architectures: each import below registers one or more names
from invariscope.models.small import densenet, plain, residual, steerable, vgg, vit, wide_resnet
from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture, SmallModel

__all__ = [
    "SMALL",
    "Shape",
    "SmallArchitecture",
    "SmallModel",
    "densenet",
    "plain",
    "residual",
    "steerable",
    "vgg",
    "vit",
    "wide_resnet",
]
