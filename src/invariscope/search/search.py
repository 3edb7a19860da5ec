"""The pair similarity search of paper 000 §4 (eq. 2).

For pairs (x₁, x₂) of one class and every operation T of a pool, T acts on x₂ alone:

    s₀ = cos(f(x₁), f(x₂)),   s_T = cos(f(x₁), f(T(x₂))),   change = s_T − s₀

with f the network up to its penultimate layer (the embedding). Above 0, T explains part of what
sets the two images apart; 0: it changes nothing. The relative change is change / s₀.

A block of 32 pairs is the atom: each of its images is decoded once and embedded once, each second
image once more for every operation that is computed; the similarities are formed at once and
nothing but numbers is kept. An image that T leaves as it is (autocontrast often does) has a change
of exactly 0, not the rounding of another batch.

Source: paper 000, eq. 2 and §4. Its code embeds both images anew for every operation, one operation
after the other; for one of its models it takes logits as embeddings, here always the embedding.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from invariscope.data import ImageSource
from invariscope.devices import as_float
from invariscope.errors import InputError, RunError
from invariscope.metrics.distances import between, prepared
from invariscope.models import PreprocessingLike
from invariscope.results import write_manifest
from invariscope.search.example_files import write_examples
from invariscope.search.examples import take_examples
from invariscope.search.operations import ALL, Operation
from invariscope.search.prepare import DEFAULT_PAIRS, EMBEDDING, Search, prepare_search
from invariscope.search.result import COMMAND, ROWS, Factors, rows_of, write_factors
from invariscope.search.rows import pair_table, whole_blocks, write_pairs
from invariscope.search.table import tabulate
from invariscope.sweep.dim import note_dim
from invariscope.sweep.folder import open_folder
from invariscope.sweep.forward import Batches
from invariscope.sweep.loading import Block, load_blocks
from invariscope.sweep.progress import Progress, Silent
from invariscope.transformations import Transformation

#: Pixels closer than this are the same: the rounding of a transformation that changes nothing.
_SAME = 1e-6


def find_factors(
    model: Any,
    images: Any,
    *,
    operations: str | Sequence[str | Transformation | Operation] = ALL,
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
    workers: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Factors:
    """Finds what varies within the classes of a data set.

    Args:
        model: As for `invariscope.measure`; its embedding is compared.
        images: Labelled images: a folder with one sub-folder per class, (images, labels), a spec.
        operations: "all" (112 of paper 000), "singles", "policies", families, "rotate=5/10", or
            objects; see `get_operations`.
        pairs: Pairs of each class; as many as there are, where a class has fewer.
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
        workers: Decoding: 0 in this thread; N in N threads, or, for a data set of your own, in N
            processes that each open a copy; None chooses. It changes no number.
        resume: Go on with a search that the folder holds; False refuses such a folder.
        progress: Told what goes on.

    Returns:
        The `Factors`: `frame` (a row for each class and operation), `ranks`, `pairs`.

    Raises:
        InputError: What was asked for cannot be done as asked; unlabelled images among it.
        RunError: The search could not finish; what it wrote is kept.

    Example:
        >>> import torch
        >>> found = find_factors(
        ...     lambda x: x.flatten(1), (torch.rand(8, 3, 6, 6), [0, 0, 0, 0, 1, 1, 1, 1]),
        ...     operations="rotate=90,invert")
        >>> found.frame.query("`class` == '1'")[["operation", "kind", "n"]].values.tolist()
        [['rotate=90', 'geometric', 6], ['invert 3', 'appearance', 6], ['invert 4', ...
    """
    search = prepare_search(
        model,
        images,
        operations=operations,
        pairs=pairs,
        classes=classes,
        seed=seed,
        device=device,
        shear_centre=shear_centre,
        preprocessing=preprocessing,
        task=task,
        embedding=embedding,
        output_key=output_key,
        value_range=value_range,
    )
    return carry_out(
        search,
        output=output,
        batch_size=batch_size,
        workers=workers,
        resume=resume,
        progress=progress or Silent(),
    )


def carry_out(
    search: Search,
    *,
    output: str | Path | None,
    batch_size: int | None,
    workers: int | None,
    resume: bool,
    progress: Progress,
) -> Factors:
    """Measures the blocks that are missing and tabulates. Arguments as for `find_factors`."""
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, not {batch_size}")
    size = batch_size or default_batch_size(search)
    folder = None if output is None else Path(output)
    with open_folder(folder, search.manifest, resume, command=COMMAND, completed=whole_blocks) as (
        manifest,
        done,
    ):
        return _carry_out(search, manifest, done, folder, size, workers, progress)


def _carry_out(
    search: Search,
    manifest: dict[str, Any],
    done: list[int],
    folder: Path | None,
    size: int,
    workers: int | None,
    progress: Progress,
) -> Factors:
    """Measures the blocks that are not done, into the folder or in memory."""
    blocks = search.blocks
    missing = sorted(set(range(len(blocks))) - set(done))
    progress.start(
        images=manifest["images"]["selected"],
        cells=len(search.unique),
        passes=manifest["execution"]["forward_passes"],
        done=sum(search.passes(blocks[number]) for number in set(done) & set(range(len(blocks)))),
    )

    def note(text: str) -> None:
        manifest["execution"]["events"].append(text)
        progress.note(text)

    batches = Batches(size, note)
    tables: list[pa.Table] = []
    started, before = time.perf_counter(), manifest["execution"]["seconds"]
    numbered = [(number, list(dict.fromkeys(blocks[number][:, 1:].ravel().tolist())))
                for number in missing]  # fmt: skip
    for block in load_blocks(
        search.source, search.probe.preprocessing, numbered, workers=workers, ready=search.decoded
    ):
        table = measure_block(search, blocks[block.number], block, batches, progress.advance)
        _count_skipped(manifest, search.source, block, note)
        note_dim(manifest, search.source, block)
        manifest["execution"]["seconds"] = round(before + time.perf_counter() - started, 3)
        if folder is None:
            tables.append(table)
        else:
            write_manifest(folder, manifest)  # first: no reason of a skipped image is lost
            write_pairs(folder / ROWS, block.number, table, manifest["identity"])
    return _finish(search, manifest, tables, folder)


def default_batch_size(search: Search) -> int:
    """Images per forward pass where the user does not say."""
    return 256 if search.probe.device.type == "cuda" else 32


def measure_block(
    search: Search,
    pairs: np.ndarray,
    block: Block,
    batches: Batches,
    advance: Callable[[int], None],
) -> pa.Table:
    """The rows of one block.

    Args:
        search: The model, the operations.
        pairs: [pair, 3], as in `Search.pairs`.
        block: The images of these pairs, each once.
        batches: Forward batches.
        advance: Told the number of images that went through the network.
    """
    place = {index: row for row, index in enumerate(block.indices)}
    pairs = pairs[[a in place and b in place for a, b in pairs[:, 1:].tolist()]]
    if not len(pairs):
        return pair_table([], [], [], np.empty(0), np.empty((0, len(search.unique))))
    device = search.probe.device
    pixels = as_float(block.pixels.to(device, non_blocking=True))
    seconds, partner = np.unique(pairs[:, 2], return_inverse=True)
    vectors = prepared(_embed(search, pixels, batches, advance), "cosine")
    first = vectors[torch.tensor([place[a] for a in pairs[:, 1].tolist()], device=device)]
    rows = torch.tensor([place[b] for b in seconds.tolist()], device=device)
    member = torch.from_numpy(partner).to(device)
    before = 1 - between(first, vectors[rows][member], "cosine")
    shown = pixels[rows]
    changes: dict[tuple[str, ...], Tensor] = {}
    for keys, moved in _batched(_moved(search, shown, seconds), len(shown), batches):
        found = prepared(_embed(search, torch.cat(moved), batches, advance), "cosine")
        for key, picture, vector in zip(keys, moved, found.split(len(shown)), strict=True):
            change = 1 - between(first, vector[member], "cosine") - before
            same = ((picture - shown).abs().amax((1, 2, 3)) <= _SAME)[member]
            changes[key] = torch.where(same & before.isfinite(), 0.0, change)
    ordered = torch.stack([changes[key] for key in search.unique], 1) if changes else None
    return pair_table(
        pairs[:, 0],
        _ids(search.source, pairs[:, 1]),
        _ids(search.source, pairs[:, 2]),
        before.double().cpu().numpy(),
        np.empty((len(pairs), 0)) if ordered is None else ordered.cpu().numpy(),
    )


def _ids(source: ImageSource, positions: np.ndarray) -> list[str]:
    return [source.ids[int(position)] for position in positions]


def _embed(
    search: Search, images: Tensor, batches: Batches, advance: Callable[[int], None]
) -> Tensor:
    vectors = batches.forward(search.probe, images, [EMBEDDING])[EMBEDDING]
    advance(len(images))
    return vectors


def _moved(
    search: Search, shown: Tensor, seconds: np.ndarray
) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """The second images after each operation; a first step that several share is done once."""
    ids = _ids(search.source, seconds)
    begun: tuple[str, Tensor] | None = None
    for key, operation in search.unique.items():
        (first, level), *rest = operation.acting
        if begun is None or begun[0] != key[0]:
            begun = key[0], first(shown, level, seed=search.seed, image_ids=ids)
        moved = begun[1]
        for transformation, level in rest:
            moved = transformation(moved, level, seed=search.seed, image_ids=ids)
        yield key, moved


def _batched(
    moved: Iterator[tuple[tuple[str, ...], Tensor]], count: int, batches: Batches
) -> Iterator[tuple[list[tuple[str, ...]], list[Tensor]]]:
    """As many operations together as one forward batch holds, at least one."""
    keys, pictures = list[tuple[str, ...]](), list[Tensor]()
    for key, picture in moved:
        if keys and (len(keys) + 1) * count > batches.size:
            yield keys, pictures
            keys, pictures = [], []
        keys.append(key)
        pictures.append(picture)
    if keys:
        yield keys, pictures


def _count_skipped(
    manifest: dict[str, Any], source: ImageSource, block: Block, note: Callable[[str], None]
) -> None:
    skipped = {entry["image"]: entry["reason"] for entry in manifest["images"]["skipped"]}
    for index, reason in block.skipped:
        if source.ids[index] not in skipped:
            note(f"skipped {source.ids[index]}, with its pairs: {reason}")
        skipped[source.ids[index]] = reason
    manifest["images"]["skipped"] = [
        {"image": image, "reason": reason} for image, reason in sorted(skipped.items())
    ]


def _finish(
    search: Search, manifest: dict[str, Any], tables: list[pa.Table], folder: Path | None
) -> Factors:
    settings = manifest["settings"]
    rows = rows_of(manifest, tables if folder is None else folder / ROWS)
    frame = tabulate(rows, settings["classes"], settings["operations"], settings["seed"])
    if not frame["n"].any():
        raise RunError(
            f"no pair of {settings['data']} has two images that can be read and compared; "
            f"{len(manifest['images']['skipped'])} images were skipped"
        )
    manifest["execution"].update(status="finished")
    found = Factors(manifest, frame, rows, folder=folder)
    found = Factors(manifest, frame, rows, folder, take_examples(search, found))
    if folder is not None:
        write_examples(folder, found.examples, manifest["identity"])
        write_factors(folder, frame)
        write_manifest(folder, manifest)
    return found
