"""`measure`: the sweep, from a model and images to a result."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from invariscope.cache import DEFAULT_SIZE
from invariscope.errors import InputError
from invariscope.models import PreprocessingLike
from invariscope.results import Result
from invariscope.runs import Progress, carry_out
from invariscope.sweep.prepare import prepare
from invariscope.sweep.request import SweepRequest
from invariscope.transformations import Resampling, Transformation


def measure(
    model: Any,
    images: Any,
    *,
    transformations: str | Sequence[str | Transformation] | None = None,
    groups: str | Sequence[str] | None = None,
    metrics: str | Sequence[str] | None = None,
    layers: str | Sequence[str] | None = "auto",
    num_images: int | None = None,
    precision: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    output: str | Path | None = None,
    table: str = "standard",
    resampling: Resampling | None = None,
    twin: bool | str | None = False,
    floor: bool = False,
    preprocessing: PreprocessingLike | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    inexact: str = "interpolate",
    model_classes: str | PathLike[str] | Sequence[str] | None = None,
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
    save_images: bool = False,
    image_groups: str | PathLike[str] | pd.DataFrame | None = None,
) -> Result:
    """Measures what a model is invariant to.

    Args:
        model: An ``nn.Module``, a callable from [N, 3, H, W] to scores or features, or a spec
            such as "timm:resnet18" (see `load_model`).
        images: A folder, a ``Dataset``, an array (uint8 or uint16 [N, H, W, C] or float
            [N, C, H, W] in [0, 1]), an (images, labels) pair, or a spec such as "samples".
        transformations: Names, a comma-separated list, or `Transformation` objects; the 13
            families of paper 000 by default.
        groups: Finite groups, "C4,D4,flip"; their elements are the levels. Without
            ``transformations``, nothing but these.
        metrics: Names; by default relative and mean relative invariance, prediction consistency
            and, where labels are known, accuracy.
        layers: "auto", "last", dotted names, globs; embedding and logits always belong to it.
        num_images: A seeded subset, stratified by class; all images by default.
        precision: Measure each cell until its 95 % interval of the headline (the first metric, at
            the embedding or the logits) has at most this half-width; ``num_images`` is the most.
            Intervals of such a run hold whenever one looks, so they are wider.
        seed: What is drawn, is drawn from this and the image ids alone.
        device: Where the network runs; an accelerator if there is one.
        batch_size: Images per forward pass; it changes no number beyond rounding.
        output: A run folder; without it everything stays in memory.
        table: Magnitudes: "standard", "paper", "search" or "transforms2d".
        resampling: Interpolation, border and fill of geometric transformations.
        twin: Measure the model's untrained twin beside it, at the control levels; None does so
            where the model has one. "active": with the residual branches that its library starts
            at zero switched on (see `models.twin`).
        floor: Measure the interpolation floor (T⁻¹T), at the control levels.
        preprocessing: What the model's own configuration does not say: a word ("imagenet", "clip",
            "inception", "none"), a configuration file, or values such as {"size": 224}; see
            `load_model`.
        task: What the model's answer is, where it is seen wrongly: "classification", "multilabel",
            "regression", "embedding" or "dense".
        embedding: The layer whose output, averaged over positions, is the embedding; by default
            the rule of `invariscope.models.embedding`.
        output_key: Which of several outputs is the answer: its key, or its position.
        inexact: What metrics of feature maps do where a motion does not take a layer's grid to
            itself: "interpolate" the maps, or "skip" that layer and level.
        model_classes: What the model's outputs are, where it does not say so itself: "imagenet"
            (ImageNet-1k in the usual order), a file of names, the names, or "order" (class k of the
            data is output k, whatever the names).
        value_range: The stored numbers that are black and white, such as (0, 4095) for 12 bits in
            16-bit files; None finds it, see `open_source`.
        fold: Fold batch norms into the convolutions before them where no watched layer lies
            between: fewer operations, and numbers that move by rounding (see `models.folding`).
        amp: "bf16": matrix products and convolutions in bfloat16, which keeps eight bits.
        compile: Let ``torch.compile`` make kernels for the network: minutes before the first block,
            then fewer seconds a pass; it needs a C++ compiler, or Triton on a GPU.
        workers: Decoding: 0 in this thread; N in N threads, or, for a data set of your own, in N
            processes that each open a copy; None chooses. It changes no number.
        processes: Processes that measure blocks, each on its share of the cores, or on a GPU of its
            own where there are several. It changes no number beyond the rounding of other numbers
            of threads. Metrics of feature maps and ``precision`` take one, and a note says so.
            None: one, or with Ray as many as there are GPUs or else cores.
        engine: "local": processes of this machine; "ray": actors of Ray, here or on a cluster.
        address: That of the Ray cluster, such as "auto"; None starts Ray on this machine.
        resume: Go on with a run that the folder holds; False refuses such a folder. Whether the
            images are still the same is seen by their content, for files and arrays; of a data set
            of your own only the first pictures are asked again.
        progress: Told what goes on.
        cache: A folder that keeps what networks gave: a run on the same model and images with
            other metrics, intervals, controls, layers or levels makes forward passes only for what
            is missing there, and gives the same numbers to the last bit. Metrics of feature maps
            and of derivatives pass through the network as without it. Several runs may share it.
        cache_size: The most that it takes, in bytes or as "10GB"; what was not read for the
            longest time is removed first.
        save_images: Write the images whose answers flip first into the folder ``images`` of the
            run as PNG files, before and after, up to 100 for each transformation, and a table of
            all flips, ``images.csv``. The images are read again after the pass.
        image_groups: What the images belong to: a CSV, Parquet or JSON-lines file with a row for
            each image (ImageNet-X, or of your own), or a data frame; see
            `invariscope.data.image_groups` and `Result.by_group`.

    Returns:
        The `Result`: `frame` (summary with 95 % intervals), `controls`, `rows` (per image).

    Raises:
        InputError: What was asked for cannot be done as asked.
        RunError: The run could not finish; what it wrote is kept.

    Example:
        >>> import torch, invariscope
        >>> result = invariscope.measure(
        ...     lambda x: x.flatten(1), torch.rand(4, 3, 8, 8), transformations="brightness_down")
        >>> row = result.frame.query("metric == 'relative_invariance' and level == 3").iloc[0]
        >>> round(float(row.value), 6), int(row.n)  # the direction of a vector ignores its length
        (1.0, 4)
    """
    if save_images and output is None:
        raise InputError("save_images writes into the run folder: name one with `output`")
    request, how = SweepRequest.split(locals())
    return carry_out(prepare(request), **how)
