"""Finds the linear maps of a network that have made its answer.

First rule: the one whose output is the answer, the same memory, unchanged since. Second rule, for
answers that are computed from the outputs of several (the mean of two heads) or from one (softmax,
pooling, a product): the last linear map as wide as the answer after which no module with parameters
begins, and with it those beside it if the answer is a weighted sum of what they put out.

Third rule, for ensembles: all linear maps of that width, each run once, where the answer is a
weighted sum of their outputs or of their probabilities, wherever they lie.

An adapter (LoRA) around a linear map counts as that map: a module that reads and puts out what a
linear map inside it does, and is affine itself.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.models.recorder import LinearMap, Recorder

_RELATIVE = 1e-3


def linear_maps(recorder: Recorder) -> list[LinearMap]:
    """Returns the last linear maps in the order of execution; an adapter and its map are one.

    Call it after the recording: adapters are run once more on what they have read.
    """
    adapters = [linear for linear in recorder.wrappers if _is_affine(linear)]
    inside = tuple(f"{linear.name}." for linear in adapters)
    plain = [linear for linear in recorder.linear if not linear.name.startswith(inside)]
    outer = [linear for linear in adapters if not linear.name.startswith(inside)]
    return sorted([*plain, *outer], key=lambda linear: linear.end)


def makers(recorder: Recorder, maps: Sequence[LinearMap], answer: Tensor) -> list[LinearMap]:
    """Finds the linear maps that make the answer, by the rules at the top; none if unknown."""
    direct = [candidate for candidate in maps if candidate.made(answer)]
    if direct:
        return direct[:1]  # the innermost: it ended first
    width = 1 if answer.ndim == 1 else answer.shape[-1 if answer.ndim == 3 else 1]
    beside: list[LinearMap] = []
    for candidate in reversed(maps):
        if candidate.width != width or answer.ndim == 0:
            continue
        known = [head.name for head in [*beside, candidate]]
        later = [
            call.name
            for call in recorder.calls()
            if call.owns_parameters and call.start > candidate.end
            and not any(call.name == name or call.name.startswith(f"{name}.") for name in known)
        ]  # fmt: skip
        if later:
            break
        beside.append(candidate)
    for count in range(len(beside), 1, -1):
        if is_weighted_sum(answer, [candidate.output for candidate in beside[:count]]):
            return beside[:count][::-1]
    return _ensemble(maps, answer, width) or beside[:1]


def _ensemble(maps: Sequence[LinearMap], answer: Tensor, width: int) -> list[LinearMap]:
    """Several maps, each run once, whose scores or probabilities the answer averages; or none."""
    alike = [m for m in maps if m.width == width and m.output.shape == answer.shape]
    names = [member.name for member in alike]
    if len(alike) < 2 or len(set(names)) < len(names) or answer.ndim != 2:
        return []
    scores = [member.output for member in alike]
    averaged = (scores, [score.float().softmax(1) for score in scores])
    return alike if any(is_weighted_sum(answer, parts) for parts in averaged) else []


def is_weighted_sum(answer: Tensor, parts: Sequence[Tensor]) -> bool:
    """Tells whether the answer is a sum of the parts, each times one number that is not 0.

    Example:
        >>> a, b = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[3.0, -1.0, 1.0]])
        >>> is_weighted_sum((a + b) / 2, [a, b]), is_weighted_sum(a, [a, b])
        (True, False)
    """
    if any(part.shape != answer.shape for part in parts) or answer.numel() <= len(parts):
        return False
    table = torch.stack([part.double().flatten() for part in parts], 1).cpu()
    wanted = answer.double().flatten().cpu()
    if not (table.isfinite().all() and wanted.isfinite().all()):
        return False
    weights = torch.linalg.lstsq(table, wanted[:, None], driver="gelsd").solution[:, 0]
    rest = (table @ weights - wanted).norm()
    every = (weights.abs() * table.norm(dim=0) > _RELATIVE * wanted.norm()).all()
    return bool(every) and bool(rest <= _RELATIVE * wanted.norm())


def reads(reader: LinearMap, tensor: Tensor) -> bool:
    """Tells whether a linear map has read this tensor, itself or a copy."""
    if reader.given.data_ptr() == tensor.data_ptr() and reader.given.numel() == tensor.numel():
        return True
    return reader.given.shape == tensor.shape and torch.equal(reader.given, tensor)


def _is_affine(linear: LinearMap) -> bool:
    """Says whether f(x) − f(0) = f(0) − f(−x); a rectifier breaks it."""
    given = linear.given
    try:
        # Far from 0, so that biases do not hide a rectifier.
        before, none, after = (linear.module(scale * given) for scale in (-30.0, 0.0, 30.0))
        first, second = none - before, after - none
    except Exception:  # it wants more than one tensor: no adapter of a linear map
        return False
    # 8-bit maps are affine within their steps; a rectifier is off by as much as the values are.
    return bool((first - second).abs().max() <= 0.05 * first.abs().max() + 1e-9)
