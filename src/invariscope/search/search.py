"""Provides `find_factors`, which finds what varies within the classes of a data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from invariscope.cache import DEFAULT_SIZE
from invariscope.models import PreprocessingLike
from invariscope.runs import Progress, carry_out
from invariscope.search.operations import BOTH_WAYS
from invariscope.search.prepare import prepare_search
from invariscope.search.request import DEFAULT_PAIRS, SearchRequest
from invariscope.search.result import Factors
from invariscope.transformations import Operation, Transformation


def find_factors(
    model: Any,
    images: Any,
    *,
    operations: str | Sequence[str | Transformation | Operation] = BOTH_WAYS,
    pairs: int = DEFAULT_PAIRS,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    output: str | Path | None = None,
    shear_centre: str = "corner",
    preprocessing: PreprocessingLike | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    value_range: Sequence[float] | None = None,
    fold: bool = True,
    amp: str | None = None,
    compile: bool = False,
    workers: int | None = None,
    processes: int | None = None,
    engine: str = "local",
    address: str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    cache_size: str | int = DEFAULT_SIZE,
) -> Factors:
    """Finds what varies within the classes of a data set.

    Args:
        model: As for `invariscope.measure`; its embedding is compared.
        images: Labelled images: a folder with one sub-folder per class, (images, labels), a spec.
        operations: "families" (61 levels of 18 families), "all" (112 of paper 000), "singles",
            "policies", single families, "rotate=5/10", or objects; see `get_operations`.
        pairs: Pairs of each class, and images of it that are transformed; as many as there are,
            where a class has fewer.
        classes: Names of the classes; all by default.
        seed: What is drawn, is drawn from this and the image ids alone.
        device: Where the network runs; an accelerator if there is one.
        batch_size: Images per forward pass; it changes no number beyond rounding.
        output: A folder for the rows and the table; without it everything stays in memory.
        shear_centre: What the pool's shears leave in place: "corner", as Pillow, or "centre".
        preprocessing: What the model's own configuration does not say, as for `measure`.
        task: What the model's answer is, where it is seen wrongly: "classification", "multilabel",
            "regression", "embedding" or "dense".
        embedding: The layer whose output, averaged over positions, is the embedding; by default
            the rule of `invariscope.models.embedding`.
        output_key: Which of several outputs is the answer: its key, or its position.
        value_range: The stored numbers that are black and white, as for `invariscope.measure`.
        fold: Fold batch norms into the convolutions before them, as for `invariscope.measure`.
        amp: "bf16": matrix products and convolutions in bfloat16, as for `invariscope.measure`.
        compile: Let ``torch.compile`` make kernels, as for `invariscope.measure`.
        workers: Decoding: 0 in this thread; N in N threads, or, for a data set of your own, in N
            processes that each open a copy; None chooses. It changes no number.
        processes: Processes that measure blocks, as for `invariscope.measure`.
        engine: "local" or "ray", as for `invariscope.measure`.
        address: That of the Ray cluster.
        resume: Go on with a search that the folder holds; False refuses such a folder.
        progress: Told what goes on.
        cache: A folder that keeps what networks gave, as for `invariscope.measure`.
        cache_size: The most that it takes.

    Returns:
        The `Factors`: `factors` (what varies: a row for each class and family), and as paper 000
        has it `frame` (a row for each class and operation), `ranks`, `pairs`.

    Raises:
        InputError: What was asked for cannot be done as asked; unlabelled images among it.
        RunError: The search could not finish; what it wrote is kept.

    Example:
        >>> import torch
        >>> found = find_factors(
        ...     lambda x: x.flatten(1), (torch.rand(8, 3, 6, 6), [0, 0, 0, 0, 1, 1, 1, 1]),
        ...     operations="rotate=90,invert")
        >>> found.factors[["class", "family", "images"]].values.tolist()
        [['0', 'rotate', 4], ['0', 'invert', 4], ['1', 'rotate', 4], ['1', 'invert', 4]]
        >>> found.frame.query("`class` == '1'")[["operation", "kind", "n"]].values.tolist()
        [['rotate=90', 'geometric', 6], ['invert', 'appearance', 6], ['identity', 'identity', 6]]
    """
    request, how = SearchRequest.split(locals())
    return carry_out(prepare_search(request), **how)
