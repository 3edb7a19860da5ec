"""Independent float64 forms of the Lie derivative: complex steps and loops over pixels."""

import numpy as np


def reference_transport(image, velocity, border, fill=0.0):
    """−ξ · ∇x of one channel [H, W], pixel by pixel."""
    height, width = image.shape
    (a, b, u), (c, d, v) = velocity

    def pixel(row, column):
        inside = 0 <= row < height and 0 <= column < width
        if border in ("zeros", "valid"):
            return image[row, column] if inside else fill
        if border == "circular":
            return image[row % height, column % width]
        return image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]

    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = row - (height - 1) / 2, column - (width - 1) / 2
            slope_x = (pixel(row, column + 1) - pixel(row, column - 1)) / 2
            slope_y = (pixel(row + 1, column) - pixel(row - 1, column)) / 2
            out[row, column] = -(a * x + b * y + u) * slope_x - (c * x + d * y + v) * slope_y
    return out


def reference_lie_derivative(function, images, tangents, action=None):
    """LEE of each image; the derivative of an analytic function by a complex step, exact."""
    errors = []
    for image, tangent in zip(images, tangents, strict=True):
        step = 1e-30
        moved = np.imag(function(image + 1j * step * tangent)) / step
        if action is not None:
            moved = moved - action(function(image))
        errors.append(np.mean(np.square(moved)))
    return np.array(errors)


def reference_relative_lie_derivative(function, images, tangents):
    """Spreads of the output per spread of the pixels, over all pairs."""
    outputs = [function(image) for image in images]

    def spread(values):
        pairs = [
            np.sum(np.square(values[i] - values[j])) / 2
            for i in range(len(values))
            for j in range(i)
        ]
        return np.sqrt(np.mean(pairs))

    lengths = np.sqrt(reference_lie_derivative(function, images, tangents) * np.size(outputs[0]))
    moved = np.array([np.linalg.norm(tangent) for tangent in tangents])
    return (lengths / spread(outputs)) / (moved / spread(images))
