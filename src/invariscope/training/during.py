"""Measures a network while it is trained: the hook of paper 003 §4.1 and §4.3.

>>> from invariscope.training.during import measuring
>>> hook = measuring("samples", groups="C4", metrics="latent_eed", num_images=4)
"""

from collections.abc import Mapping
from typing import Any

from invariscope.models import Probe
from invariscope.results import Result
from invariscope.sweep import measure
from invariscope.training.loop import Hook


def measuring(images: Any, **settings: Any) -> Hook:
    """Makes a hook that measures the network as it is on some images.

    Args:
        images: What `measure` takes.
        settings: What `measure` takes besides: transformations, groups, metrics, layers,
            num_images, seed, ….

    Returns:
        For `train`; its numbers are the averages of `Result.averages` for each layer and for each
        part with several, named ``metric family layer``: ``latent_eed C8 embedding``.
    """

    def hook(probe: Probe, iteration: int) -> Mapping[str, float]:
        return averages_by_name(measure(probe, images, device=str(probe.device), **settings))

    return hook


def averages_by_name(result: Result) -> dict[str, float]:
    """Averages each metric, family, layer and part over the levels above 0."""
    return {" ".join(name): value for name, value in averages_of_levels(result).items()}


def averages_of_levels(result: Result) -> dict[tuple[str, str, str], float]:
    """The same by (metric, family, layer or part)."""
    frame = result.averages()
    frame = frame[frame["transformation"].notna()]
    layer = frame["layer"].fillna(frame["part"])
    names = zip(frame["metric"], frame["transformation"], layer, strict=True)
    return {
        (str(metric), str(family), str(place)): float(value)
        for (metric, family, place), value in zip(names, frame["value"], strict=True)
    }
