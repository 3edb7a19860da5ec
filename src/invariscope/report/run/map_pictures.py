"""Feature maps as small pictures: a colour scale that all kinds of colour vision keep in order.

The scale is viridis (dark blue for the least value of the range, yellow for the largest), in 63
steps; cells that are not compared are grey. A picture has a pixel for each cell; the page enlarges
it without smoothing.
"""

import base64
import io

import matplotlib
import numpy as np
from PIL import Image

STEPS = 63
_GREY = (128, 128, 128)


def picture(cells: np.ndarray) -> str:
    """A map as a PNG in a data URI.

    Args:
        cells: uint8 [height, width]; 1 to 255 from least to largest, 0 for what is not compared.

    Example:
        >>> picture(np.array([[1, 255], [0, 128]], np.uint8))[:22]
        'data:image/png;base64,'
    """
    values = cells.astype(np.int32)
    places = np.where(values == 0, 0, 1 + ((values - 1) * (STEPS - 1) + 127) // 254)
    image = Image.fromarray(places.astype(np.uint8))
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _palette() -> list[int]:
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, STEPS))[:, :3]
    colours = np.round(shades * 255).astype(int).reshape(-1)
    return [*_GREY, *(int(value) for value in colours)]


def gradient() -> str:
    """The scale as stops of a CSS gradient."""
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, 9))[:, :3]
    return ", ".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in shades * 255)
