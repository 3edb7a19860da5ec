"""Samples of Transforms-2D again: float64 NumPy, one image at a time, one pixel after the other."""

import math

import numpy as np


def reference_motion(picture, linear, centre):
    """A picture [4, s, s] moved by p -> linear p + centre: a loop over pixels, bilinear."""
    side = picture.shape[-1]
    found = np.zeros_like(picture, dtype=np.float64)
    back = np.linalg.inv(linear)
    padded = np.pad(picture.astype(np.float64), ((0, 0), (1, 2), (1, 2)))
    for row in range(side):
        for column in range(side):
            here = np.array([column + 0.5 - side / 2, row + 0.5 - side / 2])
            x, y = back @ (here - centre) + (side - 1) / 2
            if not (-1 <= x < side and -1 <= y < side):
                continue
            left, top = math.floor(x), math.floor(y)
            part, down = x - left, y - top
            window = padded[:, top + 1 : top + 3, left + 1 : left + 3]
            weights = np.outer([1 - down, down], [1 - part, part])
            found[:, row, column] = (window * weights).sum((1, 2))
    return found


def reference_blur(picture, sigma, radius):
    """Each pixel the weighted mean of its neighbours, transparent ones beyond the frame."""
    side = picture.shape[-1]
    taps = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-radius, radius + 1)]
    kernel = np.outer(taps, taps) / sum(taps) ** 2
    padded = np.pad(picture.astype(np.float64), ((0, 0), (radius, radius), (radius, radius)))
    found = np.zeros_like(picture, dtype=np.float64)
    for row in range(side):
        for column in range(side):
            window = padded[:, row : row + 2 * radius + 1, column : column + 2 * radius + 1]
            found[:, row, column] = (window * kernel).sum((1, 2))
    return found


def reference_sample(picture, behind, *, scale, degrees, mirrored, share, sigma):
    """Scale, rotation, left-right flip, translation, blur: then pasted, as bytes [3, s, s]."""
    side = picture.shape[-1]
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    flip = np.diag([-1.0 if mirrored else 1.0, 1.0])
    linear = flip @ turn @ np.diag([scale, scale])
    rows, columns = np.nonzero(picture[3] > 0.1)
    corners = np.array(
        [(c + i - side / 2, r + j - side / 2) for r, c in zip(rows, columns, strict=True)
         for i in (0, 1) for j in (0, 1)]
    )  # fmt: skip
    moved = corners @ linear.T
    low, high = -side / 2 - moved.min(0), side / 2 - moved.max(0)
    centre = low + (high - low) * share
    smooth = reference_blur(picture, 0.5 * math.sqrt(1 / scale**2 - 1), 5)
    layer = reference_blur(reference_motion(smooth, linear, centre), sigma, 3)
    return np.rint(255 * (layer[:3] + (1 - layer[3]) * behind))
