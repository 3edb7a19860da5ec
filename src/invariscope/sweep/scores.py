"""Turns vectors into rows: by metrics of single cells, and by metrics of whole orbits."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from invariscope.metrics import Metric, OrbitMetric, VectorMetric
from invariscope.results import RowBuilder
from invariscope.results.answers import KEPT, PREDICTED, SCORE
from invariscope.results.row_table import ANSWER
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
        metrics: Sequence[Metric],
        rows: RowBuilder,
        count: int,
        labels: Sequence[int] | None,
        targets: np.ndarray | None,
    ):
        self._of_vectors = [metric for metric in metrics if isinstance(metric, VectorMetric)]
        self._of_orbits = [metric for metric in metrics if isinstance(metric, OrbitMetric)]
        self._rows = rows
        known = {"classes": labels, "targets": targets}
        self._labels = {key: torch.as_tensor(v) for key, v in known.items() if v is not None}
        self._pairing = torch.arange(count).roll(-1)
        # The null: each image gets the transformed image of another, not of its partner.
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
            cells: The cells.
            layer: The layer's name.
            reference: [image, element], of the untransformed images.
            moved: [cell, image, element].
        """
        if control == SHUFFLED:
            moved = moved[:, self._stranger.to(moved.device)]
        pairing = self._pairing.to(moved.device)
        for metric in self._of_vectors:
            labels = self._labels.get(metric.needs)
            elsewhere = metric.at == "logits" and layer != "logits"
            if elsewhere or (metric.needs and labels is None):
                continue
            known = None if labels is None else labels.to(moved.device)
            values, weights = metric.evaluate(reference, moved, pairing, known)
            values = values.cpu().numpy()  # one transfer for all cells
            weights = None if weights is None else weights.cpu().numpy()
            keys = [cell.key for cell in cells]
            self._add(metric.name, control, keys, layer, values, weights)

    def add_answers(self, cells: Sequence[Cell], reference: Tensor, moved: Tensor) -> None:
        """Records the predicted class, its score, and the score of the class predicted at first.

        Args:
            cells: The cells.
            reference: Logits [image, class] of the untransformed images.
            moved: Logits [cell, image, class].
        """
        finite = moved.isfinite().all(-1) & reference.isfinite().all(-1)
        probabilities = moved.double().softmax(-1)
        first = reference.argmax(-1).expand(len(moved), -1)
        answers = moved.argmax(-1)
        for name, values in (
            (PREDICTED, answers.double()),
            (SCORE, probabilities.gather(-1, answers[..., None])[..., 0]),
            (KEPT, probabilities.gather(-1, first[..., None])[..., 0]),
        ):
            known = torch.where(finite, values, torch.nan).cpu().numpy()
            self._add(name, ANSWER, [cell.key for cell in cells], "logits", known, None)

    def add_orbit(self, orbit: Orbit, vectors: dict[str, Tensor]) -> None:
        """Adds the rows of a whole orbit: vectors [element, image, element of the vector]."""
        for layer, moved in vectors.items():
            # An orbit is compared with all images of the block: an image that is not finite would
            # make their values NaN too.
            finite = moved.isfinite().all(2).all(0)
            counted = finite.cpu().numpy()
            usable = moved if bool(finite.all()) else moved[:, finite]
            for metric in self._of_orbits:
                elsewhere = metric.at == "logits" and layer != "logits"
                if elsewhere or (metric.needs == "group" and not orbit.is_group):
                    continue
                shape = (len(moved), len(finite))
                values, weights = np.full(shape, np.nan), None
                if usable.shape[1] > 1:  # there is another image to compare with
                    known, shares = metric.evaluate(usable)
                    values[:, counted] = known.cpu().numpy()
                    if shares is not None:
                        weights = np.zeros(shape)
                        weights[:, counted] = shares.cpu().numpy()
                self._add(metric.name, MEASUREMENT, orbit.keys, layer, values, weights)

    def _add(
        self,
        metric: str,
        control: str,
        keys: Sequence[str],
        layer: str,
        values: np.ndarray,
        weights: np.ndarray | None,
    ) -> None:
        """Adds values and weights [cell, image] of a metric."""
        for number, key in enumerate(keys):
            self._rows.add(
                cell=key,
                layer=layer,
                metric=metric,
                control=control,
                values=values[number],
                weights=None if weights is None else weights[number],
            )
