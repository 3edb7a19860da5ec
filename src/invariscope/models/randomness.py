"""Watches the process's own random generators: torch's, NumPy's and Python's."""

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

_SEED = 0


@contextmanager
def watched_generators(device: torch.device) -> Iterator[Callable[[], list[str]]]:
    """Seeds the generators inside the context and puts them back afterwards.

    Args:
        device: Where the model runs; an accelerator's generator is watched as well.

    Yields:
        A function that names the generators that were drawn from so far. Python's is not among
        them: type checkers draw from it.

    Example:
        >>> with watched_generators(torch.device("cpu")) as drawn:
        ...     _ = torch.rand(1)
        ...     print(drawn())
        ['torch']
    """
    accelerators = [device] if device.type == "cuda" else []
    theirs = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=accelerators):
        torch.default_generator.manual_seed(_SEED)
        np.random.seed(_SEED)  # noqa: NPY002
        random.seed(_SEED)
        for accelerator in accelerators:
            with torch.cuda.device(accelerator):
                torch.cuda.manual_seed(_SEED)
        before = _states(accelerators)
        try:
            yield lambda: [
                name for name, state in _states(accelerators).items() if state != before[name]
            ]
        finally:
            np.random.set_state(theirs[0])  # noqa: NPY002
            random.setstate(theirs[1])


def _states(accelerators: list[torch.device]) -> dict[str, bytes]:
    states = {
        "torch": torch.default_generator.get_state().numpy().tobytes(),
        "NumPy": pickle.dumps(np.random.get_state()),  # noqa: NPY002
    }
    for device in accelerators:
        states["torch"] += torch.cuda.get_rng_state(device).numpy().tobytes()
    return states
