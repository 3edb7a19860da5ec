"""What is measured on one block: every cell, layer, metric and control, as rows.

A block is the atom: its images, their pairing and their values depend on nothing outside it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from invariscope.metrics import SweepMetric
from invariscope.models import Probe
from invariscope.results import RowBuilder
from invariscope.sweep.forward import Batches
from invariscope.sweep.loading import Block
from invariscope.sweep.plan import FLOOR, MEASUREMENT, SHUFFLED, UNTRAINED, Cell, Plan

#: Controls are measured here; the measurement itself at every watched layer.
HEADLINE_LAYERS = ("embedding", "logits")


@dataclass(frozen=True)
class Setup:
    """What is the same for every block of a run."""

    probe: Probe
    twin: Probe | None
    plan: Plan
    metrics: tuple[SweepMetric, ...]
    layers: tuple[str, ...]
    seed: int


def measure_block(
    setup: Setup,
    block: Block,
    image_ids: Sequence[str],
    labels: Sequence[int] | None,
    targets: Sequence[int] | None,
    batches: Batches,
    advance: Callable[[int], None],
) -> pa.Table:
    """Measures one block.

    Args:
        setup: Models, plan, metrics.
        block: The pixels.
        image_ids: Ids of the block's images.
        labels: Their class indices in the data, or None.
        targets: The outputs of the model that stand for these classes, or None if unknown.
        batches: Forward batches.
        advance: Told the number of images that went through a network.

    Returns:
        The block's rows; none if fewer than two images could be read.
    """
    rows = RowBuilder(image_ids, labels)
    if len(image_ids) < 2:
        return rows.table()
    device = setup.probe.device
    images = as_float(block.pixels.to(device, non_blocking=True))
    known = None if targets is None else torch.tensor(targets, device=device)
    score = _Scores(setup.metrics, rows, len(images), known)
    reference: dict[str, Tensor] = {}
    twin_reference: dict[str, Tensor] = {}
    controlled = [layer for layer in setup.layers if layer in HEADLINE_LAYERS]
    for cells in _groups(setup.plan.cells, max(1, batches.size // len(images))):
        pixels = [cell.apply(images, setup.seed, image_ids) for cell in cells]
        moved = pixels[0] if len(pixels) == 1 else torch.cat(pixels)
        vectors = batches.forward(setup.probe, moved, setup.layers)
        reference = reference or {layer: v[: len(images)] for layer, v in vectors.items()}
        advance(len(moved))
        places = [place for place, cell in enumerate(cells) if not cell.there_and_back]
        score.add(MEASUREMENT, cells, places, setup.layers, reference, vectors)
        score.add(SHUFFLED, cells, places, controlled, reference, vectors)
        floors = [place for place, cell in enumerate(cells) if cell.there_and_back]
        score.add(FLOOR, cells, floors, controlled, reference, vectors)
        seen = [place for place, cell in enumerate(cells) if cell.twin]
        if setup.twin is not None and seen:
            shown = moved if len(seen) == len(cells) else torch.cat([pixels[p] for p in seen])
            vectors = batches.forward(setup.twin, shown, controlled)
            twin_reference = twin_reference or {k: v[: len(images)] for k, v in vectors.items()}
            advance(len(shown))
            twin_cells = [cells[place] for place in seen]
            everywhere = list(range(len(seen)))
            score.add(UNTRAINED, twin_cells, everywhere, controlled, twin_reference, vectors)
    return rows.table()


def as_float(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1], float32."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


def _groups(cells: Sequence[Cell], size: int) -> Iterator[Sequence[Cell]]:
    for start in range(0, len(cells), size):
        yield cells[start : start + size]


class _Scores:
    """Turns the vectors of some cells into rows."""

    def __init__(
        self, metrics: Sequence[SweepMetric], rows: RowBuilder, count: int, labels: Tensor | None
    ):
        self._metrics = metrics
        self._rows = rows
        self._count = count
        self._labels = labels
        self._pairing = torch.arange(count).roll(-1)
        # The null: each image's transformed self is another image's, not the one it is paired with.
        self._stranger = torch.arange(count).roll(-2 if count > 2 else -1)

    def add(
        self,
        control: str,
        cells: Sequence[Cell],
        places: Sequence[int],
        layers: Sequence[str],
        reference: dict[str, Tensor],
        vectors: dict[str, Tensor],
    ) -> None:
        """Adds the rows of the cells at these places of the batch, for one control."""
        if not places:
            return
        for layer in layers:
            z = reference[layer]
            moved = vectors[layer].reshape(len(cells), self._count, -1)
            if len(places) < len(cells):
                moved = moved[list(places)]
            if control == SHUFFLED:
                moved = moved[:, self._stranger.to(moved.device)]
            for metric in self._metrics:
                if metric.reads == "logits" and layer != "logits":
                    continue
                if metric.needs_labels and self._labels is None:
                    continue
                values, weights = metric.evaluate(
                    z, moved, self._pairing.to(z.device), self._labels
                )
                values = values.cpu().numpy()  # one transfer for all cells
                weights = None if weights is None else weights.cpu().numpy()
                for number, place in enumerate(places):
                    self._rows.add(
                        cell=cells[place].key,
                        layer=layer,
                        metric=metric.name,
                        control=control,
                        values=values[number],
                        weights=None if weights is None else weights[number],
                    )
