"""Elastic deformation against SciPy's smoothing and interpolation, drawn alike."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from invariscope.transformations import get_transformation
from invariscope.transformations.corruptions import CORRUPTIONS
from invariscope.transformations.corruptions.elastic import elastic_transform

#: As the code of ImageNet-C has them: parts of 244 pixels.
PUBLISHED = [
    (488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88),
    (29.28, 2.44, 4.88),
]  # fmt: skip


def picture(bands, height, width):
    """Smooth, so that interpolation in float32 and in float64 give the same."""
    noise = np.random.default_rng(0).random((bands, height, width))
    return ndimage.gaussian_filter(noise, (0, 2, 2), mode="mirror") * 4 - 1.5


def reference_elastic(image, constants, seed):
    """One image: the affine motion by three corners, then smoothed steps; mirrored outside."""
    height, width = image.shape[1:]
    scale = min(height, width) / 224
    strength, smooth, pull = constants[0] * scale**2, constants[1] * scale, constants[2] * scale
    generator = torch.Generator().manual_seed(seed)
    pulled = (2 * torch.rand(3, 2, 1, generator=generator)[..., 0] - 1).double().numpy() * pull
    raw = (2 * torch.rand(2, height, width, generator=generator) - 1).double().numpy()
    middle, side = np.array([width // 2, height // 2]), min(height, width) // 3
    corners = middle + side * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = corners + pulled
    # A v + b takes corners to where they were pulled; what is seen at p comes from A⁻¹(p − b)
    matrix = np.stack([moved[0] - moved[1], moved[1] - moved[2]], 1) @ np.linalg.inv(
        np.stack([corners[0] - corners[1], corners[1] - corners[2]], 1)
    )
    shift = moved[0] - matrix @ corners[0]
    rows, columns = np.mgrid[:height, :width]
    points = np.stack([columns.ravel(), rows.ravel()]) - shift[:, None]
    right, down = (np.linalg.inv(matrix) @ points).reshape(2, height, width)
    stretched = [ndimage.map_coordinates(x, (down, right), order=1, mode="mirror") for x in image]
    right, down = (
        strength * ndimage.gaussian_filter(x, smooth, mode="reflect", truncate=3) for x in raw
    )
    places = rows + down, columns + right
    return np.stack(
        [ndimage.map_coordinates(x, places, order=1, mode="reflect") for x in stretched]
    )


def test_the_constants_are_the_published_ones():
    assert CORRUPTIONS["elastic_transform"].severities == tuple(PUBLISHED)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("shape", [(3, 224, 224), (1, 64, 90), (4, 40, 28)])
def test_against_scipy(shape, severity):
    image = picture(*shape)
    both = torch.from_numpy(np.stack([image, image[:, ::-1].copy()]))
    draws = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    made = elastic_transform(both, PUBLISHED[severity - 1], draws)
    assert made.dtype == torch.float64
    wanted = reference_elastic(image, PUBLISHED[severity - 1], 7)
    np.testing.assert_allclose(made[0].numpy(), wanted, atol=1e-5)
    again = elastic_transform(both[:1], PUBLISHED[severity - 1], [torch.Generator().manual_seed(7)])
    torch.testing.assert_close(again, made[:1])


def test_1_and_2_pull_the_image_and_3_to_5_make_it_wavy():
    """So the distance from the image does not grow from 2 to 3; within each of the two it does."""
    images = torch.from_numpy(np.stack([picture(1, 224, 224)] * 8)).float().clamp(0, 1)
    act = get_transformation("corruption:elastic_transform")
    ids = [str(k) for k in range(8)]
    far = [float((act(images, s, image_ids=ids) - images).norm()) for s in range(1, 6)]
    assert far[2] < far[3] < far[4] < far[0] < far[1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3)])
def test_the_smallest_images(shape):
    image = torch.rand(2, 3, *shape)
    made = get_transformation("corruption:elastic_transform")(image, 2, image_ids=["a", "b"])
    assert made.isfinite().all()
