"""Changes the learning rate over a training.

=============================  ===================================================================
``constant``                   does not
``step(30, 0.1)``              × 0.1 after every 30 epochs (paper 000)
``milestones(25, 50; 0.1)``    × 0.1 after epochs 25 and 50 (paper 002)
``cosine``                     half a cosine from the first learning rate to 0, step by step
=============================  ===================================================================
"""

import math
import re
from collections.abc import Callable

from invariscope.errors import InputError

# (epochs done, epochs in all) -> factor on the first learning rate
Factor = Callable[[float, float], float]
_FORMS = "constant, cosine, step(30, 0.1) and milestones(100, 150; 0.1) work"
# Whole epochs are sums of k/n; the last of them may come out as 29.999999999999996.
_TOLERANCE = 1e-9


def schedule(text: str) -> Factor:
    """Reads a schedule.

    Raises:
        InputError: It is none of the four.

    Example:
        >>> steps = schedule("step(30, 0.1)")
        >>> [round(steps(epoch, 90), 3) for epoch in (0, 29.9, 30, 60)]
        [1.0, 1.0, 0.1, 0.01]
    """
    if text == "constant":
        return lambda done, total: 1.0
    if text == "cosine":
        return lambda done, total: 0.5 * (1 + math.cos(math.pi * min(done / total, 1)))
    match = re.fullmatch(r"(step|milestones)\(([^;]*?)[,;]\s*([0-9.eE+-]+)\s*\)", text.strip())
    try:
        if match is None:
            raise ValueError
        name, epochs, factor = match[1], [float(e) for e in match[2].split(",")], float(match[3])
        if min(epochs) <= 0 or factor <= 0 or (name == "step" and len(epochs) != 1):
            raise ValueError
    except ValueError:
        raise InputError(f"schedule {text!r} cannot be read: {_FORMS}") from None
    if name == "step":
        return lambda done, total: factor ** math.floor(done / epochs[0] + _TOLERANCE)
    return lambda done, total: factor ** sum(done + _TOLERANCE >= epoch for epoch in epochs)
