"""Boxes by loops over pixels, their spread by their edges, resample by resample."""

import numpy as np


def reference_box(mask, threshold):
    """(x, y, width, height, area, mask_area) of a mask [H, W], or None without a foreground."""
    height, width = len(mask), len(mask[0])
    inside = []
    for row in range(height):
        for column in range(width):
            if mask[row][column] > threshold:
                inside.append((row, column))
    if not inside:
        return None
    top, left = min(row for row, _ in inside), min(column for _, column in inside)
    bottom, right = max(row for row, _ in inside) + 1, max(column for _, column in inside) + 1
    covered = (right - left) * (bottom - top)
    return (
        (left + (right - left) / 2) / width,
        (top + (bottom - top) / 2) / height,
        (right - left) / width,
        (bottom - top) / height,
        covered / (height * width),
        len(inside) / (height * width),
    )


def reference_spread(boxes):
    """Translation, size and share of size from the edges of boxes [box, (x, y, width, height)].

    The variance of an edge is measured, not composed; the part of the size is that of the distance
    between two edges.
    """
    x, y, width, height = np.asarray(boxes, dtype=np.float64).T
    left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    edges = np.mean([edge.var() for edge in (left, right, top, bottom)])
    size = np.mean([((right - left) / 2).var(), ((bottom - top) / 2).var()])
    return np.sqrt(edges - size), np.sqrt(size), size / edges
