"""Compositing and boxes, pixel by pixel, in float64."""

import numpy as np


def reference_composite(layer, scene):
    """An RGBA picture uint8 [H, W, 4] over an RGB one [H, W, 3]: float64 [H, W, 3]."""
    height, width, _ = layer.shape
    result = np.zeros((height, width, 3))
    for row in range(height):
        for column in range(width):
            alpha = layer[row, column, 3] / 255
            for channel in range(3):
                result[row, column, channel] = (
                    alpha * layer[row, column, channel] + (1 - alpha) * scene[row, column, channel]
                )
    return result
