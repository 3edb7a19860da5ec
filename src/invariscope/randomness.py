"""Watches the process's own random generators: torch's, NumPy's and Python's."""

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def watched_generators(
    device: torch.device, seed: int = 0, watched: tuple[str, ...] = ("torch", "NumPy")
) -> Iterator[Callable[[], list[str]]]:
    """Seeds the generators inside the context and puts them back afterwards.

    Args:
        device: Where the model or the images are; an accelerator's generator is watched as well.
        seed: What all of them are set to.
        watched: Those that are named: "torch", "NumPy" and "Python". Type checkers draw from
            Python's, which is left out for that.

    Yields:
        A function that names the generators that were drawn from so far.

    Example:
        >>> with watched_generators(torch.device("cpu")) as drawn:
        ...     _ = torch.rand(1)
        ...     print(drawn())
        ['torch']
    """
    accelerators = [device] if device.type == "cuda" else []
    theirs = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=accelerators):
        torch.default_generator.manual_seed(seed % (1 << 63))
        np.random.seed(seed % (1 << 32))  # noqa: NPY002
        random.seed(seed)
        for accelerator in accelerators:
            with torch.cuda.device(accelerator):
                torch.cuda.manual_seed(seed % (1 << 63))
        before = _states(accelerators)
        try:
            yield lambda: [
                name
                for name, state in _states(accelerators).items()
                if name in watched and state != before[name]
            ]
        finally:
            np.random.set_state(theirs[0])  # noqa: NPY002
            random.setstate(theirs[1])


def _states(accelerators: list[torch.device]) -> dict[str, bytes]:
    states = {
        "torch": torch.default_generator.get_state().numpy().tobytes(),
        "NumPy": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "Python": pickle.dumps(random.getstate()),
    }
    for device in accelerators:
        states["torch"] += torch.cuda.get_rng_state(device).numpy().tobytes()
    return states
