"""Computes the corruption errors of a run on stored corruptions, and their mean, mCE.

    CE_c = Σ_s E(c, s) / Σ_s E_AlexNet(c, s),      mCE = mean of CE_c over the 15 corruptions

E(c, s) is the model's error (one minus top-1 accuracy) at severity s of corruption c. 1: as bad as
AlexNet; lower is better. AlexNet's errors are the published ones, means over five severities. There
is no mCE unless all 15 corruptions were measured at five severities: over fewer it would be another
number under the same name. Corruptions made on the fly (`corruption:fog`) have errors, and those
relative to AlexNet's on the published pictures; they are no part of an mCE.

Source: Hendrycks and Dietterich 2019, §3.3; the values of AlexNet are those of their repository.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.results.averages import Scope, cells_of, iterate
from invariscope.results.measured import Measured
from invariscope.statistics.estimates import Estimates, join
from invariscope.transformations.corruptions import PREFIX

#: AlexNet's error under each of the 15 corruptions.
ALEXNET = {
    "gaussian_noise": 0.886428, "shot_noise": 0.894468, "impulse_noise": 0.922640,
    "defocus_blur": 0.819880, "glass_blur": 0.826268, "motion_blur": 0.785948,
    "zoom_blur": 0.798360, "snow": 0.866816, "frost": 0.826572, "fog": 0.819324,
    "brightness": 0.564592, "contrast": 0.853204, "elastic_transform": 0.646056,
    "pixelate": 0.717840, "jpeg_compression": 0.606500,
}  # fmt: skip
MCE = "mCE"
_SEVERITIES = 5


def corruption_errors(result: Measured) -> pd.DataFrame:
    """Tabulates the error under each corruption, and relative to AlexNet's.

    Returns:
        A row for each corruption, with ``error``, ``relative`` (CE), the 95 % interval of CE over
        images (``ci_low``, ``ci_high``) and ``n``; last "mCE", where all 15 were measured.

    Raises:
        InputError: The run has no accuracy under any of the corruptions.
    """
    settings = result.manifest["settings"]
    every = cells_of(settings["cells"])
    cells = {name: own for name, own in every.items() if published(name) in ALEXNET}
    scope = Scope(("accuracy",), cells, np.arange(len(result.store.images)), settings["seed"])
    relative: dict[str, Estimates] = {}
    for average in iterate(result.store, result.manifest, scope):
        if average.layer == "logits" and average.transformation is not None:
            relative[average.transformation] = _relative(
                average.estimate, ALEXNET[published(average.transformation)]
            )
    if not relative:
        raise InputError(
            "the run has no accuracy under corruptions: measure labelled images with "
            "transformations such as imagenet-c:FOLDER or corruption:fog and the metric accuracy"
        )
    levels = Counter(cell["transformation"] for cell in settings["cells"] if cell["level"])
    whole = all(name in relative and levels[name] == _SEVERITIES for name in ALEXNET)
    stored = [relative[name] for name in ALEXNET] if whole else []
    parts = {**relative, **({MCE: join(stored).mean()} if whole else {})}
    rows = []
    for name, part in parts.items():
        low, high = part.interval(seed=scope.seed)
        error = part.value[0] * ALEXNET.get(published(name), np.nan)
        rows.append((name, error, part.value[0], low[0], high[0], int(part.n[0])))
    return pd.DataFrame(rows, columns=["corruption", "error", "relative", "ci_low", "ci_high", "n"])


def published(name: str) -> str:
    """The name of a corruption in the table, whether it came from files or was made."""
    return name.removeprefix(PREFIX)


def _relative(accuracy: Estimates, reference: float) -> Estimates:
    """The error divided by another network's."""
    return replace(
        accuracy,
        value=(1 - accuracy.value) / reference,
        contributions=-accuracy.contributions / reference,
        share=np.zeros_like(accuracy.share),
        bounds=(0.0, None),
    )
