"""Sums over feature maps and their products in one pass each, on the CPU.

Plain torch reads a map once for its mean, writes its squares and reads them again for their sum;
products are read and written four times before the best match is known. Here numba compiles one
loop for each. It runs on as many threads as torch has, and gives the same numbers on any of them.
`invariscope.metrics.channel_products` has the same in plain torch, for other devices, against which
the tests hold this.
"""

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

#: Float32 sums of so many values are added up in float64.
_RUN = 64
#: OpenMP does not outlive a fork: a child does with one thread what its parent did with several.
_PROCESS = os.getpid()
#: One of numba's threading layers ends the process if two threads come at once.
_ONE_AT_A_TIME = threading.Lock()


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compiles a loop when it is first called; the machine code is kept, where there is a place."""
    try:
        several = numba.njit(parallel=True, nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        several = numba.njit(parallel=True, nogil=True)(function)

    @cache
    def alone() -> Any:
        return numba.njit(nogil=True)(function)

    def run(*arrays: Any) -> None:
        if os.getpid() != _PROCESS:
            alone()(*arrays)
            return
        threads = torch.get_num_threads()
        with _ONE_AT_A_TIME:
            most = numba.config.NUMBA_NUM_THREADS  # pyrefly: ignore[missing-attribute]
            numba.set_num_threads(min(threads, most))
            several(*arrays)
        # Numba sets the number of threads of the OpenMP that both use, when it begins.
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    return run


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the mean and Σ x² of values [image, position, channel] over positions.

    Returns:
        Both [image, channel] in float32; summed in float64.
    """
    array = values.contiguous().numpy()
    sums = np.empty((2, len(array), array.shape[2]))
    _moments(array, *sums)
    return _mean_and_power(sums, array.shape[1])


def moved(
    maps: Tensor, taps: tuple[np.ndarray, ...], motions: np.ndarray, sources: np.ndarray
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Moves maps and computes the moments of the moved ones.

    Args:
        maps: [image, channel, height, width], channels last.
        taps: Of all motions: the cells that are read [tap], their weights [tap], and where the taps
            of each moved cell begin [motion, cell + 1].
        motions: Which motion each moved image makes.
        sources: Which map it is made of.

    Returns:
        The moved maps, channels last, and their `moments`.
    """
    table = maps.permute(0, 2, 3, 1).flatten(1, 2).numpy()
    made = np.empty((len(motions), *table.shape[1:]), np.float32)
    sums = np.empty((2, len(motions), table.shape[2]))
    _moved(table, *taps, motions, sources, made, *sums)
    shaped = torch.from_numpy(made).unflatten(1, maps.shape[2:]).permute(0, 3, 1, 2)
    return shaped, _mean_and_power(sums, table.shape[1])


def _mean_and_power(sums: np.ndarray, positions: int) -> tuple[Tensor, Tensor]:
    sums[0] /= positions
    mean, power = torch.from_numpy(sums.astype(np.float32))
    return mean, power


def matches(
    products: Tensor, outer: tuple[Tensor, Tensor], scale: Tensor, alive: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Corrects products [image, channel, channel′] in place, and finds what is needed of them.

    Args:
        products: Σ t_c a_c′ of the raw values; afterwards the covariances.
        outer: [image, channel] and [image, channel′]; the product of the two is taken away.
        scale: [image, channel′], what makes the columns comparable.
        alive: bool [image, channel′], the columns that count.
        count: So many images in a row belong together.

    Returns:
        The scaled value of each channel with itself and the largest with a living channel, each
        [image, channel]; the covariances summed over images that belong together.
    """
    images, channels, _ = products.shape
    given = [tensor.contiguous().numpy() for tensor in (*outer, scale, alive)]
    same, best = np.empty((2, images, channels), np.float32)
    total = np.zeros((images // count, channels, channels), np.float32)
    array = products.numpy()
    _matches(array, *given, count, total, same, best)
    return torch.from_numpy(same), torch.from_numpy(best), torch.from_numpy(total)


def largest(sums: Tensor, scale: Tensor, alive: Tensor) -> Tensor:
    """Finds the living column with the largest scaled value of each row, [sum, channel].

    Args:
        sums: [sum, channel, channel′].
        scale: [sum, channel′].
        alive: bool [sum, channel′].
    """
    columns = np.empty(sums.shape[:2], np.int64)
    array = sums.contiguous().numpy()
    _largest(array, scale.numpy(), alive.numpy(), columns)
    return torch.from_numpy(columns)


@_compiled
def _moments(values, totals, powers):
    images, positions, channels = values.shape
    for image in numba.prange(images):
        total, power = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
        for channel in range(channels):
            totals[image, channel] = powers[image, channel] = 0.0
        for begin in range(0, positions, _RUN):
            for position in range(begin, min(begin + _RUN, positions)):
                for channel in range(channels):
                    value = values[image, position, channel]
                    total[channel] += value
                    power[channel] += value * value
            for channel in range(channels):
                totals[image, channel] += total[channel]
                powers[image, channel] += power[channel]
                total[channel] = power[channel] = 0.0


@_compiled
def _moved(maps, cells, weights, starts, motions, sources, made, totals, powers):
    images, positions, channels = made.shape
    for image in numba.prange(images):
        total, power = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
        motion, source = motions[image], sources[image]
        for channel in range(channels):
            totals[image, channel] = powers[image, channel] = 0.0
        for begin in range(0, positions, _RUN):
            for position in range(begin, min(begin + _RUN, positions)):
                tap, end = starts[motion, position], starts[motion, position + 1]
                if end - tap == 4:  # between pixels: one loop instead of four
                    a, b, c, d = cells[tap], cells[tap + 1], cells[tap + 2], cells[tap + 3]
                    w, x = weights[tap], weights[tap + 1]
                    y, z = weights[tap + 2], weights[tap + 3]
                    for channel in range(channels):
                        made[image, position, channel] = (
                            w * maps[source, a, channel]
                            + x * maps[source, b, channel]
                            + y * maps[source, c, channel]
                            + z * maps[source, d, channel]
                        )
                else:
                    for channel in range(channels):
                        made[image, position, channel] = 0.0
                    for number in range(tap, end):
                        a, w = cells[number], weights[number]
                        for channel in range(channels):
                            made[image, position, channel] += w * maps[source, a, channel]
                for channel in range(channels):
                    value = made[image, position, channel]
                    total[channel] += value
                    power[channel] += value * value
            for channel in range(channels):
                totals[image, channel] += total[channel]
                powers[image, channel] += power[channel]
                total[channel] = power[channel] = 0.0


@_compiled
def _matches(products, left, right, scale, alive, count, total, same, best):
    images, channels, _ = products.shape
    for channel in numba.prange(channels):
        scaled = np.empty(channels, np.float32)
        for image in range(images):
            factor, to = left[image, channel], image // count
            for other in range(channels):
                value = products[image, channel, other] - factor * right[image, other]
                products[image, channel, other] = value
                total[to, channel, other] += value
                scaled[other] = value * scale[image, other] if alive[image, other] else -np.inf
            same[image, channel] = products[image, channel, channel] * scale[image, channel]
            best[image, channel] = _maximum(scaled, channels)


@_compiled
def _largest(sums, scale, alive, columns):
    count, channels, _ = sums.shape
    for channel in numba.prange(channels):
        scaled, kept = np.empty(channels, np.float32), np.empty(channels, np.float32)
        for number in range(count):
            for other in range(channels):
                value = sums[number, channel, other] * scale[number, other]
                scaled[other] = kept[other] = value if alive[number, other] else -np.inf
            most = _maximum(scaled, channels)
            column = channels
            for other in range(channels):
                column = min(column, other if kept[other] == most else channels)
            columns[number, channel] = column % channels


@numba.njit(nogil=True)
def _maximum(values, count):
    """Finds the largest of ``count`` values, which are lost: half meets half, for SIMD."""
    while count > 1:
        half = (count + 1) // 2
        for number in range(count - half):
            if values[number + half] > values[number]:
                values[number] = values[number + half]
        count = half
    return values[0]
