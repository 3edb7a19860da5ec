"""The sweep: one pass over the images for every cell, layer, metric and control.

Image source → transformation → probe → metrics → rows → summary. Blocks are measured one after the
other and written whole; a run that was interrupted goes on with the blocks that are missing and
ends with the same summary, byte for byte.
"""

import time
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invariscope.data import ImageSource
from invariscope.errors import InputError, RunError
from invariscope.models import PreprocessingLike
from invariscope.results import Result, RowStore, write_block, write_manifest, write_summary
from invariscope.results.result import ROWS, write_example
from invariscope.sweep.block import Sample, measure_block
from invariscope.sweep.channels import ChannelState
from invariscope.sweep.dim import note_dim
from invariscope.sweep.folder import open_folder
from invariscope.sweep.forward import Batches
from invariscope.sweep.loading import Block, load_blocks
from invariscope.sweep.maps import image_parts
from invariscope.sweep.pairs import pairs_of_run
from invariscope.sweep.plan import BLOCK_SIZE, SHUFFLED, blocks
from invariscope.sweep.precision import check_precision, is_time_to_look, widest
from invariscope.sweep.prepare import Run, prepare
from invariscope.sweep.progress import Progress, Silent
from invariscope.transformations import Resampling, Transformation

#: Layers that a note names.
_NAMED = 5


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
    workers: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
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
        precision: Stop once every 95 % interval of the headline (the first metric, at the
            embedding or the logits) has at most this half-width; ``num_images`` is the most.
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
        workers: Decoding: 0 in this thread; N in N threads, or, for a data set of your own, in N
            processes that each open a copy; None chooses. It changes no number.
        resume: Go on with a run that the folder holds; False refuses such a folder.
        progress: Told what goes on.

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
    run = prepare(
        model,
        images,
        transformations=transformations,
        groups=groups,
        metrics=metrics,
        layers=layers,
        num_images=num_images,
        seed=seed,
        device=device,
        table=table,
        resampling=resampling,
        twin=twin,
        floor=floor,
        preprocessing=preprocessing,
        task=task,
        embedding=embedding,
        output_key=output_key,
        inexact=inexact,
        model_classes=model_classes,
        value_range=value_range,
    )
    return carry_out(
        run,
        output=output,
        batch_size=batch_size,
        workers=workers,
        resume=resume,
        precision=precision,
        progress=progress or Silent(),
    )


def default_batch_size(run: Run) -> int:
    """Images per forward pass where the user does not say.

    Beside feature maps in memory, on a CPU: those of a part, so that each pass is one cell. More
    cells at a time would save little there and take memory; an accelerator wants them.
    """
    if run.probe.device.type == "cuda":
        return 256
    if not run.setup.map_metrics:
        return BLOCK_SIZE
    return max(part.stop - part.start for part in image_parts(BLOCK_SIZE, run.setup.layers))


def carry_out(
    run: Run,
    *,
    output: str | Path | None,
    batch_size: int | None,
    workers: int | None,
    resume: bool,
    precision: float | None,
    progress: Progress,
) -> Result:
    """Measures the blocks that are missing and summarises. Arguments as for `measure`."""
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, not {batch_size}")
    check_precision(precision)
    size = batch_size or default_batch_size(run)
    folder = None if output is None else Path(output)
    with open_folder(folder, run.manifest, resume) as (manifest, done):
        if folder is not None:
            write_example(folder, run.picture())
        return _carry_out(run, manifest, done, folder, size, workers, precision, progress)


def _carry_out(
    run: Run,
    manifest: dict[str, Any],
    done: list[int],
    folder: Path | None,
    size: int,
    workers: int | None,
    precision: float | None,
    progress: Progress,
) -> Result:
    """Measures the blocks that are not done, into the folder or in memory."""
    identity = manifest["identity"]
    channels = _channel_state(run)
    if channels is not None and folder is not None:
        done = channels.take_up(folder, done, len(blocks(run.selected)))
    numbered = list(enumerate(blocks(run.selected)))
    missing = [(number, indices) for number, indices in numbered if number not in set(done)]
    already = sum(len(indices) for number, indices in numbered if number in set(done))
    progress.start(
        images=len(run.selected),
        cells=run.setup.num_cells,
        passes=run.setup.passes * len(run.selected),
        done=run.setup.passes * already,
    )

    def note(text: str) -> None:
        manifest["execution"]["events"].append(text)
        progress.note(text)

    batches = Batches(size, note)
    tables: list[Any] = []

    def is_precise(measured: int) -> bool:
        """Whether the blocks so far are enough; looks at the rows of the first ``measured``."""
        if precision is None or not is_time_to_look(measured):
            return False
        store = RowStore(tables if folder is None else folder / ROWS, range(measured), identity)
        reached = widest(store, run.setup.metrics[0].name, run.setup.seed)
        if reached > precision:
            return False
        note(f"stopped after {len(store.images)} images: intervals are within ±{reached:.3g}")
        return True

    if missing and is_precise(missing[0][0]):
        missing = []
    started = time.perf_counter()
    before = manifest["execution"]["seconds"]
    for block in load_blocks(
        run.source, run.probe.preprocessing, missing, workers=workers, ready=run.decoded
    ):
        table = measure_block(run.setup, _sample(run, block), batches, channels, progress.advance)
        if channels is not None:
            channels.blocks = block.number + 1
        _count_skipped(manifest, run.source, block, note)
        note_dim(manifest, run.source, block)
        manifest["execution"]["seconds"] = round(before + time.perf_counter() - started, 3)
        if folder is None:
            tables.append(table)
        else:
            write_manifest(folder, manifest)  # first: no reason of a skipped image is lost
            write_block(folder / ROWS, block.number, table, identity)
            if channels is not None:
                channels.save(folder)
        if is_precise(block.number + 1):
            break
    manifest["execution"]["batch_size"] = batches.size
    return _finish(run, manifest, folder, tables, channels)


def _channel_state(run: Run) -> ChannelState | None:
    """Empty sums for the metrics of channels; None if there are none."""
    if not run.setup.map_metrics:
        return None
    entries = []
    for cell in run.plan.cells[1:]:
        entries += [(cell.key, cell.control)] + [(cell.key, SHUFFLED)] * cell.null
    return ChannelState(entries, run.probe.device, run.manifest["identity"])


def _sample(run: Run, block: Block) -> Sample:
    ids = [run.source.ids[index] for index in block.indices]
    known = None if run.source.labels is None else block.labels
    targets = None
    if run.targets is not None and known is not None:
        unknown = np.full_like(run.targets[0], -1)
        classes = len(run.targets)
        if run.source.class_names is None and max(known, default=-1) >= classes:
            raise _no_output(ids, known, classes)
        targets = [run.targets[label] if 0 <= label < classes else unknown for label in known]
        targets = np.array(targets, dtype=np.int64)
    return Sample(block, ids, known, targets)


def _no_output(ids: list[str], labels: list[int], outputs: int) -> InputError:
    """A label that only the loaded item told, and that no output stands for."""
    place = int(np.argmax(labels))
    return InputError(
        f"image {ids[place]} has the label {labels[place]}, the model the outputs 0 to "
        f"{outputs - 1}; labels count from 0: change them, or leave accuracy out of the metrics"
    )


def _count_skipped(
    manifest: dict[str, Any], source: ImageSource, block: Block, note: Callable[[str], None]
) -> None:
    images = manifest["images"]
    skipped = {entry["image"]: entry["reason"] for entry in images["skipped"]}
    for index, reason in block.skipped:
        if source.ids[index] not in skipped:
            note(f"skipped {source.ids[index]}: {reason}")
        skipped[source.ids[index]] = reason
    if len(block.indices) == 1:
        alone = source.ids[block.indices[0]]
        skipped[alone] = "the only readable image of its block, so it has no partner"
    images["skipped"] = [
        {"image": image, "reason": reason} for image, reason in sorted(skipped.items())
    ]
    images["used"] = images["selected"] - len(skipped)


def _finish(
    run: Run,
    manifest: dict[str, Any],
    folder: Path | None,
    tables: list[Any],
    channels: ChannelState | None,
) -> Result:
    store = RowStore(tables if folder is None else folder / ROWS, run=manifest["identity"])
    if not store.images:
        raise RunError(
            f"no block of {run.source.name} has two images that can be read; "
            f"{len(manifest['images']['skipped'])} were skipped"
        )
    manifest["images"]["used"] = len(store.images)
    manifest["execution"].update(status="finished")
    found, pairs = None, None
    if channels is not None:
        _say_what_channels_lack(manifest, channels)
        found = channels.finish(folder)
        pairs = pairs_of_run(run, found, folder)
    result = Result(
        manifest, store, example=run.picture(), folder=folder, channels=found, channel_pairs=pairs
    )
    if folder is not None:
        write_summary(folder, result.summary)
        write_manifest(folder, manifest)
    return result


def _say_what_channels_lack(manifest: dict[str, Any], channels: ChannelState) -> None:
    """Takes note of layers whose sums would have been too large."""
    if channels.without:
        named, others = channels.without[:_NAMED], len(channels.without[_NAMED:])
        layers = ", ".join(named) + (f" and {others} more" if others else "")
        note = (
            f"channel measures over the data set are left out at {layers}: their sums for all "
            "levels take too much memory; measure fewer levels or layers to have them"
        )
        if note not in manifest["warnings"]:
            manifest["warnings"].append(note)
