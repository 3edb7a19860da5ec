"""Vectors of some cells to rows: the metrics of single cells, and those of whole orbits."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from invariscope.metrics import SweepMetric
from invariscope.results import RowBuilder
from invariscope.sweep.plan import MEASUREMENT, SHUFFLED, Cell, Orbit

#: Controls are measured here; the measurement itself at every watched layer.
HEADLINE_LAYERS = ("embedding", "logits", "output")


class Scores:
    """Turns the vectors of a block into rows.

    Args:
        metrics: What is measured.
        rows: Where the rows go.
        count: Images of the block.
        labels: Their class indices in the data, or None.
        targets: The outputs of the model that stand for these classes, [image] or [image, most]
            filled up with -1, or None.
    """

    def __init__(
        self,
        metrics: Sequence[SweepMetric],
        rows: RowBuilder,
        count: int,
        labels: Sequence[int] | None,
        targets: np.ndarray | None,
    ):
        self._metrics = metrics
        self._rows = rows
        known = {"classes": labels, "targets": targets}
        self._labels = {key: torch.as_tensor(v) for key, v in known.items() if v is not None}
        self._pairing = torch.arange(count).roll(-1)
        # The null: each image's transformed self is another image's, not the one it is paired with.
        self._stranger = torch.arange(count).roll(-2 if count > 2 else -1)

    def add(
        self,
        control: str,
        cells: Sequence[Cell],
        layer: str,
        reference: Tensor,
        moved: Tensor,
    ) -> None:
        """Adds the rows of some cells at a layer, for one control.

        Args:
            control: "" for the measurement, or the control's name.
            cells: Which cells these are.
            layer: The layer's name.
            reference: [image, element], of the untransformed images.
            moved: [cell, image, element].
        """
        if control == SHUFFLED:
            moved = moved[:, self._stranger.to(moved.device)]
        for metric in self._metrics:
            if metric.reads == "vectors" or (metric.reads == "logits" and layer == "logits"):
                self._evaluate(metric, control, [c.key for c in cells], layer, reference, moved)

    def add_orbit(self, orbit: Orbit, vectors: dict[str, Tensor]) -> None:
        """Adds the rows of a whole orbit: vectors [element, image, element of the vector]."""
        for layer, moved in vectors.items():
            for metric in self._metrics:
                at = metric.reads == "orbit" or (
                    metric.reads == "orbit logits" and layer == "logits"
                )
                if at and (orbit.is_group or not metric.groups_only):
                    self._evaluate(metric, MEASUREMENT, orbit.keys, layer, moved[0], moved)

    def _evaluate(
        self,
        metric: SweepMetric,
        control: str,
        keys: Sequence[str],
        layer: str,
        reference: Tensor,
        moved: Tensor,
    ) -> None:
        labels = self._labels.get(metric.needs_labels)
        if metric.evaluate is None or (metric.needs_labels and labels is None):
            return
        device = moved.device
        pairing, known = self._pairing, None if labels is None else labels.to(device)
        counted = torch.ones(moved.shape[1], dtype=torch.bool, device=device)
        if metric.reads.startswith("orbit"):
            # It compares with all images of the block: one that is not finite would take their
            # values as well.
            counted = moved.isfinite().all(2).all(0)
        if not bool(counted.all()):
            reference, moved = reference[counted], moved[:, counted]
            known = None if known is None else known[counted]
            pairing = torch.arange(len(reference)).roll(-1)
        if len(reference) < 2:
            counted, values, weights = (
                torch.zeros_like(counted),
                moved.new_empty(len(keys), 0),
                None,
            )
        else:
            values, weights = metric.evaluate(reference, moved, pairing.to(device), known)
        values = _spread(values, counted, np.nan)  # one transfer for all cells
        weights = None if weights is None else _spread(weights, counted, 0.0)
        for number, key in enumerate(keys):
            self._rows.add(
                cell=key,
                layer=layer,
                metric=metric.name,
                control=control,
                values=values[number],
                weights=None if weights is None else weights[number],
            )


def _spread(values: Tensor, counted: Tensor, others: float) -> np.ndarray:
    """Values [cell, counted image] at their places among all images; what the others get."""
    placed = np.full((len(values), len(counted)), others)
    placed[:, counted.cpu().numpy()] = values.cpu().numpy()
    return placed
