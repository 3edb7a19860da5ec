"""What lies on an image is made at the published size: a small image has what a large one has."""

import pytest
import torch
from torch.nn import functional

from invariscope.transformations import get_transformation
from invariscope.transformations.corruptions import layers


@pytest.mark.parametrize(
    ("sides", "of_layer"),
    [
        ((224, 224), (224, 224)), ((28, 28), (224, 224)), ((32, 48), (224, 336)),
        ((448, 300), (335, 224)),
    ],
)  # fmt: skip
def test_the_shorter_side_is_the_published_one(sides, of_layer):
    images = torch.rand(2, 1, *sides, dtype=torch.float64)
    assert layers.sides_of_layer(images) == of_layer
    fields = layers.normal_fields(images, [torch.Generator().manual_seed(k) for k in range(2)])
    assert fields.shape == (2, 1, *of_layer)
    assert fields.dtype == torch.float32  # of images of any kind, so that thresholds see the same
    made = layers.fitted(fields, images)
    assert made.shape == images.shape
    assert made.dtype == images.dtype


@pytest.mark.parametrize("name", ["snow", "spatter"])
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_a_small_image_has_what_a_large_one_has_seen_from_farther(name, severity):
    act = get_transformation(f"corruption:{name}")
    large = act(torch.full((1, 3, 224, 224), 0.3), severity, seed=2, image_ids=["a"])
    # 28 pixels: the middle of each 8 is a mean of those about it; snow is clipped, so not all
    small = act(torch.full((1, 3, 28, 28), 0.3), severity, seed=2, image_ids=["a"])
    farther = functional.interpolate(large, (28, 28), mode="bilinear", antialias=True)
    same = float((small - farther).abs().mean())
    other = act(torch.full((1, 3, 28, 28), 0.3), severity, seed=3, image_ids=["a"])
    assert same < 0.01
    assert float((other - farther).abs().mean()) > 3 * same
